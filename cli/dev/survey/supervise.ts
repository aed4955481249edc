import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface Limits {
  readonly seconds: number;
  /** resident bytes of the process and its children together; looked at on Linux only */
  readonly bytes: number;
}

export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  /** null: it ended by itself with status 0 */
  readonly trouble: string | null;
}

const LOOK_MS = 100;

/**
 * Runs a Node program in a process group of its own and ends the group when it takes too long or too much memory: some
 * models crash, hang or exhaust whatever runs them. Never throws.
 */
export function supervise(script: string, args: readonly string[], limits: Limits): Promise<Ending> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let trouble: string | null = null;
    const stop = (why: string): void => {
      trouble ??= why;
      // the group: the process of ONNX Runtime is a child of the child
      if (child.pid !== undefined) endGroup(child.pid);
    };
    const clock = setTimeout(() => stop(`not done after ${limits.seconds} s`), limits.seconds * 1000);
    const watch = setInterval(() => {
      const held = residentBytes(child.pid ?? 0);
      if (held > limits.bytes) stop(`took ${Math.round(held / 2 ** 20)} MiB`);
    }, LOOK_MS);
    const texts = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text));
    child.on('error', (error) => (trouble ??= error.message));
    child.on('close', (code, signal) => {
      clearTimeout(clock);
      clearInterval(watch);
      if (child.pid !== undefined) endGroup(child.pid);
      if (code !== 0) trouble ??= signal ? `ended by ${signal}` : `exit code ${code}`;
      done({ ...texts, trouble });
    });
  });
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** Resident bytes of a process and its descendants; 0 where /proc does not say. */
function residentBytes(pid: number): number {
  const folder = `/proc/${pid}`;
  if (!existsSync(folder)) return 0;
  try {
    const kilobytes = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1] ?? '0';
    const children = readFileSync(`${folder}/task/${pid}/children`, 'utf8').trim();
    const below = children === '' ? [] : children.split(' ').map(Number);
    return below.reduce((sum, each) => sum + residentBytes(each), Number(kilobytes) * 1024);
  } catch {
    // it ended between two looks
    return 0;
  }
}
