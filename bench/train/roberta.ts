import type { Value } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { RandomModel } from '../models.js';

export interface EncoderSize {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly positions: number;
  readonly classes: number;
}

/** RoBERTa-base: 124.6e6 parameters, 498 MB. */
export const BASE: EncoderSize = {
  layers: 12,
  width: 768,
  heads: 12,
  vocabulary: 50265,
  positions: 514,
  classes: 2,
};

/**
 * Writes a RoBERTa classifier of random weights in the operators that PyTorch's exporter writes for opset 17; with `bits` 4 its
 * linear layers are quantised.
 */
export function writeRoberta(path: string, size: EncoderSize, bits: 4 | 32 = 32): void {
  const { width, layers, vocabulary, positions, classes } = size;
  const net = new RandomModel(bits);
  const ids = net.graph.addInput('input_ids', tensorType('i64', ['batch', 'seq']));
  const mask = net.graph.addInput('attention_mask', tensorType('i64', ['batch', 'seq']));
  const root = '/roberta/embeddings';
  const words = net.op(
    'Gather',
    `${root}/word/Gather`,
    net.weight('embeddings.word.weight', vocabulary, width),
    ids,
  );
  const length = net.op('Gather', `${root}/Gather`, net.op('Shape', `${root}/Shape`, ids), ints(net, [1]));
  const table = net.op(
    'Slice',
    `${root}/position/Slice`,
    net.weight('embeddings.position.weight', positions, width),
    ints(net, [0]),
    length,
    ints(net, [0]),
  );
  let x = norm(net, 'roberta.embeddings.LayerNorm', width, net.op('Add', `${root}/Add`, words, table));
  const bias = maskBias(net, mask);
  for (let n = 0; n < layers; n++) x = layer(net, `roberta.encoder.layer.${n}`, size, x, bias);
  const first = net.node(
    'Gather',
    '/classifier/Gather',
    [x, net.graph.addInitializer('first', i64Tensor([], [0]))],
    {
      axis: { kind: 'int', value: 1n },
    },
  );
  const dense = net.op('Tanh', '/classifier/Tanh', affine(net, 'classifier.dense', width, width, first));
  const logits = affine(net, 'classifier.out_proj', width, classes, dense);
  logits.rename('logits');
  logits.setType(tensorType('f32', ['batch', classes]));
  net.graph.addOutput(logits);
  writeModel(net.model, path);
}

function layer(net: RandomModel, at: string, { width, heads }: EncoderSize, x: Value, bias: Value): Value {
  const path = `/${at.replaceAll(/\.(?!\d)/g, '/')}/attention/self`;
  const split = (name: string, perm: readonly number[]): Value => {
    const y = affine(net, `${at}.attention.self.${name}`, width, width, x);
    const shaped = net.op('Reshape', `${path}/Reshape_${name}`, y, ints(net, [0, 0, heads, width / heads]));
    return net.node('Transpose', `${path}/Transpose_${name}`, [shaped], {
      perm: { kind: 'ints', value: perm.map(BigInt) },
    });
  };
  const [q, k, v] = [split('query', [0, 2, 1, 3]), split('key', [0, 2, 3, 1]), split('value', [0, 2, 1, 3])];
  const root = net.graph.addInitializer(`${at}.scale`, f32Tensor([], [Math.sqrt(width / heads)]));
  const scores = net.op('Div', `${path}/Div`, net.op('MatMul', `${path}/MatMul`, q, k), root);
  const masked = net.op('Add', `${path}/Add`, scores, bias);
  const p = net.node('Softmax', `${path}/Softmax`, [masked], { axis: { kind: 'int', value: -1n } });
  const mixed = net.node('Transpose', `${path}/Transpose_3`, [net.op('MatMul', `${path}/MatMul_1`, p, v)], {
    perm: { kind: 'ints', value: [0n, 2n, 1n, 3n] },
  });
  const joined = net.op('Reshape', `${path}/Reshape_3`, mixed, ints(net, [0, 0, width]));
  const out = affine(net, `${at}.attention.output.dense`, width, width, joined);
  const attended = norm(
    net,
    `${at}.attention.output.LayerNorm`,
    width,
    net.op('Add', `${path}/Add_1`, out, x),
  );
  const inner = gelu(
    net,
    `${path}/gelu`,
    affine(net, `${at}.intermediate.dense`, width, 4 * width, attended),
  );
  const back = affine(net, `${at}.output.dense`, 4 * width, width, inner);
  return norm(net, `${at}.output.LayerNorm`, width, net.op('Add', `${path}/Add_2`, back, attended));
}

/** x W + b as the exporter writes it. */
function affine(net: RandomModel, path: string, inn: number, out: number, x: Value): Value {
  const y = net.linear(x, path, inn, out);
  return net.op('Add', `/${path.replaceAll(/\.(?!\d)/g, '/')}/Add`, net.weight(`${path}.bias`, out), y);
}

function norm(net: RandomModel, path: string, width: number, x: Value): Value {
  const ones = net.graph.addInitializer(
    `${path}.weight`,
    f32Tensor([width], new Float32Array(width).fill(1)),
  );
  return net.node(
    'LayerNormalization',
    `/${path.replaceAll(/\.(?!\d)/g, '/')}/LayerNormalization`,
    [x, ones, net.weight(`${path}.bias`, width)],
    { axis: { kind: 'int', value: -1n }, epsilon: { kind: 'float', value: 1e-5 } },
  );
}

/** x (1 + erf(x / sqrt 2)) / 2 in the five operators of the exporter. */
function gelu(net: RandomModel, path: string, x: Value): Value {
  const constant = (name: string, value: number) =>
    net.graph.own(`gelu.${name}`) ?? net.graph.addInitializer(`gelu.${name}`, f32Tensor([], [value]));
  const erf = net.op('Erf', `${path}/Erf`, net.op('Div', `${path}/Div`, x, constant('root', Math.SQRT2)));
  const product = net.op('Mul', `${path}/Mul`, x, net.op('Add', `${path}/Add`, erf, constant('one', 1)));
  return net.op('Mul', `${path}/Mul_1`, product, constant('half', 0.5));
}

/** 0 where the mask is 1, -3.4e38 where it is 0, shaped [batch, 1, 1, seq]. */
function maskBias(net: RandomModel, mask: Value): Value {
  const wide = net.op('Unsqueeze', '/mask/Unsqueeze', mask, ints(net, [1, 2]));
  const real = net.node('Cast', '/mask/Cast', [wide], { to: { kind: 'int', value: 1n } });
  const constant = (name: string, value: number) =>
    net.graph.addInitializer(`mask.${name}`, f32Tensor([], [value]));
  const inverse = net.op('Sub', '/mask/Sub', constant('one', 1), real);
  return net.op('Mul', '/mask/Mul', inverse, constant('low', -3.4028234663852886e38));
}

function ints(net: RandomModel, values: readonly number[]): Value {
  const name = `ints.${values.join('.')}`;
  return net.graph.own(name) ?? net.graph.addInitializer(name, i64Tensor([values.length], values));
}
