import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileLock, lockFile } from '../../src/ir/files/lock.js';
import { runPath } from '../../src/train/run-lock.js';
import { done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { allOrFirst } from '../support/everything.js';
import { writeJsonl } from '../support/reading.js';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const root = mkdtempSync(join(tmpdir(), 'lotrc-locks-'));
afterAll(() => rmSync(root, { recursive: true }));

let net: TextClassifier;
let data = '';
beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
  data = writeJsonl(join(root, 'data.jsonl'), records(40, ['a', 'b', 'c']));
});

const words = (output: string, steps: number, ...more: readonly string[]) =>
  ['train', net.train, '--data', data, '--tokenizer', net.tokenizer, '-o', output].concat(
    ['--epochs', '1000000', '--max-steps', `${steps}`, '--checkpoint-every', '2', '--threads', '1'],
    more,
  );

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setTimeout(next, 20));
}

/** A run that does not end by itself, once it has written a checkpoint. */
async function endless(output: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, ...words(output, 1e9)], { stdio: 'ignore' });
  await until(() => existsSync(join(output, 'checkpoint.safetensors')));
  return child;
}

test.each(allOrFirst(['SIGKILL', 'SIGTERM', 'SIGHUP'] as const))(
  'a run folder belongs to one process until %s ends it, and then to the next',
  async (signal) => {
    const output = join(root, signal);
    const child = await endless(output);
    const exit = new Promise((end) => child.on('exit', end));
    const lock = lockFile(runPath(output));
    for (const more of [[], ['--resume']]) {
      const { code, err } = await lotrc(...words(output, 1e9, ...more));
      expect(code).toBe(1);
      expect(err).toContain(`error LOTR1205: process ${child.pid} is writing it, since 2`);
      expect(err).toContain(`main.js train ${net.train}`);
      expect(err).toContain(`--> ${output}\n`);
    }
    child.kill(signal);
    await exit;
    // a janitor removes it where the process itself cannot
    await until(() => !existsSync(lock));
    // it goes on from its checkpoint to its new end, or is past that
    const { err } = await lotrc(...words(output, 1e9, '--resume', '--epochs', '1'));
    expect(err).toMatch(/warning LOTR8245|error LOTR8211/);
    // the janitor's own lock, under which it removed that of the run, may go a moment later
    await until(() => !readdirSync(output).some((name) => name.includes('lock')));
  },
  60_000,
);

test('a run folder that cannot be made is said to be', async () => {
  for (const output of [net.tokenizer, join(net.tokenizer, 'run')]) {
    const { code, err } = await lotrc(...words(output, 1));
    expect([code, err]).toEqual([1, expect.stringMatching(/error LOTR1201: .*it is a file/)]);
  }
});

test('an output that another process is writing is refused, and others in its folder are not', async () => {
  const out = join(root, 'held.onnx');
  const lock = FileLock.take(out);
  const rewrite = (path: string) => lotrc('rewrite', net.model, '--rank', '2', '-o', path);
  const { code, err } = await rewrite(out);
  expect([code, err]).toEqual([1, expect.stringContaining(`error LOTR1205: process ${process.pid} `)]);
  await done('rewrite', net.model, '--rank', '2', '-o', join(root, 'free.onnx'));
  lock.release();
  expect((await rewrite(out)).code).toBe(0);
  expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('of commands that write one output at the same time each writes it whole or names another', async () => {
  const out = join(root, 'same.onnx');
  const commands = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, [MAIN, 'rewrite', net.model, '--rank', '2', '-o', out]);
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const end = new Promise<number | null>((settle) => child.on('close', settle));
    return { pid: child.pid, end, said: () => err };
  });
  const codes = await Promise.all(commands.map(({ end }) => end));
  expect(codes).toContain(0);
  for (const [index, code] of codes.entries()) {
    if (code === 0) continue;
    const holder = /error LOTR1205: process (\d+) is writing it/.exec(commands[index]!.said())?.[1];
    expect(commands.map(({ pid }) => pid)).toContain(Number(holder));
  }
  await done('rewrite', net.model, '--rank', '2', '-o', join(root, 'alone.onnx'));
  expect(readFileSync(out).equals(readFileSync(join(root, 'alone.onnx')))).toBe(true);
  expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
});
