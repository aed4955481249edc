import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { childOf, commandOf, pause, ticks, until } from '../support/processes.js';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const ENDLESS = join(import.meta.dirname, '../data/cases/attack/infinite_loop.onnx');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-ends-'));
afterAll(() => rmSync(folder, { recursive: true }));

// what it looks at is in /proc
test.runIf(process.platform === 'linux').each(['SIGTERM', 'SIGKILL'] as const)(
  'after %s the process of ONNX Runtime ends too, and the scratch folder goes',
  async (signal) => {
    const scratch = join(folder, signal);
    mkdirSync(scratch);
    const parent = spawn(process.execPath, [MAIN, 'verify', ENDLESS, ENDLESS], {
      stdio: 'ignore',
      env: { ...process.env, TMPDIR: scratch },
    });
    const gone = new Promise((done) => parent.on('exit', done));
    const child = await until(() => childOf(parent.pid!, 'ort/child.js'));
    expect(readdirSync(scratch)).toHaveLength(1);
    // by then it is in the loop of the model
    await until(() => (ticks(child) > 60 ? true : null));
    parent.kill(signal);
    await gone;
    await until(() => (commandOf(child) === null && readdirSync(scratch).length === 0 ? true : null));
  },
  60_000,
);

test('Ctrl-C ends a training run at once while it reads its data', async () => {
  const net = await textClassifier(join(folder, 'net'));
  const data = join(folder, 'data.jsonl');
  execFileSync('mkfifo', [data]);
  const output = join(folder, 'run');
  const words = ['train', net.train, '--data', data, '--tokenizer', net.tokenizer, '-o', output];
  const training = spawn(process.execPath, [MAIN, ...words], { stdio: 'ignore' });
  const ended = new Promise((done) => training.on('exit', (_code, signal) => done(signal)));
  // the pipe can be opened for writing once it is being read; nothing is written
  const writer = await until(() => {
    try {
      return openSync(data, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      return null;
    }
  });
  await pause(200);
  training.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
  closeSync(writer);
  expect(existsSync(output)).toBe(false);
}, 60_000);

test('a run that does not end is ended after --timeout', async () => {
  const { code, err } = await lotrc('verify', ENDLESS, ENDLESS, '--timeout', '1');
  expect(code).toBe(1);
  expect(err).toContain('error LOTR8013');
  expect(err).toContain('longer than 1 seconds');
});

test('a temporary folder that is missing is said to be', () => {
  const env = { ...process.env, TMPDIR: join(folder, 'nowhere') };
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'verify', ENDLESS, ENDLESS], {
    env,
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/^error LOTR1201: .*TMPDIR names the folder/);
  expect(status).toBe(1);
});
