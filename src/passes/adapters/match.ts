import { type AdapterSpec, wrapOf } from '../../adapter/description.js';
import { deltaTerm, operandsOf } from '../../adapter/terms.js';
import { wrapScale } from '../../adapter/to-numbers/wrap.js';
import { isDelta, readTerm } from '../../adapter/to-onnx/read.js';
import type { HeldAttr } from '../../ir/attr.js';
import { constantData } from '../../ir/constants.js';
import { functionKey, type Model, type Node, type Value } from '../../ir/model.js';
import { toIntegers } from '../../ir/values.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import { MATRIX } from '../sites/stacked.js';
import { baseLayer } from './base-layer.js';
import { CONVOLUTION, factorOf, slidesLike } from './conv-layer.js';
import { bodyText, defineFunction } from './function-body.js';
import { storedNumber } from './stored-weight.js';
import { readColumnNorm, readHadamard } from './wrapped-weight.js';

/** The entry of the plan for a layer. */
export interface PlannedLayer {
  readonly op: string;
  readonly factors: readonly Value[];
  readonly spec: AdapterSpec;
  /** effective scale, rounded to float32 as files hold it */
  readonly scale: number;
  /** in and out */
  readonly shape: { readonly in: number; readonly out: number };
}

/** An adapted layer found in plain ONNX or in a call. */
export interface FoundLayer {
  /** the node whose name, documentation and metadata the layer keeps */
  readonly identity: Node;
  /** null of a matrix in a stack */
  readonly x: Value | null;
  readonly w: Value;
  /** what else the base reads */
  readonly rest: readonly (Value | null)[];
  readonly attrs: readonly (readonly [string, HeldAttr])[];
  /** lotrc's own constants that the layer read */
  readonly constants: readonly Value[];
}

/**
 * Reads y = base(x, W) + x D, or base(x, W') with W' = W + D or another wrap, with D the einsum of the factors and the factor s somewhere in the product,
 * however it is bracketed: all lowered forms, and equivalent ones. Returns the reason when the nodes compute anything else.
 */
export function matchSum(model: Model, top: Node, wanted: PlannedLayer): FoundLayer | string {
  const dense = matchWrapped(model, top, wanted) ?? matchDense(model, top, wanted);
  if (dense !== null) return dense;
  if (top.opKey !== 'Add') return `its output comes from ${top.opKey}, not from an Add`;
  const base = baseLayer(top.inputs[0]?.producer, wanted.op);
  if (!base) return `the first operand of its sum is not the base ${wanted.op}`;
  const [y, delta] = [top.inputs[0]!, top.inputs[1]];
  if (y.uses.size > 1 || y.isOutput) return `"${y.name}", the base without the adapter, is read elsewhere`;
  const { identity, x, w, rest, attrs } = base;
  if ((!x && wanted.op !== MATRIX) || !w || !delta) return 'its base node or its sum lacks an input';
  const constants = matchDelta(model, delta, wanted, { x, attrs, scale: wanted.scale, flipped: false });
  return typeof constants === 'string' ? constants : { identity, x, w, rest, attrs, constants };
}

/** The layer that reads W + D; null where the node is not the base or its weight is not such a sum. */
function matchDense(model: Model, top: Node, wanted: PlannedLayer): FoundLayer | string | null {
  const base = baseLayer(top, wanted.op);
  const sum = base?.w?.producer;
  if (!base?.x || sum?.opKey !== 'Add') return null;
  const { identity, x, rest, attrs } = base;
  const [w, delta] = sum.inputs;
  if (!w || !delta) return 'its base node or its sum lacks an input';
  const scale = Math.fround(wanted.scale / alphaOf(top));
  const flipped = isSet(top, 'transB');
  const constants = matchDelta(model, delta, wanted, { x: null, attrs: [], scale, flipped });
  return typeof constants === 'string' ? constants : { identity, x, w, rest, attrs, constants };
}

