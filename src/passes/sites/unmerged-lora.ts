import { constantData } from '../../ir/constants.js';
import type { Node, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { elementCount } from '../../ir/shape.js';
import { toF64 } from '../../ir/values.js';
import { alphaOf } from './base-attrs.js';
import type { SiteCandidate } from './candidates.js';

/**
 * A LoRA adapter that PEFT left next to its layer when the model was exported: `add = x W + scale ((x A) B)`, with other
 * nodes such as the bias between `x W` and `add`.
 */
export interface UnmergedLora {
  readonly base: SiteCandidate;
  readonly a: SiteCandidate;
  readonly b: SiteCandidate;
  readonly scale: number;
  /** adds the correction to the layer's result */
  readonly add: Node;
  /** the input of `add` that is the correction; the other is the layer's result without it */
  readonly delta: Value;
}

/** Finds {@link UnmergedLora} by its structure, not by names. Reads only scalars. */
export function findUnmergedLora(candidates: readonly SiteCandidate[]): readonly UnmergedLora[] {
  const byResult = new Map<Value, SiteCandidate>();
  for (const candidate of candidates) {
    const output = candidate.node.outputs[0];
    if (output && isPlainProduct(candidate)) byResult.set(output, candidate);
  }
  const adapters = new Set<SiteCandidate>();
  const found: UnmergedLora[] = [];
  for (const b of byResult.values()) {
    const a = byResult.get(through(b.node.inputs[0]!));
    if (!a || a.out !== b.in || a.node.outputs[0]!.uses.size !== 1) continue;
    if (a.out! >= Math.min(a.in!, b.out!) || !multipliesOnly(a.node) || !multipliesOnly(b.node)) continue;
    const sum = sumAfter(b.node.outputs[0]!);
    const result = sum?.add.inputs.find((input) => input !== sum.delta);
    if (!sum || !result) continue;
    const x = through(a.node.inputs[0]!);
    const base = baseOf(result, byResult, adapters);
    if (!base || base === a || base === b || through(base.node.inputs[0]!) !== x) continue;
    if (base.in !== a.in || base.out !== b.out) continue;
    adapters.add(a).add(b);
    found.push({ base, a, b, ...sum });
  }
  return found;
}

/** MatMul or Gemm by one stored matrix on the right. */
function isPlainProduct({ node, input, stored, in: inn, out, problem }: SiteCandidate): boolean {
  if (problem || input !== 1 || !stored || inn === null || out === null) return false;
  return node.opKey === 'MatMul' || node.opKey === 'Gemm';
}

function multipliesOnly(node: Node): boolean {
  return alphaOf(node) === 1 && !node.inputs[2];
}

/** The value that another is, but for its type. */
function through(value: Value): Value {
  let at = value;
  while (at.producer && keepsNumbers(at.producer)) at = at.producer.inputs[0]!;
  return at;
}

function keepsNumbers(node: Node): boolean {
  const step = weightStep(node);
  return step === 'same' || step === 'cast';
}

/** From the product with B over a scaling and casts to the addition, each the only reader of the one before. */
function sumAfter(product: Value): Pick<UnmergedLora, 'scale' | 'add' | 'delta'> | null {
  let scale = 1;
  let at = product;
  for (;;) {
    const [use, more] = [...at.uses];
    if (!use || more || at.isOutput) return null;
    const { node } = use;
    const [other] = node.inputs.filter((_, index) => index !== use.index);
    if (node.opKey === 'Add' && other) return { scale, add: node, delta: at };
    if (node.opKey === 'Mul' && other) {
      const factor = scalar(other);
      if (factor === null) return null;
      scale *= factor;
    } else if (!keepsNumbers(node)) return null;
    at = node.outputs[0]!;
  }
}

/** The layer whose result a value is: over casts, a bias, and the corrections of other adapters of the layer. */
function baseOf(
  result: Value,
  byResult: ReadonlyMap<Value, SiteCandidate>,
  adapters: ReadonlySet<SiteCandidate>,
): SiteCandidate | null {
  let at = through(result);
  for (let steps = 0; steps < 16; steps++) {
    const found = byResult.get(at);
    if (found) return adapters.has(found) ? null : found;
    const node = at.producer;
    if (node?.opKey !== 'Add') return null;
    const sides = node.inputs.map((input) => through(input!));
    const next = sides.find((side) => !constantData(side) && leadsToBase(side, byResult, adapters));
    if (!next) return null;
    at = next;
  }
  return null;
}

function leadsToBase(
  side: Value,
  byResult: ReadonlyMap<Value, SiteCandidate>,
  adapters: ReadonlySet<SiteCandidate>,
): boolean {
  const product = byResult.get(side);
  return product ? !adapters.has(product) : side.producer?.opKey === 'Add';
}

/** The number that a constant of one element holds. */
function scalar(value: Value): number | null {
  const data = constantData(through(value));
  return data && elementCount(data.shape) === 1 ? (toF64(data)[0] ?? null) : null;
}
