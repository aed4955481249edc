import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model, Value } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { f64, ortGradcheck } from '../../support/gradcheck-ort.js';
import { isValid } from '../../support/is-valid.js';
import { f32, maxDifference, runOrt, type Tensor } from '../../support/ort.js';

/**
 * LSTM, GRU and RNN as a Scan: values against ONNX Runtime's kernels, and gradients against central differences of the Scan
 * in float64, for which those kernels do not exist.
 */

interface Row {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  readonly attrs?: string;
  readonly directions?: 1 | 2;
  /** inputs other than x, w and r */
  readonly also?: readonly ('b' | 'lengths' | 'h' | 'c')[];
  readonly opset?: number;
}

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
const [SEQ, BATCH, WIDTH, HIDDEN] = [4, 2, 3, 2];

const ROWS: readonly Row[] = [
  { op: 'LSTM', also: ['b', 'h', 'c'] },
  { op: 'LSTM', directions: 2, also: ['b', 'lengths', 'h', 'c'] },
  { op: 'LSTM', attrs: 'direction = "reverse"', opset: 11 },
  { op: 'GRU', attrs: 'linear_before_reset = 1', also: ['b', 'h'] },
  { op: 'GRU', also: ['b', 'lengths'] },
  { op: 'GRU', directions: 2, attrs: 'linear_before_reset = 1', also: ['h'] },
  { op: 'RNN', also: ['b', 'h'] },
  { op: 'RNN', directions: 2, attrs: 'activations = ["Relu", "Sigmoid"]', also: ['b', 'lengths'] },
].map((row) => row as Row);

function textOf({ op, attrs, directions: d = 1, also = [], opset = 17 }: Row, real: string): string {
  const rows = GATES[op] * HIDDEN;
  const ports = [
    `${real}[t,n,${WIDTH}] x`,
    `${real}[${d},${rows},${WIDTH}] w`,
    `${real}[${d},${rows},${HIDDEN}] r`,
  ];
  if (also.includes('b')) ports.push(`${real}[${d},${2 * rows}] b`);
  if (also.includes('lengths')) ports.push('int32[n] lengths');
  if (also.includes('h')) ports.push(`${real}[${d},n,${HIDDEN}] h`);
  if (also.includes('c')) ports.push(`${real}[${d},n,${HIDDEN}] c`);
  const at = (name: (typeof also)[number]) => (also.includes(name) ? name : '');
  const states = op === 'LSTM' ? ['hT', 'cT'] : ['hT'];
  const all = [
    `hidden_size = ${HIDDEN}`,
    ...(d === 2 ? ['direction = "bidirectional"'] : []),
    ...(attrs ? [attrs] : []),
  ];
  const outputs = [
    `${real}[t,${d},n,${HIDDEN}] y`,
    ...states.map((name) => `${real}[${d},n,${HIDDEN}] ${name}`),
  ];
  return `<ir_version: 8, opset_import: ["": ${opset}]> g (${ports.join(', ')}) => (${outputs.join(', ')}) {
    y, ${states.join(', ')} = ${op} <${all.join(', ')}> (x, w, r, ${at('b')}, ${at('lengths')}, ${at('h')}${at('c') && ', c'})
  }`;
}

function feedsOf(
  { op, directions: d = 1, also = [] }: Row,
  real: (shape: readonly number[], seed: number) => Tensor,
): Record<string, Tensor> {
  const rows = GATES[op] * HIDDEN;
  const feeds: Record<string, Tensor> = {
    x: real([SEQ, BATCH, WIDTH], 3),
    w: real([d, rows, WIDTH], 4),
    r: real([d, rows, HIDDEN], 5),
  };
  if (also.includes('b')) feeds.b = real([d, 2 * rows], 6);
  if (also.includes('lengths')) feeds.lengths = { dtype: 'int32', shape: [BATCH], data: Int32Array.of(4, 2) };
  if (also.includes('h')) feeds.h = real([d, BATCH, HIDDEN], 7);
  if (also.includes('c')) feeds.c = real([d, BATCH, HIDDEN], 8);
  return feeds;
}

const lower = (model: Model): void => {
  expect(decompose(model)).toBe(1);
  expect(isValid(model)).toBe(true);
};

describe.each(
  ROWS.map((row) => [`${row.op} ${row.directions ?? 1} ${row.attrs ?? ''} ${row.also ?? ''}`, row] as const),
)('%s', (_, row) => {
  test('values', async () => {
    const text = textOf(row, 'float');
    const feeds = feedsOf(row, f32);
    const expected = await runOrt(encodeModel(parseModel(text)), feeds);
    const lowered = parseModel(text);
    lower(lowered);
    const actual = await runOrt(encodeModel(lowered), feeds);
    for (const [name, tensor] of Object.entries(expected))
      expect(maxDifference(actual[name]!, tensor), name).toBeLessThan(2e-6);
  });

  test('gradients', async () => {
    const feeds = feedsOf(row, f64);
    const wrt = Object.keys(feeds).filter((name) => name !== 'lengths');
    const text = textOf(row, 'double');
    const checked = ortGradcheck(text, feeds, wrt, lower);
    expect(await checked).toBeLessThan(5e-8);
  });
});

test.each([
  ['LSTM', 'clip = 0.5', /clips what it computes/],
  ['LSTM', 'input_forget = 1', /input_forget/],
  ['GRU', 'activations = ["HardSigmoid", "Tanh"]', /its activation is HardSigmoid/],
] as const)('%s with %s is refused', (op, attrs, why) => {
  const model = parseModel(textOf({ op, attrs }, 'float'));
  expect(decompose(model)).toBe(0);
  const [y, x] = ['y', 'x'].map((name) => model.graph.own(name)!) as [Value, Value];
  const seeds = new Map([[y, model.graph.addInput('seed', y.type)]]);
  const refused = () => differentiate(model.graph, { seeds, wrt: [x] });
  expect(refused).toThrow(LotrcError);
  expect(refused).toThrow(why);
});
