import { type AdapterSpec, effectiveScale, WRAPS, type Wrap, wrapOf } from '../../adapter/description.js';
import type { GroupRow } from '../../adapter/saved-plan.js';
import { deltaTerm, operandsOf, spansResult } from '../../adapter/terms.js';
import { attrFloat, attrInt, attrInts, attrString, type HeldAttr } from '../../ir/attr.js';
import type { Model, Node } from '../../ir/model.js';

/** domain and name of the IR op that represents an adapted layer */
export const ADAPTED = 'lotrc::LoTRLinear';

/** Whether a layer is in that form. */
export function hasAdapted(model: Model): boolean {
  for (const node of model.everyNode()) if (node.opKey === ADAPTED) return true;
  return false;
}

/** `domain::op`, or `op` of the standard domain, in its two parts. */
export function splitKey(key: string): { readonly op: string; readonly domain: string } {
  const at = key.lastIndexOf('::');
  return at < 0 ? { op: key, domain: '' } : { op: key.slice(at + 2), domain: key.slice(0, at) };
}

/** Documentation, metadata and unknown fields of a node pass to the node that replaces it. */
export function copyIdentity(from: Node, to: Node): void {
  to.docString = from.docString;
  to.metadata = from.metadata;
  to.carried = from.carried;
  to.edited = true;
}

/** Attributes of an adapted node: what the description says, and those of the base. */
export function adaptedAttrs(
  spec: AdapterSpec,
  group: GroupRow,
  base: string,
  own: readonly (readonly [string, HeldAttr])[],
): ReadonlyMap<string, HeldAttr> {
  const wrap = wrapOf(spec);
  const attrs: readonly (readonly [string, HeldAttr])[] = [
    ['delta', attrString(spec.delta)],
    ['scale', attrFloat(effectiveScale(spec, group.rank))],
    ['base', attrString(base)],
    ...(spansResult(deltaTerm(spec.delta))
      ? []
      : ([['shape', attrInts([group.in, group.out])]] as [string, HeldAttr][])),
    ...(wrap === 'add' ? [] : ([['wrap', attrString(wrap)]] as [string, HeldAttr][])),
    ...(spec.detachNorm ? ([['detach_norm', attrInt(1)]] as [string, HeldAttr][]) : []),
  ];
  return new Map([...attrs, ...own]);
}

/** Attributes that are not those of the base. */
const OWN: ReadonlySet<string> = new Set(['delta', 'scale', 'base', 'shape', 'wrap', 'detach_norm']);

/** Number of factors that a LoTRLinear reads: those of its `delta`, and one more for the lengths of columns. */
export function factorCount(node: Node): number {
  return operandsOf({ delta: deltaOf(node) }).length + (wrapOfNode(node) === 'column-norm' ? 1 : 0);
}

function textOf(node: Node, name: string): string | null {
  const attr = node.attrs.get(name);
  return attr?.kind === 'string' ? new TextDecoder().decode(attr.value) : null;
}

export function deltaOf(node: Node): string {
  const delta = textOf(node, 'delta');
  if (delta === null) throw new Error(`node "${node.label}" has no delta`);
  return delta;
}

/** What becomes of the weight of an adapted node. */
export function wrapOfNode(node: Node): Wrap {
  const given = textOf(node, 'wrap') ?? 'add';
  return WRAPS.find((wrap) => wrap === given) ?? 'add';
}

/** In and out of an adapted node whose delta does not have them from its factors; else null. */
export function statedShape(node: Node): { readonly in: number; readonly out: number } | null {
  const attr = node.attrs.get('shape');
  if (attr?.kind !== 'ints') return null;
  const [inn, out] = attr.value.map(Number);
  return inn === undefined || out === undefined ? null : { in: inn, out };
}

export function scaleOf(node: Node): number {
  const attr = node.attrs.get('scale');
  if (attr?.kind !== 'float') throw new Error(`node "${node.label}" has no scale`);
  return attr.value;
}

/** The layer under an adapted node: its op, also with the domain as a key, and its own attributes. */
export function baseOf(node: Node): {
  readonly key: string;
  readonly op: string;
  readonly domain: string;
  readonly attrs: [string, HeldAttr][];
} {
  const key = textOf(node, 'base') ?? 'MatMul';
  return { key, ...splitKey(key), attrs: [...node.attrs].filter(([name]) => !OWN.has(name)) };
}

/** Removes lotrc's operator set, unless a layer is of it: also a call of a layer that the plan leaves out. */
export function dropOpset(model: Model): void {
  for (const node of model.everyNode()) if (node.domain === 'lotrc') return;
  model.removeOpset('lotrc');
}
