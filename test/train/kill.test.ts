import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RandomStream } from '../../src/init/rng.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { records, textClassifier } from '../support/classifier.js';
import { EVERYTHING } from '../support/everything.js';
import { writeJsonl } from '../support/reading.js';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const ROUNDS = EVERYTHING ? 20 : 5;
const RESULTS = ['checkpoint.safetensors', 'best.safetensors', 'adapter.safetensors'];
const root = mkdtempSync(join(tmpdir(), 'lotrc-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let words: readonly string[] = [];
/** seconds from start to end of a run that nothing disturbs */
let whole = 0;
const random = new RandomStream(20, 'kill');

const command = (output: string) => [MAIN, 'train', ...words, '-o', output, '--resume'];

beforeAll(async () => {
  const net = await textClassifier(join(root, 'net'));
  const data = writeJsonl(join(root, 'data.jsonl'), records(60, ['a', 'b', 'c']));
  words = [
    net.train,
    '--data',
    data,
    '--tokenizer',
    net.tokenizer,
    '--eval-split',
    '0.2',
    '--batch-size',
    '8',
  ];
  words = [
    ...words,
    '--epochs',
    '40',
    '--lr',
    '0.03',
    '--schedule',
    'cosine',
    '--warmup',
    '0.1',
    '--checkpoint-every',
    '4',
  ];
  const start = performance.now();
  const done = spawnSync(process.execPath, command(join(root, 'whole')), { encoding: 'utf8' });
  whole = performance.now() - start;
  if (done.status !== 0) throw new Error(done.stderr);
}, 60_000);

/** Every file under its own name is whole, whenever the writer died. */
function checkWhole(folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name);
    if (name.startsWith('.')) continue; // a temporary file that was being written
    if (name.endsWith('.safetensors')) expect(readSafetensors(path).tensors.size).toBeGreaterThan(0);
    if (name.endsWith('.json')) expect(() => JSON.parse(readFileSync(path, 'utf8'))).not.toThrow();
    if (name.endsWith('.html')) expect(readFileSync(path, 'utf8').trimEnd()).toMatch(/<\/html>$/);
    if (name.endsWith('.parquet')) expect(readFileSync(path).subarray(-4).toString('latin1')).toBe('PAR1');
  }
}

test.each(Array.from({ length: ROUNDS }, (_, i) => i))(
  'killed at random moment %i and resumed, a run ends with the bits of one that nothing disturbed',
  async (round) => {
    const folder = join(root, String(round));
    // from the first reading of files to the last writing; starting Node takes the first part of the time
    const moment = whole * (0.15 + 0.85 * random.uniform(round));
    const child = spawn(process.execPath, command(folder), { stdio: 'ignore' });
    const ended = new Promise<NodeJS.Signals | null>((settle) => {
      child.on('exit', (_code, signal) => settle(signal));
    });
    setTimeout(() => child.kill('SIGKILL'), moment);
    await ended;
    checkWhole(folder);
    const done = spawnSync(process.execPath, command(folder), { encoding: 'utf8' });
    expect(done.status, done.stderr).toBe(0);
    for (const name of RESULTS) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(root, 'whole', name))), name).toBe(
        true,
      );
    }
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  },
  60_000,
);
