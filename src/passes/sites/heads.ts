import { GraphFunction, Model, type Node, type Value } from '../../ir/model.js';
import type { Site } from './site.js';

/**
 * The sites that `all-linear` leaves out as output heads: some node of theirs is one of {@link outputHeads}, and the
 * layer is not one of a row. In an encoder exported without a head the product of the last block reaches the output
 * too; its path and shape are those of other blocks but for the number, so it is a layer like them. A number at the
 * end of the path is not used: in `nn.Sequential` the last one is the classifier.
 */
export function headSites(sites: readonly Site[], linears: readonly Node[]): ReadonlySet<Site> {
  const heads = outputHeads(linears);
  const atOutput = new Set(sites.filter(({ uses }) => uses.some(({ node }) => heads.has(node))));
  const rows = new Set(sites.flatMap((site) => (atOutput.has(site) ? [] : rowsOf(site))));
  return new Set([...atOutput].filter((site) => !rowsOf(site).some((row) => rows.has(row))));
}

/** The paths of a site with each number inside replaced in turn, and its shape: equal for layers of one row of blocks. */
function rowsOf({ modulePath, in: inn, out }: Site): string[] {
  const parts = modulePath?.split('.') ?? [];
  return parts.flatMap((part, index) => {
    if (!/\d$/.test(part) || index === parts.length - 1) return [];
    const row = parts.with(index, part.replace(/\d+$/, '#'));
    return [`${row.join('.')} ${inn}x${out}`];
  });
}

/**
 * The nodes among `linears` whose product reaches an output of the model while no other linear layer lies after them:
 * classifiers and language-model heads. A key projection whose product is also a cache output is not a head, since the
 * attention's own projection comes after it.
 */
export function outputHeads(linears: readonly Node[]): ReadonlySet<Node> {
  const isLinear = new Set(linears);
  const heads = new Set<Node>();
  for (const node of linears) if (endsAtOutput(node, isLinear)) heads.add(node);
  return heads;
}

function endsAtOutput(start: Node, isLinear: ReadonlySet<Node>): boolean {
  const seen = new Set<Value>(start.outputs);
  const queue = [...start.outputs];
  let reached = false;
  const visit = (values: Iterable<Value>) => {
    for (const value of values) {
      if (seen.has(value)) continue;
      seen.add(value);
      queue.push(value);
    }
  };
  for (let value = queue.pop(); value; value = queue.pop()) {
    if (value.isOutput) {
      const owner = value.graph?.owner;
      if (!owner || owner instanceof Model || owner instanceof GraphFunction) reached = true;
      else visit(owner.outputs);
    }
    const only = value.soleUse;
    for (const { node } of only ? [only] : value.uses) {
      if (isLinear.has(node)) return false;
      visit(node.outputs);
      for (const graph of node.subgraphs()) visit(graph.inputs); // the inputs of a Loop or Scan body
    }
  }
  return reached;
}
