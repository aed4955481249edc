import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LOTRC } from '../../bench/lotrc.js';
import { residentOfTree } from '../support/processes.js';

/** Milliseconds between two looks. */
const EVERY = 200;

/**
 * Runs a command of lotrc; gives its exit code, what it said, and the largest resident memory of its processes together, in bytes (Linux
 * only). `ends`: asked now and then whether to interrupt it, as Ctrl-C does.
 */
export async function watched(
  words: readonly string[],
  ends: () => boolean = () => false,
): Promise<{ readonly code: number | null; readonly said: string; readonly most: number }> {
  const child = spawn(process.execPath, [LOTRC, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
    });
  let [most, told] = [0, false];
  const timer = setInterval(() => {
    most = Math.max(most, residentOfTree(child.pid!));
    if (told || !ends()) return;
    told = true;
    child.kill('SIGINT');
  }, EVERY);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  return { code, said, most };
}
