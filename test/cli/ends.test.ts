import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { allOrFirst } from '../support/everything.js';
import { childOf, commandOf, pause, ticks, until } from '../support/processes.js';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const ENDLESS = join(import.meta.dirname, '../data/cases/attack/infinite_loop.onnx');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-ends-'));
afterAll(() => rmSync(folder, { recursive: true }));
let net: TextClassifier;
beforeAll(async () => {
  net = await textClassifier(join(folder, 'net'));
});

// what it looks at is in /proc
test.runIf(process.platform === 'linux').each(allOrFirst(['SIGKILL', 'SIGTERM'] as const))(
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

test.each([
  ['SIGINT', 'waits for its data'],
  ['SIGINT', 'reads data without end'],
  ['SIGTERM', 'reads data without end'],
] as const)('%s ends a training run at once while it %s', async (signal, state) => {
  const scratch = mkdtempSync(join(folder, 'reading-'));
  const data = join(scratch, 'data.jsonl');
  execFileSync('mkfifo', [data]);
  const output = join(scratch, 'run');
  const words = ['train', net.train, '--data', data, '--tokenizer', net.tokenizer, '-o', output];
  const training = spawn(process.execPath, [MAIN, ...words], { stdio: 'ignore' });
  const ended = new Promise((done) => training.on('exit', (_code, by) => done(by)));
  // a pipe is opened once it is being read
  const writer = await open(data, 'w');
  const line = `{"text":"${'some words '.repeat(99)}","label":"fish"}`;
  const busy = state.startsWith('reads') && spawn('yes', [line], { stdio: ['ignore', writer.fd, 'ignore'] });
  await pause(500);
  training.kill(signal);
  expect(await ended).toBe(signal);
  await writer.close();
  if (busy)
    await new Promise((done) => ((busy.exitCode ?? busy.signalCode) ? done(null) : busy.on('exit', done)));
  expect(existsSync(output)).toBe(false);
});

test('data of more rows than the memory holds is refused', async () => {
  const data = join(folder, 'many.jsonl');
  // the names of labels are held, and few rows of long ones fill the memory
  const name = 'fish'.repeat(400);
  const rows = Array.from({ length: 30_000 }, (_, n) => `{"text":"a","label":"${name}${n}"}\n`);
  writeFileSync(data, rows.join(''));
  const words = [
    'train',
    net.train,
    '--data',
    data,
    '--tokenizer',
    net.tokenizer,
    '-o',
    join(folder, 'none'),
  ];
  const { status, stderr } = spawnSync(process.execPath, ['--max-old-space-size=48', MAIN, ...words], {
    encoding: 'utf8',
  });
  expect(stderr).toMatch(
    /error LOTR8204: its first \d+ rows fill the \d+ MiB of Node.js\n.*\n.*max-old-space-size/,
  );
  expect(status).toBe(1);
});

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
