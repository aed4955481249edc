import type { Node, Value } from '../../ir/model.js';
import type { Refusal } from '../../ir/ops/core/define.js';

/** What a rule puts in the place of a node's first output: another value of the graph. */
type Rewrite = { readonly becomes: Value } | { readonly reads: Value };

/**
 * One algebraic rule over a node. `becomes`: readers read that value instead of the node's output. `reads`: the node
 * itself stays and reads that value as its first input. A rule that declines says why, for `--explain`.
 */
export interface Rule {
  readonly name: string;
  /** operators that the rule looks at */
  readonly roots: readonly string[];
  apply(node: Node): Rewrite | Refusal;
}

export function declines(because: string, at?: Node | Value): Refusal {
  return at ? { because, at } : { because };
}
