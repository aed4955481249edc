import { attrInt, attrInts } from '../../src/ir/attr.js';
import type { Value } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { elementCount, tensorType } from '../../src/ir/shape.js';
import { ComputedTensor, f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { RandomModel } from '../models.js';

interface LlamaSize {
  readonly blocks: number;
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  /** heads of keys and values */
  readonly groups: number;
  readonly vocabulary: number;
}

/** 1.1e9 parameters, 4.4 GB. */
export const LLAMA_1B: LlamaSize = {
  blocks: 22,
  width: 2048,
  inner: 5632,
  heads: 32,
  groups: 4,
  vocabulary: 32000,
};

/** A model whose weights are zeros: what is measured depends on their sizes alone. */
class ZeroModel extends RandomModel {
  override weight(name: string, ...shape: readonly number[]): Value {
    const zeros = () => new Uint8Array(4 * elementCount(shape));
    return this.graph.addInitializer(name, new ComputedTensor('f32', shape, 'zeros', zeros));
  }

  /** A stored scalar or list of integers, once for each value. */
  constant(value: number | readonly number[]): Value {
    const name = typeof value === 'number' ? `scalar.${value}` : `integers.${value}`;
    const held = this.graph.own(name);
    if (held) return held;
    return this.graph.addInitializer(
      name,
      typeof value === 'number' ? f32Tensor([], [value]) : i64Tensor([value.length], value),
    );
  }
}

/**
 * Writes a llama for causal language modelling with weights of zeros, in plain operators of operator set 17; with `bits` 4 its
 * linear layers are quantised.
 */
export function writeLlama(path: string, size: LlamaSize, bits: 4 | 32 = 32): void {
  const { blocks, width, heads, vocabulary } = size;
  const net = new ZeroModel(bits);
  const ids = net.graph.addInput('input_ids', tensorType('i64', ['batch', 'seq']));
  const mask = net.graph.addInput('attention_mask', tensorType('i64', ['batch', 'seq']));
  let x = net.op(
    'Gather',
    '/model/embed_tokens/Gather',
    net.weight('model.embed.weight', vocabulary, width),
    ids,
  );
  const bias = causal(net, ids, mask);
  const angles = rotary(net, ids, width / heads);
  for (let n = 0; n < blocks; n++) x = block(net, n, size, x, bias, angles);
  const logits = net.linear(rms(net, 'model.norm', width, x), 'lm_head', width, vocabulary);
  logits.rename('logits');
  logits.setType(tensorType('f32', ['batch', 'seq', vocabulary]));
  net.graph.addOutput(logits);
  writeModel(net.model, path);
}

const slashed = (path: string): string => `/${path.replaceAll(/\.(?!\d)/g, '/')}`;

function block(
  net: ZeroModel,
  n: number,
  { width, inner, heads, groups }: LlamaSize,
  x: Value,
  bias: Value,
  angles: Angles,
): Value {
  const at = `model.layers.${n}`;
  const path = `${slashed(at)}/self_attn`;
  const head = width / heads;
  const before = rms(net, `${at}.input_layernorm`, width, x);
  const split = (name: string, count: number): Value => {
    const y = net.linear(before, `${at}.self_attn.${name}_proj`, width, count * head);
    const shaped = net.op('Reshape', `${path}/Reshape_${name}`, y, net.constant([0, 0, count, head]));
    return net.node('Transpose', `${path}/Transpose_${name}`, [shaped], { perm: attrInts([0, 2, 1, 3]) });
  };
  const q = turned(net, `${path}/q`, split('q', heads), angles, head);
  const k = repeated(
    net,
    `${path}/k`,
    turned(net, `${path}/k`, split('k', groups), angles, head),
    groups,
    heads,
    head,
  );
  const v = repeated(net, `${path}/v`, split('v', groups), groups, heads, head);
  const kT = net.node('Transpose', `${path}/Transpose_kT`, [k], { perm: attrInts([0, 1, 3, 2]) });
  const scores = net.op('MatMul', `${path}/MatMul`, q, kT);
  const scaled = net.op('Mul', `${path}/Mul`, scores, net.constant(head ** -0.5));
  const masked = net.op('Add', `${path}/Add`, scaled, bias);
  const p = net.node('Softmax', `${path}/Softmax`, [masked], { axis: attrInt(-1) });
  const mixed = net.op('MatMul', `${path}/MatMul_1`, p, v);
  const turnedBack = net.node('Transpose', `${path}/Transpose`, [mixed], { perm: attrInts([0, 2, 1, 3]) });
  const joined = net.op('Reshape', `${path}/Reshape`, turnedBack, net.constant([0, 0, width]));
  const attended = net.op(
    'Add',
    `${path}/Add_1`,
    x,
    net.linear(joined, `${at}.self_attn.o_proj`, width, width),
  );
  const normal = rms(net, `${at}.post_attention_layernorm`, width, attended);
  const mlp = `${slashed(at)}/mlp`;
  const gate = net.linear(normal, `${at}.mlp.gate_proj`, width, inner);
  const silu = net.op('Mul', `${mlp}/act_fn/Mul`, gate, net.op('Sigmoid', `${mlp}/act_fn/Sigmoid`, gate));
  const up = net.op('Mul', `${mlp}/Mul`, silu, net.linear(normal, `${at}.mlp.up_proj`, width, inner));
  return net.op('Add', `${slashed(at)}/Add`, attended, net.linear(up, `${at}.mlp.down_proj`, inner, width));
}

/** w x / sqrt(mean(x^2) + 1e-6) in the six operators of the exporter. */
function rms(net: ZeroModel, at: string, width: number, x: Value): Value {
  const path = slashed(at);
  const square = net.op('Pow', `${path}/Pow`, x, net.constant(2));
  const keepdims = attrInt(1);
  // axes are an input from operator set 18 on
  const [last, attrs] =
    net.bits === 4 ? [[net.constant([-1])], { keepdims }] : [[], { keepdims, axes: attrInts([-1]) }];
  const mean = net.node('ReduceMean', `${path}/ReduceMean`, [square, ...last], attrs);
  const root = net.op('Sqrt', `${path}/Sqrt`, net.op('Add', `${path}/Add`, mean, net.constant(1e-6)));
  const unit = net.op('Mul', `${path}/Mul`, x, net.op('Div', `${path}/Div`, net.constant(1), root));
  return net.op('Mul', `${path}/Mul_1`, net.weight(`${at}.weight`, width), unit);
}

interface Angles {
  readonly cos: Value;
  readonly sin: Value;
}

/** Cosine and sine of position times frequency, [1, 1, seq, head]. */
function rotary(net: ZeroModel, ids: Value, head: number): Angles {
  const path = '/model/rotary_emb';
  const shape = net.op('Shape', `${path}/Shape`, ids);
  const length = net.op(
    'Gather',
    `${path}/Gather`,
    shape,
    net.graph.addInitializer('axis', i64Tensor([], [1])),
  );
  const zero = net.graph.addInitializer('zero', i64Tensor([], [0]));
  const one = net.graph.addInitializer('one', i64Tensor([], [1]));
  const positions = net.node('Cast', `${path}/Cast`, [net.op('Range', `${path}/Range`, zero, length, one)], {
    to: attrInt(1),
  });
  const column = net.op('Unsqueeze', `${path}/Unsqueeze`, positions, net.constant([1]));
  const frequencies = Float32Array.from({ length: head / 2 }, (_, i) => 10000 ** ((-2 * i) / head));
  const row = net.graph.addInitializer('inv_freq', f32Tensor([1, head / 2], frequencies));
  const product = net.op('Mul', `${path}/Mul`, column, row);
  const both = net.node('Concat', `${path}/Concat`, [product, product], { axis: attrInt(-1) });
  return { cos: net.op('Cos', `${path}/Cos`, both), sin: net.op('Sin', `${path}/Sin`, both) };
}

/** x cos + (its second half, negated, before its first) sin */
function turned(net: ZeroModel, path: string, x: Value, { cos, sin }: Angles, head: number): Value {
  const part = (name: string, from: number, to: number): Value =>
    net.op('Slice', `${path}/${name}`, x, net.constant([from]), net.constant([to]), net.constant([3]));
  const [first, second] = [part('Slice', 0, head / 2), part('Slice_1', head / 2, head)];
  const half = net.node('Concat', `${path}/Concat`, [net.op('Neg', `${path}/Neg`, second), first], {
    axis: attrInt(-1),
  });
  const [straight, across] = [
    net.op('Mul', `${path}/Mul_cos`, x, cos),
    net.op('Mul', `${path}/Mul_sin`, half, sin),
  ];
  return net.op('Add', `${path}/Add_turned`, straight, across);
}

/** Every head of keys or values for all the heads of queries that read it. */
function repeated(
  net: ZeroModel,
  path: string,
  x: Value,
  groups: number,
  heads: number,
  head: number,
): Value {
  const wide = net.op('Unsqueeze', `${path}/Unsqueeze`, x, net.constant([2]));
  const ones = net.op('Expand', `${path}/Expand`, wide, net.constant([1, 1, heads / groups, 1, 1]));
  return net.op('Reshape', `${path}/Reshape_all`, ones, net.constant([0, heads, -1, head]));
}

/** 0 for what a token sees, -3.4e38 for later tokens and padding: [batch, 1, seq, seq]. */
function causal(net: ZeroModel, ids: Value, mask: Value): Value {
  const path = '/model/mask';
  const shape = net.op('Shape', `${path}/Shape`, ids);
  const part = net.op(
    'Slice',
    `${path}/Slice`,
    shape,
    net.constant([1]),
    net.constant([2]),
    net.constant([0]),
  );
  const square = net.node('Concat', `${path}/Concat`, [part, part], { axis: attrInt(0) });
  const low = net.node('ConstantOfShape', `${path}/ConstantOfShape`, [square], {
    value: { kind: 'tensor', value: f32Tensor([1], [-3.4028234663852886e38]) },
  });
  const later = net.node(
    'Trilu',
    `${path}/Trilu`,
    [low, net.graph.addInitializer('diagonal', i64Tensor([], [1]))],
    {
      upper: attrInt(1),
    },
  );
  const wide = net.op('Unsqueeze', `${path}/Unsqueeze`, mask, net.constant([1, 2]));
  const real = net.node('Cast', `${path}/Cast`, [wide], { to: attrInt(1) });
  const inverse = net.op('Sub', `${path}/Sub`, net.constant(1), real);
  const padding = net.op('Mul', `${path}/Mul`, inverse, net.constant(-3.4028234663852886e38));
  return net.op('Min', `${path}/Min`, later, padding);
}
