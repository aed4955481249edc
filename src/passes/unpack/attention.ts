import { type Attr, attrInt } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { sameDim } from '../../ir/shape.js';
import { StridedTensor } from '../../ir/strided-tensor.js';
import { i64Tensor, type TensorData } from '../../ir/tensor.js';
import { isOverridable } from '../adapters/stored-weight.js';
import type { Origins } from '../sites/origins.js';
import { unsqueeze } from './unsqueeze.js';

/** Three matrices by the packed one they came from and their widths: nodes of one weight stay tied. */
export type PackedParts = Map<Value, Map<string, readonly Value[]>>;

const PARTS = ['query', 'key', 'value'] as const;
/** attributes that MultiHeadAttention has too */
const KEPT = ['num_heads', 'mask_filter_value', 'scale', 'unidirectional'] as const;

/**
 * Three products and a MultiHeadAttention in place of com.microsoft Attention: inside the operator there is no value to
 * which a correction of the query could be added. The packed matrix (in, q + k + v) becomes the stored matrices
 * `<name>.query.weight`, `.key.weight` and `.value.weight`; the packed bias stays one, since MultiHeadAttention takes it
 * so. The past and present of (2, batch, heads, length, size) are taken apart and put together.
 *
 * Null, and the node stays, when it rotates by position, writes its cache in place, has a mask that
 * MultiHeadAttention does not read, or a weight that is not stored as it is read.
 */
export function unpackAttention(
  b: GraphBuilder,
  node: Node,
  origins: Origins,
  parts: PackedParts,
): readonly Value[] | null {
  const a = attributes(node, 'com.microsoft::Attention');
  const [x, packed, bias = null, mask = null, past = null, scores = null, length = null] = node.inputs;
  const stored = packed ? origins.stored(packed) : null;
  if (!x || !stored || stored.via.length > 0 || stored.data.shape.length !== 2) return null;
  if (isOverridable(origins.model, stored.weight) || a.do_rotary || a.past_present_share_buffer || length)
    return null;
  if (mask && !readsMask(x, mask)) return null;
  const width = stored.data.shape[1]!;
  const widths = a.qkv_hidden_sizes?.map(Number) ?? [width / 3, width / 3, width / 3];
  const whole = widths.length === 3 && widths.every((w) => Number.isInteger(w) && w > 0);
  if (!whole || widths.reduce((sum, w) => sum + w, 0) !== width) return null;
  if (stored.data.shape[0] === 0) return null;

  const matrices = partsOf(b, stored.weight, stored.data, widths, parts);
  const label = node.name === '' ? node.outputs[0]!.name : node.name;
  const projected = PARTS.map(
    (part, k) =>
      b.node(
        'MatMul',
        [x, matrices[k]!],
        {},
        { name: `${label}/${part}`, outputs: [`${label}/${part}`] },
      )[0]!,
  );
  const [before, after] = past ? [0, 1].map((k) => half(b, past, k, label)) : [null, null];
  const attrs: Record<string, Attr> = {};
  for (const name of KEPT) {
    const held = node.attrs.get(name);
    if (held && held.kind !== 'ref') attrs[name] = held;
  }
  const present = node.outputs[1];
  const wanted = present !== undefined && present.name !== '';
  const inputs = [...projected, bias, mask, scores, before ?? null, after ?? null];
  while (inputs.at(-1) === null) inputs.pop();
  const [y, keys, values] = b.node('MultiHeadAttention', inputs, attrs, {
    domain: 'com.microsoft',
    name: label,
    outputs: [`${label}/heads`, ...(wanted ? [`${label}/keys`, `${label}/values`] : [])],
  });
  if (!wanted) return [y!];
  const stacked = [keys!, values!].map((value) => front(b, value));
  return [y!, b.one('Concat', stacked, { axis: attrInt(0) }, `${label}/present`)];
}

/** Masks that mean the same to both operators: lengths of rows, (batch, keys), (batch, queries, keys). */
function readsMask(x: Value, mask: Value): boolean {
  const [rows, own] = [x, mask].map(({ type }) => (type?.kind === 'tensor' ? type.shape : null));
  if (own?.length === 1) return rows !== null && rows !== undefined && sameDim(rows[0]!, own[0]!);
  return own?.length === 2 || own?.length === 3;
}

function partsOf(
  b: GraphBuilder,
  holder: Value,
  data: TensorData,
  widths: readonly number[],
  parts: PackedParts,
): readonly Value[] {
  const known = parts.get(holder) ?? new Map<string, readonly Value[]>();
  parts.set(holder, known);
  const held = known.get(widths.join());
  if (held) return held;
  const stem = holder.name.replace(/(?:[._]qkv)?[._](?:weight|w)$/, '');
  let from = 0;
  const made = widths.map((width, k) => {
    from += width;
    const [rows, columns] = data.shape as [number, number];
    const layout = { shape: [rows, width], strides: [columns, 1], offset: from - width };
    return b.constant(new StridedTensor(data, layout), `${stem}.${PARTS[k]}.weight`);
  });
  known.set(widths.join(), made);
  return made;
}

/** Keys (0) or values (1) of a cache of both. */
function half(b: GraphBuilder, past: Value, index: number, label: string): Value {
  const at = b.constant(i64Tensor([], [index]), 'unpack/index');
  return b.one('Gather', [past, at], { axis: attrInt(0) }, `${label}/past.${PARTS[index + 1]}`);
}

/** With an axis of extent 1 in front. */
function front(b: GraphBuilder, value: Value): Value {
  return unsqueeze(b, value, [0], `${value.name}/front`);
}
