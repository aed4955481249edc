import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { parseInit } from '../../../src/init/index.js';
import { attrInt } from '../../../src/ir/attr.js';
import { type DType, dtypeToOnnx } from '../../../src/ir/dtype.js';
import { writeSafetensors } from '../../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { type Adapter, apply, type RewriteOptions, rewrite } from '../../../src/rewrite.js';
import { lotrc } from '../../support/cli.js';
import { f32, noise, relativeError, runOrt } from '../../support/ort.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-match-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SHAPES = [
  ['encoder.layer.0.fc', 7, 5],
  ['encoder.layer.1.fc', 5, 3],
] as const;

/** How a file of the network stores its weights, and what its exporter calls things. */
interface Form {
  readonly weights: 'f32' | 'f16' | 'i8';
  readonly prefix?: string;
  /** extent that is not that of the network */
  readonly wide?: boolean;
  readonly paths?: readonly string[];
}

/** One network of two layers as another exporter or converter would write it; inputs and outputs are float32. */
function network({ weights, prefix = '', wide = false, paths = [] }: Form): Model {
  const graph = new Graph('network');
  const x = graph.addInput('x', tensorType('f32', ['rows', 7]));
  const add = (
    op: string,
    name: string,
    inputs: Parameters<Graph['append']>[0]['inputs'],
    attrs: [string, ReturnType<typeof attrInt>][] = [],
  ) =>
    graph.append({
      op,
      name: `/${name}/${op}`,
      inputs,
      outputs: [graph.names.freshValue(`${prefix}${name}.${op}`)],
      attrs,
    }).outputs[0]!;
  const cast = (value: typeof x, name: string, to: DType) =>
    add('Cast', name, [value], [['to', attrInt(dtypeToOnnx(to))]]);
  let at = weights === 'f16' ? cast(x, 'in', 'f16') : x;
  for (const [k, [path, inn, extent]] of SHAPES.entries()) {
    const out = wide && k === 1 ? extent + 1 : extent;
    const values = noise(inn * out, k + 3);
    const name = (paths[k] ?? path).replaceAll('.', '/');
    const stored = (label: string, data: TensorData) => graph.addInitializer(`${prefix}w${k}${label}`, data);
    let w = x;
    if (weights === 'i8') {
      const scale = 1 / 127;
      const packed = Int8Array.from(values, (value) => Math.round(value / scale));
      const q = stored('_q', new MemoryTensor('i8', [inn, out], new Uint8Array(packed.buffer)));
      const zero = stored('_zero', new MemoryTensor('i8', [], new Uint8Array(1)));
      w = add('DequantizeLinear', `${name}/weight`, [q, stored('_scale', f32Tensor([], [scale])), zero]);
    } else w = stored('', new MemoryTensor(weights, [inn, out], encodeFloats(weights, values)));
    at = add('MatMul', name, [at, w]);
  }
  const y = weights === 'f16' ? cast(at, 'out', 'f32') : at;
  y.setType(tensorType('f32', ['rows', wide ? 4 : 3]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 9;
  model.setOpset('', 17);
  return model;
}

const OPTIONS: RewriteOptions = { rank: 2, targets: ['.*'], spec: { ...LOTR, scale: 3 } };

/** An adapter of the float32 file with every factor different from zero. */
function adapterOf(options: Partial<RewriteOptions> = {}): Adapter {
  const { adapter } = rewrite(network({ weights: 'f32' }), { ...OPTIONS, ...options });
  const tensors = [...adapter.tensors].map(([name, { shape }], k): [string, TensorData] => [
    name,
    f32Tensor(shape, noise(shape[0]! * shape[1]!, k + 9)),
  ]);
  return { tensors: new Map(tensors), metadata: adapter.metadata };
}

const x = f32([4, 7], 5);
const run = async (model: Model) => Object.values(await runOrt(encodeModel(model), { x }))[0]!.data;

describe.each([
  ['exported again under other names', { weights: 'f32', prefix: 'onnx::' }, 1e-6],
  ['in float16', { weights: 'f16', prefix: 'graph/' }, 5e-3],
  ['with weights in int8', { weights: 'i8' }, 2e-2],
] as [string, Form, number][])('a file of the network %s', (_name, form, tolerance) => {
  test('takes the adapter by module path and computes with it what the float32 file does', async () => {
    const adapter = adapterOf();
    const wanted = network({ weights: 'f32' });
    apply(wanted, adapter);
    const model = network(form);
    expect(() => apply(network(form), adapter)).toThrow(/LOTR3301/);
    apply(model, adapter, { match: 'path' });
    const [found, right, base] = [await run(model), await run(wanted), await run(network(form))];
    expect(relativeError(found, right)).toBeLessThan(tolerance);
    expect(relativeError(base, right)).toBeGreaterThan(0.1);
  });
});

describe('what does not fit is refused with its layer', () => {
  const put = (form: Form, options: Partial<RewriteOptions> = {}) =>
    apply(network(form), adapterOf(options), { match: 'path' });

  test.each([
    [
      'another extent',
      () => put({ weights: 'f32', wide: true }),
      /LOTR3305.*"encoder.layer.1.fc": it has 5x3, and in this model 5x4/s,
    ],
    [
      'a missing path',
      () => put({ weights: 'f32', paths: ['encoder.layer.0.mlp'] }),
      /LOTR3305.*"encoder.layer.0.fc".*closest/s,
    ],
    [
      'replaced weights',
      () => put({ weights: 'f32' }, { spec: parseInit('svd', LOTR) }),
      /LOTR3305.*--init svd/s,
    ],
  ] as [string, () => void, RegExp][])('%s', (_name, act, message) => expect(act).toThrow(message));
});

test('the command says which layer it put where', async () => {
  const [base, file] = [join(folder, 'half.onnx'), join(folder, 'a.safetensors')];
  writeModel(network({ weights: 'f16', prefix: 'h_' }), base);
  const { tensors, metadata } = adapterOf();
  writeSafetensors(file, tensors, metadata);
  const refused = await lotrc('apply', base, file);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('add --match path') });
  const { code, out } = await lotrc('apply', base, file, '--match', 'path');
  expect(code).toBe(0);
  expect(out).toContain(`2 layers matched by module path
layer               in x out  adapter made for  put on
encoder.layer.0.fc  7x5       MatMul            MatMul h_w0 (float16)
encoder.layer.1.fc  5x3       MatMul            MatMul h_w1 (float16)`);
  const json = await lotrc('apply', base, file, '--match', 'path', '--json');
  expect(JSON.parse(json.out)).toMatchObject({
    matched: [
      { path: 'encoder.layer.0.fc', in: 7, out: 5, to: [{ op: 'MatMul', weight: 'h_w0', dtype: 'f16' }] },
      { path: 'encoder.layer.1.fc' },
    ],
  });
});
