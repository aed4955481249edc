import type { Attr } from '../../ir/attr.js';
import type { Node, Value } from '../../ir/model.js';

/** What a root node is, as one operator. */
export interface FusedOperator {
  /** the last node of the decomposed form: its output becomes the operator's */
  readonly root: Node;
  /** x first, then values or, where the decomposed form has no scale, a constant of ones of that shape */
  readonly inputs: readonly [Value, ...(Value | { readonly ones: readonly number[] })[]];
  readonly op: string;
  readonly domain: string;
  readonly attrs: Readonly<Record<string, Attr>>;
}
