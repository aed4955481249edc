import { type Attr, attrFloat, attrInt, attrInts, attrString, attrTensor } from '../attr.js';
import type { Graph, OpName, Value } from '../model.js';
import type { TensorData } from '../tensor.js';
import { type AttrRow, opVersion } from './attrs.js';
import type { Builder } from './define.js';

/**
 * What the generated builders call: makes the node after checking it against the schema of the builder's operator
 * set. Throws a plain Error when the op, an attribute or the number of inputs does not exist in that version (a pass
 * requested something that is not legal in its model). Attributes that equal their default are not written.
 */
export function buildOp(
  b: Builder,
  key: OpName,
  inputs: readonly (Value | null)[],
  attrs: object,
  outputs: number,
): Value[] {
  const split = key.lastIndexOf('::');
  const domain = split < 0 ? '' : key.slice(0, split);
  const op = split < 0 ? key : key.slice(split + 2);
  const version = opVersion(key, domain === '' ? b.opset : Number.POSITIVE_INFINITY);
  const where = `${key} in operator set ${b.opset}`;
  if (!version || version.deprecated) throw new Error(`${where} does not exist`);
  let count = inputs.length;
  while (count > 0 && inputs[count - 1] === null) count--;
  const given = inputs.slice(0, count);
  if (count < version.in[0] || count > version.in[1]) {
    throw new Error(`${where} takes ${version.in.join(' to ')} inputs, not ${count}`);
  }
  if (outputs < version.out[0] || outputs > version.out[1])
    throw new Error(`${where} has no ${outputs} outputs`);
  const encoded: Record<string, Attr> = {};
  for (const [name, value] of Object.entries(attrs) as [string, unknown][]) {
    if (value === undefined) continue;
    const row = version.attrs[name];
    if (!row) throw new Error(`${where} has no attribute "${name}"`);
    if (!isDefault(row, value)) encoded[name] = encode(row, value, name);
  }
  return b.node(op, given, encoded, { domain, outputs });
}

function isDefault(row: AttrRow, value: unknown): boolean {
  return row.default !== undefined && JSON.stringify(row.default) === JSON.stringify(value);
}

function encode(row: AttrRow, value: unknown, name: string): Attr {
  switch (row.kind) {
    case 'int':
      return attrInt(value as number);
    case 'float':
      return attrFloat(value as number);
    case 'string':
      return attrString(value as string);
    case 'ints':
      return attrInts(value as readonly number[]);
    case 'floats':
      return { kind: 'floats', value: (value as readonly number[]).map(Math.fround) };
    case 'strings':
      return {
        kind: 'strings',
        value: (value as readonly string[]).map((text) => new TextEncoder().encode(text)),
      };
    case 'tensor':
      return attrTensor(value as TensorData);
    case 'graph':
      return { kind: 'graph', value: value as Graph };
    default:
      throw new Error(`attribute "${name}" of type ${row.kind} cannot be built`);
  }
}
