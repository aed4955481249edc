import { operandsOf } from '../../adapter/terms.js';
import type { HeldAttr } from '../../ir/attr.js';
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

/** Number of factors that a LoTRLinear reads, from its `delta`. */
export function factorCount(node: Node): number {
  return operandsOf({ delta: deltaOf(node) }).length;
}

export function deltaOf(node: Node): string {
  const attr = node.attrs.get('delta');
  if (attr?.kind !== 'string') throw new Error(`node "${node.label}" has no delta`);
  return new TextDecoder().decode(attr.value);
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
  const attr = node.attrs.get('base');
  const own = new Set(['delta', 'scale', 'base']);
  const key = attr?.kind === 'string' ? new TextDecoder().decode(attr.value) : 'MatMul';
  return { key, ...splitKey(key), attrs: [...node.attrs].filter(([name]) => !own.has(name)) };
}

/** Removes lotrc's operator set, unless a layer is of it: also a call of a layer that the plan leaves out. */
export function dropOpset(model: Model): void {
  for (const node of model.everyNode()) if (node.domain === 'lotrc') return;
  model.removeOpset('lotrc');
}
