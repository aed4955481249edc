import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../src/ir/diagnostics.js';
import type { Model, Value } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import type { Dim, Shape } from '../../src/ir/shape.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../support/evaluate.js';
import { noise, runOrt, type Tensor } from '../support/ort.js';
import { onnxFiles, sharedDir } from '../support/shared.js';

/** The inferred types, and the float64 references, against what ONNX Runtime computes for every value of real models. */

const ORT_NAMES: Readonly<Record<string, string>> = {
  f32: 'float32',
  i64: 'int64',
  i32: 'int32',
  bool: 'bool',
  f64: 'float64',
};

/** Every output of a node in the main graph. */
function values(model: Model): Value[] {
  return [...model.graph.nodes].flatMap((node) => node.outputs.filter((output) => output.name !== ''));
}

/** Feeds of the declared types: token ids below 7, masks of ones with a hole, noise. */
function feeds(model: Model, extent: (dim: string, k: number) => number): Record<string, Tensor> {
  const result: Record<string, Tensor> = {};
  for (const input of model.graph.inputs) {
    if (input.constant || input.type?.kind !== 'tensor') continue;
    const shape = input.type.shape!.map((dim, k) => (typeof dim === 'number' ? dim : extent(dim ?? '?', k)));
    const count = shape.reduce((a, b) => a * b, 1);
    if (input.type.dtype === 'f32')
      result[input.name] = { dtype: 'float32', shape, data: noise(count, count) };
    else {
      const mask = input.name.includes('mask');
      const data = BigInt64Array.from({ length: count }, (_, i) =>
        BigInt(mask ? Number(i !== count - 1) : (i * 5 + 3) % 7),
      );
      result[input.name] = { dtype: 'int64', shape, data };
    }
  }
  return result;
}

/** Runs a copy of the model in which every value is an output. */
async function runAll(path: string, given: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const model = readModel(path);
  for (const value of values(model)) if (!value.isOutput) model.graph.addOutput(value);
  return runOrt(encodeModel(model), given, { level: 'disabled' });
}

/** Binds names to extents as runs show them; a name must mean one extent in a run. Sums are evaluated. */
class Names {
  readonly known = new Map<string, number>();

  check(dims: Shape, extents: readonly number[], where: string): void {
    expect(dims.length, where).toBe(extents.length);
    for (const [k, dim] of dims.entries())
      expect(this.extent(dim, extents[k]!), `${where} [${k}] ${dim}`).toBe(extents[k]);
  }

  extent(dim: Dim, seen: number): number {
    if (typeof dim === 'number') return dim;
    if (dim === null) return seen;
    if (/[ *]/.test(dim)) {
      const text = dim.replace(/[A-Za-z_][\w.]*/g, (name) => String(this.known.get(name)));
      return Number(new Function(`return ${text}`)());
    }
    if (!this.known.has(dim)) this.known.set(dim, seen);
    return this.known.get(dim)!;
  }
}

const own = join(import.meta.dirname, '../data/oracle');
const shared = sharedDir();
const folder = shared ? join(shared, 'oracle') : own;
const files = [
  'bert.ts',
  'bert.dynamo',
  'gpt2.ts',
  'llama.dynamo',
  ...(shared ? ['t5.ts', 'vit.dynamo', 'qwen2.ts'] : []),
]
  .map((name) => [name, join(folder, `${name}.onnx`)] as const)
  .filter(([, path]) => existsSync(path));

describe.each(files)('%s', (_, path) => {
  test.each([
    [2, 5],
    [3, 7],
  ])('types hold at run time with batch %i and length %i', async (batch, seq) => {
    const model = readModel(path);
    expect(inferShapes(model)).toEqual([]);
    const names = new Names();
    const given = feeds(model, (dim, k) => {
      const extent = k === 0 ? batch : seq;
      names.known.set(dim, extent);
      return extent;
    });
    const results = await runAll(path, given);
    let full = 0;
    for (const value of values(model)) {
      const tensor = results[value.name]!;
      const type = value.type;
      if (type?.kind !== 'tensor' || !type.shape) continue;
      expect(ORT_NAMES[type.dtype], value.name).toBe(tensor.dtype);
      names.check(type.shape, tensor.shape, value.name);
      if (type.shape.every((dim) => dim !== null)) full++;
    }
    expect(full / values(model).length).toBe(1);
  });

  test('the float64 references compute the same values', async () => {
    const model = readModel(path);
    inferShapes(model);
    const given = feeds(model, (_dim, k) => (k === 0 ? 2 : 5));
    const results = await runAll(path, given);
    const asNd = ({ shape, data }: Tensor): NdArray => ({ shape, data: Float64Array.from(data, Number) });
    const computed = evaluateGraph(
      model.graph,
      new Map(Object.entries(given).map(([name, t]) => [name, asNd(t)])),
    );
    for (const value of values(model)) {
      const [mine, theirs] = [computed.get(value)!, asNd(results[value.name]!)];
      expect(mine.shape.join(), value.name).toBe(theirs.shape.join());
      const size = theirs.data.reduce((a, v) => (Number.isFinite(v) ? Math.max(a, Math.abs(v)) : a), 1e-3);
      const worst = mine.data.reduce(
        (a, v, i) => (v === theirs.data[i] ? a : Math.max(a, Math.abs(v - theirs.data[i]!))),
        0,
      );
      // a mask's -3.4e38 swamps whatever is added to it
      expect(worst / size, value.name).toBeLessThan(2e-5);
    }
  });
});

describe.runIf(shared !== null)('files as they exist in the wild', () => {
  const all = shared ? [...onnxFiles(join(shared, 'oracle')), ...onnxFiles(join(shared, 'models'))] : [];

  test('inference reports, and never throws', () => {
    let total = 0;
    let full = 0;
    for (const path of all) {
      let model: Model;
      try {
        model = readModel(path);
      } catch (error) {
        if (error instanceof LotrcError) continue;
        throw error;
      }
      for (const diagnostic of inferShapes(model)) expect(diagnostic.severity).toBe('warning');
      for (const { type } of values(model)) {
        total++;
        if (type?.kind === 'tensor' && type.shape?.every((dim) => dim !== null)) full++;
      }
    }
    expect(total).toBeGreaterThan(20000);
    expect(full / total).toBeGreaterThan(0.96);
  });
});