/** The layer that reads what another wrap makes of W; null where the plan has no other wrap. */
function matchWrapped(model: Model, top: Node, wanted: PlannedLayer): FoundLayer | string | null {
  const wrap = wrapOf(wanted.spec);
  if (wrap === 'add') return null;
  const base = baseLayer(top, wanted.op);
  if (!base?.x || !base.w) return `it is not the base ${wanted.op}`;
  const alpha = alphaOf(top);
  const flipped = isSet(top, 'transB');
  const found =
    wrap === 'hadamard'
      ? readHadamard(model, base.w)
      : readColumnNorm(model, base.w, wanted, { alpha, flipped });
  if (typeof found === 'string') return found;
  const scale = Math.fround(wrapScale(wrap, wanted.scale, alpha));
  const constants = matchDelta(model, found.delta, wanted, { x: null, attrs: [], scale, flipped });
  if (typeof constants === 'string') return constants;
  const { identity, x, rest, attrs } = base;
  return { identity, x, w: found.w, rest, attrs, constants: [...constants, ...found.constants] };
}

interface DeltaPlace {
  /** null where the delta is not multiplied by x */
  readonly x: Value | null;
  readonly attrs: FoundLayer['attrs'];
  readonly scale: number;
  /** the delta is (out, in) */
  readonly flipped: boolean;
}

/** The constants that a value read which is s D, or s x D; or the reason why it is not that. */
function matchDelta(
  model: Model,
  delta: Value,
  wanted: PlannedLayer,
  place: DeltaPlace,
): readonly Value[] | string {
  const { x, attrs, scale, flipped } = place;
  const term = deltaTerm(wanted.spec.delta);
  const own = wanted.factors.slice(0, term.operands.length);
  const leaves = {
    factors: own,
    term,
    shape: wanted.shape,
    scalar: (value: Value) => storedNumber(model, value),
    integers: (value: Value) => {
      const data = constantData(value);
      return data?.dtype === 'i64' ? toIntegers(data) : null;
    },
    multiplier: (node: Node, own: Value) => {
      const right = node.inputs[1];
      if (!right || node.opKey !== CONVOLUTION || wanted.op !== CONVOLUTION) return null;
      if (!slidesLike(node, node.inputs[0] === own ? attrs : [])) return null;
      const found = factorOf(right);
      return found && { factor: found.factor, constants: [found.shape] };
    },
  };
  const read = readTerm(delta, leaves, x);
  if (typeof read === 'string') return read;
  const found = read.factors.map(({ factor }) => factor);
  const missing = !own.every((_, factor) => found.includes(factor)) || new Set(found).size < found.length;
  const as = flipped ? { ...term, in: term.out, out: term.in } : term;
  if (missing || !isDelta(read, as, x !== null)) {
    const order = found.map((factor) => wanted.factors[factor]!);
    return `it multiplies x by ${names(order)} in another way than the plan, by ${names(own)} as ${wanted.spec.delta}`;
  }
  const values = read.scales.map((value) => storedNumber(model, value));
  if (values.length !== 1 || values[0] !== scale)
    return `it is scaled by ${values.join(' and ') || 'nothing'}, the plan by ${scale}`;
  return [...read.scales, ...read.constants];
}

/** Reads a call of one of lotrc's functions: inputs are x, W, the factors and what else the base reads. */
export function matchCall(model: Model, call: Node, wanted: PlannedLayer): FoundLayer | string {
  const fn = model.functions.get(functionKey(call.domain, call.op, call.overload));
  if (!fn) return `the model has no function ${call.opKey}`;
  const { spec, factors } = wanted;
  const count = operandsOf(spec).length;
  const [x, w, ...rest] = call.inputs;
  if (!x || !w) return 'its call lacks an input';
  if (!factors.every((factor, k) => rest[k] === factor)) {
    return `its call reads ${names(rest.slice(0, count))}, the plan ${names(factors)}`;
  }
  const scale = call.attrs.get('scale');
  const value = scale?.kind === 'float' ? scale.value : null;
  if (value !== wanted.scale) return `it is scaled by ${value ?? 'nothing'}, the plan by ${wanted.scale}`;
  const others = rest.slice(count);
  const half = [...fn.graph.nodes].some(({ op }) => op === 'CastLike');
  const form = {
    op: wanted.op,
    delta: spec.delta,
    factors: spec.factors.map(({ name }) => name),
    rest: others.length,
    half,
    opset: fn.opsets.get('') ?? 0,
  };
  if (bodyText(fn) !== bodyText(defineFunction(call.op, form))) {
    return `the function ${call.opKey} was changed`;
  }
  const attrs = [...call.attrs].filter(([name]) => name !== 'scale');
  return { identity: call, x, w, rest: others, attrs, constants: [] };
}

function names(values: readonly (Value | null)[]): string {
  return values.map((value) => `"${value?.name ?? ''}"`).join(', ') || 'nothing';
}
