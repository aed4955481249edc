import { type DType, dtypeFromText, isFloat } from '../../src/ir/dtype.js';
import type { OpCase, OpDef } from '../../src/ir/ops/core/define.js';
import { OP_VERSIONS } from '../../src/ir/ops/generated/attr-defaults.js';
import { allOpDefs, opDef } from '../../src/ir/ops/index.js';
import { elementCount } from '../../src/ir/shape.js';
import { i64Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { encodeFloats } from '../../src/ir/values.js';
import type { Case, Wanted } from './gradcheck.js';
import { type Arg, attrOf, type OpCase as NodeOptions } from './op-case.js';
import { noise } from './ort.js';

/** A case in the declaration of an op (`OpDef.cases`). */
export interface DeclaredCase {
  /** `Add 1`, `Add 2`, ... */
  readonly name: string;
  /** as in `Node.opKey` */
  readonly key: string;
  /** the definition that holds in the case's operator set */
  readonly def: OpDef;
  readonly given: OpCase;
}

/** Operator set of a case that states none, unless the op is newer. */
const OPSET = 21;

/** The definitions of every op, by its key. */
export const DEFINITIONS: ReadonlyMap<string, readonly OpDef[]> = byKey();

function byKey(): Map<string, OpDef[]> {
  const found = new Map<string, OpDef[]>();
  for (const def of allOpDefs()) found.set(def.name, [...(found.get(def.name) ?? []), def]);
  return found;
}

/** All declared cases, in the order of the families. */
export const DECLARED_CASES: readonly DeclaredCase[] = [...DEFINITIONS].flatMap(([key, defs]) => {
  const cases = defs.find((def) => def.cases)?.cases ?? [];
  const { op, domain } = partsOf(key);
  return cases.map((given, k) => {
    const def = opDef(domain, op, domain === '' ? opsetOf(key, given) : 1);
    if (!def) throw new Error(`${key} has a case for an operator set without it`);
    return { name: `${key} ${k + 1}`, key, def, given };
  });
});

function partsOf(key: string): { readonly op: string; readonly domain: string } {
  const split = key.lastIndexOf('::');
  return split < 0 ? { op: key, domain: '' } : { op: key.slice(split + 2), domain: key.slice(0, split) };
}

function opsetOf(key: string, { opset }: OpCase): number {
  return opset ?? Math.max(OPSET, key.includes('::') ? 1 : OP_VERSIONS[key]![0]!.since);
}

/** The arguments of `buildCase`. */
export function nodeCase({ key, given }: Pick<DeclaredCase, 'key' | 'given'>): [string, Arg[], NodeOptions] {
  const { op, domain } = partsOf(key);
  const { attrs = {}, outputs = 1 } = given;
  return [
    op,
    given.inputs.map((text) => argOf(text)),
    { opset: opsetOf(key, given), domain, attrs, outputs },
  ];
}

/** The case for `gradcheck`, which differentiates by all inputs of floating point that are not constants. */
export function gradientCase({ key, given }: Pick<DeclaredCase, 'key' | 'given'>): Case {
  const [op, args, { opset, domain, attrs = {}, outputs }] = nodeCase({ key, given });
  return {
    op,
    ...(domain ? { domain } : {}),
    opset: opset!,
    inputs: args.map(wantedOf),
    attrs: Object.fromEntries(
      Object.entries(attrs).map(([name, value]) => [name, attrOf(value, key, name)] as const),
    ),
    outputs: outputs!,
    ...(given.gradient ? { read: given.gradient } : {}),
  };
}

function wantedOf(arg: Arg): Wanted | TensorData | null {
  if (arg === null) return null;
  if (!('dtype' in arg)) return { shape: arg };
  if (isFloat(arg.dtype) && !arg.constant) return { shape: arg.shape, data: arg.data };
  return tensorOf(arg.dtype, arg.shape, arg.data);
}

function tensorOf(dtype: DType, shape: readonly number[], data: readonly number[]): TensorData {
  if (dtype === 'i64') return i64Tensor(shape, data);
  if (isFloat(dtype)) return new MemoryTensor(dtype, shape, encodeFloats(dtype, data));
  const typed =
    dtype === 'i32' ? Int32Array.from(data) : dtype === 'i8' ? Int8Array.from(data) : Uint8Array.from(data);
  return new MemoryTensor(dtype, shape, new Uint8Array(typed.buffer));
}

const INPUT = /^(const )?([a-z0-9]+)(?:\[([\d,]*)\])?( > 0)?(?: \{(.*)\})?$/;

/** An input as `OpCase` writes it. */
function argOf(text: string): Arg {
  if (text === '') return null;
  const [, constant, word, extents, positive, elements] = INPUT.exec(text) ?? [];
  const dtype = dtypeFromText(word ?? '');
  if (!dtype) throw new Error(`"${text}" is not an input of a case`);
  const shape = extents ? extents.split(',').map(Number) : [];
  const plain = !constant && !positive && elements === undefined;
  if (dtype === 'f32' && plain) return shape;
  const count = elementCount(shape);
  const data =
    elements !== undefined
      ? elements.split(', ').map(Number)
      : isFloat(dtype)
        ? [...noise(count, 5)].map((v) => (positive ? 0.3 + Math.abs(v) : v))
        : Array.from({ length: count }, (_, i) => patternOf(dtype, i));
  return { dtype, shape, data, ...(constant ? { constant: true } : {}) };
}

/** Element `i` of an input whose elements are not stated. */
function patternOf(dtype: DType, i: number): number {
  if (dtype === 'bool') return Number(i % 3 !== 1);
  if (dtype === 'u8' || dtype === 'i8') return (i * 37) % 120;
  return ((i * 7) % 11) - 3;
}
