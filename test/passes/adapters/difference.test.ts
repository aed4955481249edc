import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { lotrc } from '../../support/cli.js';
import { noise } from '../../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-difference-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const [IN, OUT, RANK, LAYERS] = [7, 5, 2, 3];

/** Layers side by side, one of them stored as (out, in); `change`: what is added to weight n at (i, o). */
function written(name: string, change: (n: number, i: number, o: number) => number, layers = LAYERS): string {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['rows', IN]));
  for (let n = 0; n < layers; n++) {
    const turned = n === 1;
    const base = noise(IN * OUT, 40 + n);
    const values = new Float32Array(IN * OUT);
    for (let i = 0; i < IN; i++)
      for (let o = 0; o < OUT; o++)
        values[turned ? o * IN + i : i * OUT + o] = base[i * OUT + o]! + change(n, i, o);
    const shape = turned ? [OUT, IN] : [IN, OUT];
    const w = graph.addInitializer(`layers.${n}.fc.weight`, f32Tensor(shape, values));
    const attrs = turned ? [['transB', { kind: 'int', value: 1 }] as const] : [];
    const op = { op: turned ? 'Gemm' : 'MatMul', inputs: [x, w], outputs: [`y.${n}`], attrs };
    const y = graph.append({ ...op, name: `/layers.${n}/fc/${op.op}` }).outputs[0]!;
    y.setType(tensorType('f32', ['rows', OUT]));
    graph.addOutput(y);
  }
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  writeModel(model, at(name));
  return at(name);
}

const [R, L] = [noise(IN * RANK, 1), noise(RANK * OUT, 2)];
const cores = Array.from({ length: LAYERS }, (_, n) => noise(RANK * RANK, 10 + n));
/** R M L of a layer. */
const planted = (n: number, i: number, o: number): number => {
  let sum = 0;
  for (let r = 0; r < RANK; r++)
    for (let s = 0; s < RANK; s++) sum += R[i * RANK + r]! * cores[n]![r * RANK + s]! * L[s * OUT + o]!;
  return sum;
};
const base = written('base.onnx', () => 0);
const tuned = written('tuned.onnx', planted);
const rewritten = (name: string, ...options: readonly string[]) =>
  lotrc(...['rewrite', base, '--target', 'fc', '--init', 'difference', '-o', at(name), '--json'], ...options);

test.each(['lotr', 'lora'])(
  '%s has the difference of two models, where it is of its rank',
  async (method) => {
    const options = ['--rank', String(RANK), '--method', method, '--scale', '-3', '--from', tuned];
    const { code, err, out } = await rewritten(`${method}.onnx`, ...options);
    expect(code, err).toBe(0);
    const { difference } = JSON.parse(out) as { difference: { layer: string; error: number }[] };
    expect(difference.map(({ layer }) => layer)).toEqual([0, 1, 2].map((n) => `layers.${n}.fc`));
    for (const { error } of difference) expect(error).toBeLessThan(1e-6);
    const same = await lotrc('verify', at(`${method}.onnx`), tuned, '--tolerance', '1e-6');
    expect(same.code, same.err + same.out).toBe(0);
    expect((await lotrc('verify', at(`${method}.onnx`), base, '--tolerance', '1e-2')).code).not.toBe(0);
    const { tensors } = readSafetensors(at(`${method}.safetensors`));
    expect(tensors.size).toBe(method === 'lotr' ? LAYERS + 2 : 2 * LAYERS);
  },
);

test('what is left out is printed, and is what the model differs by', async () => {
  const { out } = await rewritten('one.onnx', '--rank', '1', '--from', tuned);
  const { difference } = JSON.parse(out) as { difference: { error: number }[] };
  for (const { error } of difference) {
    expect(error).toBeGreaterThan(1e-3);
    expect(error).toBeLessThan(1);
  }
});

test('what it cannot start is refused by name', async () => {
  const few = written('few.onnx', planted, 2);
  expect((await rewritten('a.onnx', '--rank', '1', '--from', few)).err).toMatch(
    /LOTR3033.*"layers\.2\.fc" as a difference: the other model has no layer/s,
  );
  expect((await rewritten('b.onnx', '--rank', '1')).err).toContain(
    '--init difference needs the trained model',
  );
  const other = await rewritten('c.onnx', '--rank', '1', '--from', tuned, '--method', 'vera');
  expect(other.err).toMatch(/LOTR3401.*vera is neither LoRA nor LoTR/s);
});
