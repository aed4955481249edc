import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { withTables } from '../cli/dev/docs/regions.js';
import { TABLES } from '../cli/dev/docs/tables.js';
import { buildProgram } from '../cli/program.js';
import { Reporter } from '../cli/reporter.js';
import { LOTR } from '../src/adapter/methods/lotr.js';
import { emitTraining } from '../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../src/backends/onnx-train/options.js';
import { parseInit } from '../src/init/index.js';
import '../src/backends/codes/index.js';
import '../src/ir/codes/index.js';
import { allCodes } from '../src/ir/diagnostics.js';
import { readModel } from '../src/ir/onnx/reader.js';
import { writeModel } from '../src/ir/onnx/writer.js';
import { OP_VERSIONS } from '../src/ir/ops/generated/attr-defaults.js';
import { rewrite } from '../src/rewrite.js';
import { oracles } from './support/oracle.js';
import { emitOracle } from './support/training.js';

const ROOT = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const page = readFileSync(join(ROOT, 'docs/onnx-train.md'), 'utf8');

test('tables that are made from declarations are up to date: npm run gen', () => {
  const names = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const texts = names
    .filter((name) => name.endsWith('.md'))
    .map((name) => readFileSync(join(ROOT, 'docs', name), 'utf8'));
  expect(texts.map((text) => withTables(text, TABLES))).toEqual(texts);
  for (const table of Object.keys(TABLES))
    expect(
      texts.some((text) => text.includes(`<!-- table ${table} -->`)),
      table,
    ).toBe(true);
});

describe('the training loop in docs/onnx-train.md runs unchanged', () => {
  const [, code] = /```js\n([\s\S]*?)```/.exec(page)!;
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'node_modules/onnxruntime-node'), join(folder, 'node_modules/onnxruntime-node'));
  writeFileSync(join(folder, 'loop.mjs'), code!);
  const loop = (directory: string) =>
    spawnSync(process.execPath, ['loop.mjs', directory], { cwd: folder, encoding: 'utf8', timeout: 300_000 });

  test.each([
    [
      'a classifier of the oracle',
      () => emitOracle(oracles().find(({ name }) => name === 'bert.ts')!, folder).folder,
      {},
      0.5,
    ],
    ['a classifier of two classes', () => join(ROOT, 'test/data/cases/train/bert2.onnx'), {}, 0.5],
    // its weights are random, and adapters alone learn slowly
    ['a language model', () => join(ROOT, 'test/data/cases/train/tied.ts.onnx'), { shift: true }, 0.98],
  ] as const)('on %s, and its loss falls', (name, open, options, part) => {
    const source = open();
    const directory = source.endsWith('.onnx') ? emitted(source, options) : source;
    const { stdout, stderr, status } = loop(directory);
    expect({ stderr, status }, name).toEqual({ stderr: '', status: 0 });
    const losses = stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(losses).toHaveLength(20);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * part);
  });

  test('and ends with a reason where no loss is finite', () => {
    writeFileSync(
      join(folder, 'bad.mjs'),
      code!.replace('Int32Array.from(values)', 'Int32Array.from(values, () => 7)'),
    );
    const directory = emitted(join(ROOT, 'test/data/cases/train/bert2.onnx'), {});
    const run = spawnSync(process.execPath, ['bad.mjs', directory], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 300_000,
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('never finite: check the labels');
  });
});

/** A training directory of a model with adapters on all its layers. */
function emitted(path: string, options: Partial<TrainOptions>): string {
  const directory = mkdtempSync(join(folder, 'train-'));
  const adapted = join(directory, 'model.onnx');
  const model = readModel(path);
  rewrite(model, { rank: 8, spec: { ...parseInit('fan-in', LOTR), scale: 8 } });
  writeModel(model, adapted);
  emitTraining({
    open: () => readModel(adapted),
    folder: directory,
    options: { ...TRAIN_DEFAULTS, ...options },
  });
  return directory;
}

async function commands() {
  const io = { out: () => {}, err: () => {} };
  const program = await buildProgram({ io, reporter: new Reporter(io, 'text'), exitCode: 0 });
  return program.commands.flatMap((command) => [command, ...command.commands]);
}

test('options that docs/onnx-train.md names exist, and so do the operators', async () => {
  const declared = (await commands())
    .filter((command) => ['onnx-train', 'train', 'eval'].includes(command.name()))
    .flatMap(({ options }) => options.map(({ long }) => long));
  for (const [, option] of page.matchAll(/`(--[a-z0-9-]+)/g)) expect(declared).toContain(option);
  for (const op of ['ScatterND', 'ScatterElements', 'Loop']) expect(OP_VERSIONS).toHaveProperty(op);
});

const models = readFileSync(join(ROOT, 'docs/models.md'), 'utf8');

test('codes, options and commands that docs/models.md names exist', async () => {
  const known = new Set<string>(allCodes().map(({ code }) => code));
  for (const [code] of models.matchAll(/LOTR\d{4}/g)) expect(known, code).toContain(code);
  const declared = (await commands()).flatMap(({ options }) => options.map(({ long }) => long));
  for (const [, option] of models.matchAll(/(?<=[ `])(--[a-z][a-z-]*)/g)) expect(declared).toContain(option);
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  for (const [, script] of models.matchAll(/npm run (\w+)/g)) expect(scripts).toHaveProperty(script!);
});

test('documents that sources and documents refer to are in the repository', () => {
  const elsewhere = new Set(['docs/Syntax.md', 'docs/OperatorKernels.md']); // of ONNX and ONNX Runtime
  const files = ['src', 'cli', 'bench', 'test', 'docs', '.'].flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: top !== '.', encoding: 'utf8' })
      .filter((name) => /\.(?:ts|mjs|py|h|cpp|md)$/.test(name) && !/^(?:node_modules|data)\b/.test(name))
      .map((name) => join(ROOT, top, name)),
  );
  const missing = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?<![\w/.-])[\w./-]+\.md\b/g)]
      .map(([name]) => name!)
      .filter((name) => !elsewhere.has(name))
      .filter((name) => ![ROOT, join(ROOT, 'docs'), dirname(file)].some((at) => existsSync(join(at, name))))
      .map((name) => `${relative(ROOT, file)}: ${name}`),
  );
  expect(missing).toEqual([]);
});
