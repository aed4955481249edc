/**
 * `npm run kill:ranks -- 20`: jobs of three ranks, one of which is killed at a random step. Each must end within 30 seconds, say so,
 * be resumed, and have the bits of a run that was not killed. Data is read window by window.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPosition } from '../../src/train/checkpoint.js';
import { records, textClassifier } from '../support/classifier.js';
import { launcherOf } from '../support/mpi.js';
import { writeJsonl } from '../support/reading.js';
import { differing, goOn, type KillJob, killOne } from './rank-kills.js';

const kills = Number(process.argv[2] ?? 20);
const LONGEST = 30;

const root = mkdtempSync(join(tmpdir(), 'lotrc-kill-ranks-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
const launcher = launcherOf('open');
if (!launcher) throw new Error('there is no Open MPI');
const net = await textClassifier(join(root, 'net'));
const data = writeJsonl(join(root, 'data.jsonl'), records(61, ['fish', 'bird', 'newt']));
const steps = 400;
const settings = `--batch-size 5 --max-steps ${steps} --epochs 999 --checkpoint-every 20 --threads 1`;
const job: KillJob = {
  launcher,
  ranks: 3,
  words: [
    ...['train', net.train, '--data', data, '--tokenizer', net.tokenizer],
    ...['--streaming', '--shuffle-window', '20', ...settings.split(' ')],
  ],
  resume: ['train', net.train, '--resume'],
  steps,
};
const whole = join(root, 'whole');
const began = performance.now();
const first = await goOn(job, whole);
if (first.code !== 0) throw new Error(first.text);
console.log(`a whole run takes ${((performance.now() - began) / 1000).toFixed(1)} s`);
let [failed, longest] = [0, 0];
for (let number = 0; number < kills; number++) {
  const output = join(root, `run${number}`);
  const { rank, seconds, code, text } = await killOne(job, output, number);
  const at = readPosition(output)?.step ?? null;
  const went = code === 0 ? { code: 0, text: '' } : await goOn(job, output);
  const wrong = [
    ...(rank !== null && code === 0 ? ['the job ended with 0'] : []),
    ...(rank !== null && text.trim() === '' ? ['nothing was said'] : []),
    ...(seconds > LONGEST ? [`${seconds.toFixed(1)} s to the end`] : []),
    ...(went.code === 0 ? differing(whole, output).map((name) => `${name} differs`) : [went.text]),
  ];
  longest = Math.max(longest, seconds);
  const killed = rank === null ? 'ended before' : `rank ${rank} killed, ended after ${seconds.toFixed(1)} s`;
  console.log(
    `${number}: ${killed}, checkpoint ${at ?? 'none'}: ${wrong.length === 0 ? 'ok' : wrong.join('; ')}`,
  );
  if (wrong.length > 0) failed++;
}
console.log(`${kills - failed} of ${kills} as they must be; the longest end took ${longest.toFixed(1)} s`);
process.exitCode = failed === 0 ? 0 : 1;
