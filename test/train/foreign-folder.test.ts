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
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { nested } from '../../src/backends/ort/config.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { rewrite } from '../../src/rewrite.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Batch } from '../../src/train/training-steps.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';
import { noise } from '../support/ort.js';

// Training folders and run folders that someone else wrote.

const root = mkdtempSync(join(tmpdir(), 'lotrc-foreign-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = join(root, 'train');
const file = join(folder, 'signature.json');
let text = '';

/** A classifier x [batch, 5] -> [batch, 3] with biases of two names that every object has. */
function emit(into: string): void {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', 5]));
  const w1 = graph.addInitializer('hidden.weight', f32Tensor([5, 61], noise(305, 3)));
  const w2 = graph.addInitializer('head.weight', f32Tensor([61, 3], noise(183, 4)));
  const b1 = graph.addInitializer('constructor', f32Tensor([61], noise(61, 5)));
  const b2 = graph.addInitializer('__proto__', f32Tensor([3], noise(3, 6)));
  const op = (name: string, ...inputs: Parameters<typeof graph.append>[0]['inputs']) =>
    graph.append({ op: name.split('/')[1]!, inputs, outputs: [`${name}_out`], name: `/${name}` }).outputs[0]!;
  const hidden = op('h/Tanh', op('h/Add', op('hidden/MatMul', x, w1), b1));
  const y = op('o/Add', op('head/MatMul', hidden, w2), b2);
  y.setType(tensorType('f32', ['batch', 3]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: 2, targets: ['hidden', 'head'] });
  const path = join(root, 'model.lotr.onnx');
  writeModel(model, path);
  const options = { ...TRAIN_DEFAULTS, alsoTrain: ['^constructor$', '^__proto__$'] };
  emitTraining({ open: () => readModel(path), folder: into, options });
}

beforeAll(() => {
  emit(folder);
  text = readFileSync(file, 'utf8');
});

const batch = (): Batch => ({
  inputs: { x: { type: 'float32', dims: [2, 5], data: noise(10, 9) } },
  labels: { type: 'int32', dims: [2], data: Int32Array.of(0, 2) },
});

/** The diagnostic that opening the folder with this signature ends in; null: it opens. Anything else is thrown on. */
function opened(signature: string): string | null {
  writeFileSync(file, signature);
  try {
    TrainingRun.open(folder, { inProcess: true, threads: 1 });
    return null;
  } catch (error) {
    if (error instanceof LotrcError) return error.message;
    throw error;
  }
}

/** The signature with other text in place of a part that it has. */
const changed = (part: string | RegExp, by: string): string => {
  const now = text.replace(part, by);
  expect(now).not.toBe(text);
  return now;
};
const withSession = (entries: string): string => changed('"session": {}', `"session": {${entries}}`);

describe('settings for ONNX Runtime that signature.json names', () => {
  test.each([
    'session.optimized_model_filepath',
    'session.collect_node_memory_stats_to_file',
    'session.enable_profiling',
    'session.profile_file_prefix',
    'session.model_external_initializers_file_folder_path',
    'ep.context_file_path',
    'optimizedModelFilePath',
    '__proto__.optimizedModelFilePath',
    '__proto__',
    'constructor.prototype.optimizedModelFilePath',
    'session.__proto__.optimizedModelFilePath',
  ])('%s is refused, and nothing is written', async (key) => {
    const target = join(root, 'written.sh');
    writeFileSync(file, withSession(`${JSON.stringify(key)}: ${JSON.stringify(target)}`));
    const data = join(root, 'data.safetensors');
    writeSafetensors(
      data,
      new Map([
        ['x', f32Tensor([2, 5], noise(10, 9))],
        ['labels', i64Tensor([2], [0, 2])],
      ]),
    );
    const { code, err } = await lotrc('train', folder, '--data', data, '-o', join(root, 'run'));
    expect(err).toMatch(/^error LOTR8201: field "session": .* is not a setting that lotrc passes/);
    expect(err).toContain(file);
    expect(code).toBe(1);
    expect(existsSync(target)).toBe(false);
    expect(existsSync(join(root, 'run'))).toBe(false);
    expect(Object.hasOwn(Object.prototype, 'optimizedModelFilePath')).toBe(false);
    expect(() => nested({ [key]: target })).toThrow(/is not a setting/);
    expect(Object.hasOwn(Object.prototype, 'optimizedModelFilePath')).toBe(false);
  });
  test('the entry that lotrc writes passes with its value alone', () => {
    const key = 'session.qdq_matmulnbits_accuracy_level';
    expect(opened(withSession(`"${key}": "1"`))).toBeNull();
    expect(opened(withSession(`"${key}": "4"`))).toMatch(/LOTR8201: field "session": "session.qdq.* takes 1/);
    expect(opened(withSession(`"${key}": 1`))).toMatch(
      /LOTR8201: field "session\.session\.qdq.*must be text/,
    );
  });
  test('onCpu is a list of names', () => {
    expect(opened(changed('"file": "step.onnx"', '"file": "step.onnx", "onCpu": ["a", {}]'))).toMatch(
      /LOTR8201: field "graphs\.step\.onCpu\[1\]": it must be text/,
    );
  });
});

describe('files that signature.json names lie in the folder', () => {
  const outside = () => {
    const path = join(root, 'outside.bin');
    writeFileSync(path, readFileSync(join(folder, 'model.lotr.onnx')));
    return path;
  };
  test.each(['../outside.bin', 'a/../../outside.bin', '/etc/passwd', '', '.', 'a//b', './model.lotr.onnx'])(
    'base at %j',
    (location) => {
      outside();
      expect(
        opened(changed('"location": "model.lotr.onnx"', `"location": ${JSON.stringify(location)}`)),
      ).toMatch(/LOTR8201: field "base\[0\]\.location": .* is not the path of a file in this folder/);
    },
  );
  test.each(['../step.onnx', '/etc/passwd', 'sub/step.onnx', '..'])('a graph at %j', (name) => {
    expect(opened(changed('"file": "step.onnx"', `"file": ${JSON.stringify(name)}`))).toMatch(
      /LOTR8201: field "graphs\.step\.file": .* is not the (name|path) of a file in this folder/,
    );
  });
  test('a link that leads out', () => {
    symlinkSync(outside(), join(folder, 'link.bin'));
    expect(opened(changed('"location": "model.lotr.onnx"', '"location": "link.bin"'))).toMatch(
      /LOTR8201: field "base\[0\]\.location": "link.bin" is a link that leads out/,
    );
    expect(opened(changed('"file": "step.onnx"', '"file": "link.bin"'))).toMatch(
      /graphs\.step\.file.*leads out/,
    );
  });
});

type Tree = { [key: string]: Tree } | Tree[] | string | number | boolean | null;

/** Paths of all fields; the first entry of a list replaces all of them. */
function paths(tree: Tree, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof tree !== 'object' || tree === null) return [at];
  const keys = Array.isArray(tree) ? [0].slice(0, tree.length) : Object.keys(tree);
  const here = at.length > 0 ? [at] : [];
  return [...here, ...keys.flatMap((key) => paths((tree as Record<string, Tree>)[key]!, [...at, key]))];
}

function altered(source: string, path: readonly (string | number)[], value: Tree | undefined): string {
  const tree = JSON.parse(source) as Tree;
  let at = tree as Record<string, Tree>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, Tree>;
  const last = path.at(-1)!;
  if (value !== undefined) at[last] = value;
  else if (Array.isArray(at)) at.splice(Number(last), 1);
  else delete at[last];
  return JSON.stringify(tree);
}

test('every field of signature.json missing or of another kind: it opens, or LOTR8201 says what is wrong', async () => {
  const run = async (): Promise<void> => {
    const one = TrainingRun.open(folder, { inProcess: true, threads: 1 });
    try {
      await one.step(batch(), 0.01);
      await one.evaluate(batch());
      await one.accumulate([batch(), batch()], 0.01);
    } finally {
      await one.close();
    }
  };
  let [refused, ran, opens] = [0, 0, 0];
  for (const path of paths(JSON.parse(text) as Tree)) {
    for (const value of [undefined, 'x', {}] as (Tree | undefined)[]) {
      const why = opened(altered(text, path, value));
      refused += why === null ? 0 : 1;
      if (why !== null) expect(why, `${path.join('.')} = ${JSON.stringify(value)}`).toMatch(/LOTR8201/);
      // what opens is also run: fields that fit and say something else; outside CI every third
      else if (path[0] === 'graphs' && (value === undefined || value === 'x')) {
        opens += 1;
        if (!EVERYTHING && opens % 3 > 0) continue;
        ran += 1;
        await run().catch((error: unknown) => {
          if (!(error instanceof LotrcError)) throw new Error(path.join('.'), { cause: error });
        });
      }
    }
  }
  expect(refused).toBeGreaterThan(200);
  expect(opens).toBeGreaterThan(10);
  expect(ran).toBeGreaterThan(3);
}, 60_000);

test('weights called constructor and __proto__ are trained and saved like others', async () => {
  writeFileSync(file, text);
  const run = TrainingRun.open(folder, { inProcess: true, threads: 1 });
  const names = ['constructor', '__proto__'];
  const before = await run.parameters();
  for (const name of names) expect(before.has(name), name).toBe(true);
  const losses = [];
  for (let step = 0; step < 3; step++) losses.push((await run.step(batch(), 0.05)).loss);
  expect(losses[2]).toBeLessThan(losses[0]!);
  for (let step = 0; step < 2; step++) losses.push((await run.accumulate([batch(), batch()], 0.05)).loss);
  expect(losses[4]).toBeLessThan(losses[2]!);
  const after = await run.parameters();
  for (const name of names) expect(after.get(name)!.bytes(), name).not.toEqual(before.get(name)!.bytes());
  await run.close();
});

test('a state that lacks a tensor, and graphs that are others than listed', async () => {
  writeFileSync(file, text);
  const state = join(folder, 'state.safetensors');
  const bytes = readFileSync(state);
  writeSafetensors(state, new Map());
  expect(opened(text)).toMatch(/LOTR8201: it has no f32 tensor .* --> .*state\.safetensors/s);
  writeFileSync(state, bytes);
  const step = readFileSync(join(folder, 'step.onnx'));
  writeFileSync(join(folder, 'step.onnx'), readFileSync(join(folder, 'eval.onnx')));
  const run = TrainingRun.open(folder, { inProcess: true, threads: 1 });
  await expect(run.step(batch(), 0.01)).rejects.toThrow(
    /LOTR8201: the graph is not the one in signature\.json/,
  );
  await run.close();
  writeFileSync(join(folder, 'step.onnx'), step);
});

test.each([
  ['parameter', 'constructor', [Number.NaN, Number.NEGATIVE_INFINITY], '1 NaN and 1 infinite'],
  // a second moment that has overflown: the parameter stays where it is, and every number of it is finite
  ['optimizer state', '__proto__/v', [Number.POSITIVE_INFINITY], '0 NaN and 1 infinite'],
] as const)(
  '%s %s that is not finite is not saved: LOTR8213 names it, and no file of the run is written',
  async (kind, name, values, found) => {
    writeFileSync(file, text);
    const state = join(folder, 'state.safetensors');
    const bytes = readFileSync(state);
    const { tensors, metadata } = readSafetensors(state);
    const bias = toF32(tensors.get(name)!).slice();
    bias.set(values, 1);
    const changed = new Map([...tensors].map(([name, data]) => [name, f32Tensor(data.shape, toF32(data))]));
    writeSafetensors(state, changed.set(name, f32Tensor([bias.length], bias)), metadata);
    const output = join(root, 'nan');
    const words = ['--data', join(root, 'data.safetensors'), '-o', output, '--max-steps', '1'];
    const { code, err } = await lotrc('train', folder, ...words);
    expect(err).toContain(
      `LOTR8213: after step 1 ${kind} "${name}" holds ${found} values of ${bias.length}\n`,
    );
    expect(code).toBe(1);
    expect(readdirSync(output).filter((name) => /safetensors|run\.json/.test(name))).toEqual([]);
    writeFileSync(state, bytes);
  },
);

test('every field of run.json missing or of another kind: LOTR8212 names file and field', async () => {
  writeFileSync(file, text);
  const output = join(root, 'run');
  mkdirSync(output, { recursive: true });
  const data = join(root, 'data.safetensors');
  const done = await lotrc(
    'train',
    folder,
    '--data',
    data,
    '-o',
    output,
    '--max-steps',
    '1',
    '--batch-size',
    '2',
  );
  expect(done.err).not.toMatch(/error/);
  const settings = join(output, 'run.json');
  const written = readFileSync(settings, 'utf8');
  let refused = 0;
  for (const path of paths(JSON.parse(written) as Tree)) {
    for (const value of [undefined, 'x', -1] as (Tree | undefined)[]) {
      writeFileSync(settings, altered(written, path, value));
      const { code, err } = await lotrc('eval', folder, '--data', data, '--run', output);
      if (code === 0) continue;
      expect(code, `${path.join('.')} = ${JSON.stringify(value)}: ${err}`).toBe(1);
      if (!err.includes('LOTR8212')) continue;
      refused += 1;
      expect(err).toContain(settings);
      expect(err).toContain(String(path.filter((key) => typeof key === 'string').at(-1)));
    }
  }
  expect(refused).toBeGreaterThan(40);
  writeFileSync(settings, written.replace('"batchSize"', '"later": 1, "batchSize"'));
  expect((await lotrc('eval', folder, '--data', data, '--run', output)).err).toMatch(
    /LOTR8212: field "later": this version of lotrc does not know it/,
  );
}, 60_000);
