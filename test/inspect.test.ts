import { expect, test } from 'vitest';
import { inspect, inspectJson } from '../src/inspect.js';
import { formatInspect, inspectTotals } from '../src/inspect-format.js';
import { f32Tensor, MemoryTensor } from '../src/ir/tensor.js';
import { Net, weight } from './passes/sites/build.js';

/** Two 16x16 layers, one 16x24 after a Transpose, one whose scale is computed, a small one without a name. */
function sample(): Net {
  const net = new Net(16);
  const q = net.linear(net.x, 'h.0.q', weight(1, 16, 16));
  const k = net.linear(q, 'h.0.k', weight(2, 16, 16));
  const up = net.gemm(k, net.init('h.0.up.weight', weight(3, 24, 16)), { transB: 1 });
  const packed = new MemoryTensor('i8', [24, 16], new Uint8Array(24 * 16));
  const scale = net.op('Abs', [net.init('s', f32Tensor([], [1]))]);
  const w = net.op('DequantizeLinear', [net.init('p', packed), scale]);
  const down = net.op('MatMul', [up, w], '/h.0/down/MatMul');
  return net.output(net.op('MatMul', [down, net.init('w', weight(4, 16, 3))]));
}

test('the JSON that other tools read', () => {
  const report = inspect(sample().model);
  expect(Object.keys(report)).toEqual(['version', 'sites']);
  expect(report.sites[0]).toEqual({
    module: 'h.0.q',
    nodes: ['/h.0/q/MatMul'],
    op: 'MatMul',
    weight: 'onnx::MatMul_100',
    in: 16,
    out: 16,
    layout: 'in,out',
    dtype: 'f32',
    nameSource: 'node',
    adaptable: true,
  });
  expect(report.sites[2]).toMatchObject({ module: 'h.0.up', in: 16, out: 24, layout: 'out,in' });
  expect(report.sites[3]).toMatchObject({
    module: 'h.0.down',
    in: 24,
    out: 16,
    adaptable: { code: 'LOTR3104', reason: 'cannot adapt "h.0.down": its weight is computed, not stored' },
  });
  expect(report.sites[4]).toMatchObject({
    module: 'linear4_16x3',
    nodes: ['MatMul->MatMul_6'],
    nameSource: 'ordinal',
  });
  expect(JSON.parse(inspectJson(report))).toEqual(report);
});

test('the table and its totals', () => {
  const report = inspect(sample().model);
  expect(inspectTotals(report)).toEqual({
    sites: 5,
    adaptable: 4,
    parameters: 2 * 256 + 2 * 384 + 48,
    // 16x16 twice and 16x24; the layer of 3 outputs is too small for rank 8
    lotr: 32 * 8 + 2 * 64 + 40 * 8 + 64,
    lora: 2 * 32 * 8 + 40 * 8,
    groups: 2,
  });
  expect(formatInspect(report)).toMatchInlineSnapshot(`
    "module        op      in x out  layout  dtype    nodes  name from  adaptable
    h.0.q         MatMul  16 x 16   in,out  f32      1      node       yes
    h.0.k         MatMul  16 x 16   in,out  f32      1      node       yes
    h.0.up        Gemm    16 x 24   out,in  f32      1      weight     yes
    h.0.down      MatMul  24 x 16   in,out  unknown  1      node       no: LOTR3104 its weight is computed, not stored
    linear4_16x3  MatMul  16 x 3    in,out  f32      1      ordinal    yes

    5 linear layers, 4 adaptable, 1,328 parameters
    at rank 8 over all adaptable layers: LoTR 768 parameters in 2 groups, LoRA 832 (1.1 times as many)
    "
  `);
});
