import type { OrtTensor } from '../backends/ort/tensor.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import type { Column, Dataset, DataBatch as Rows } from './data/dataset.js';
import { lossFacts } from './losses/facts.js';
import type { GraphSignature, LossTerm, Port, Signature } from './signature.js';
import type { Batch } from './training-steps.js';

/** The losses of a training directory: one, or the terms of a sum. */
export function signatureTerms({ loss }: Signature): readonly LossTerm[] {
  return loss.kind === 'sum' ? loss.terms : [loss];
}

/** The graph that data is made for: the evaluation's, or in a directory without one the step's. */
export function dataGraph({ graphs }: Signature): GraphSignature {
  return graphs.eval ?? graphs.step!;
}

/** The label input of a loss, by the number of the loss; undefined for one that takes no labels. */
export function labelPort({ inputs }: GraphSignature, index = 0): Port | undefined {
  return inputs.find(({ role, term = 0 }) => role === 'label' && term === index);
}

/** How many labels of a batch count in a loss, as `count` of grad.onnx says: of CTC rows, with class weights their sum. */
function countLabels(
  { kind, ignoreIndex, ignoreValue, shift, classWeights }: LossTerm,
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): number {
  const ignored = ignoreIndex ?? ignoreValue;
  const width = shape.at(-1) ?? 1;
  const sequences = lossFacts(kind).labels === 'sequences';
  let count = 0;
  let row = -1;
  for (let i = 0; i < data.length; i++) {
    const label = data[i]!;
    if (label === ignored) continue;
    if (sequences) {
      const own = Math.floor(i / width);
      if (own !== row) count++;
      row = own;
    } else if (!(shift && i % width === 0)) {
      // the first label of a row has no position before it
      count += classWeights ? Math.fround(classWeights[label] ?? 0) : 1;
    }
  }
  return count;
}

/** Labels that count in all batches, for each term of a sum of losses. */
export function countTerms(
  { terms }: Extract<Signature['loss'], { kind: 'sum' }>,
  graph: GraphSignature,
  batches: readonly Batch[],
): readonly number[] {
  return terms.map((term, index) => {
    const port = labelPort(graph, index);
    if (!port) {
      const rows = batches.reduce((sum, batch) => sum + rowsOf(graph, batch), 0);
      return lossFacts(term.kind).pairs ? rows / 2 : rows;
    }
    const tensors = batches.map(({ inputs, labels }) => inputs[port.name] ?? labels);
    return tensors.reduce(
      (sum, { dims, data }) => sum + countLabels(term, { shape: dims, data: numbers(data) }),
      0,
    );
  });
}

const numbers = (data: OrtTensor['data']): ArrayLike<number> => data as ArrayLike<number>;

function rowsOf(graph: GraphSignature, { inputs }: Batch): number {
  const port = graph.inputs.find(({ role, shape }) => role === 'batch' && shape.length > 0);
  return (port && inputs[port.name]?.dims[0]) ?? 1;
}

/** The labels of each loss in a batch of the data; null for a loss that takes none, or none by that name. */
export function labelColumns(graph: GraphSignature, terms: number, batch: Rows): readonly (Column | null)[] {
  return Array.from({ length: terms }, (_, index) => {
    const port = labelPort(graph, index);
    return !port ? null : index === 0 ? batch.labels : (batch.columns.get(port.name) ?? null);
  });
}

/** Throws LOTR8240 when no label of the data counts in a loss. Reads batches up to the first label that does. */
export function requireLabels(data: Dataset, signature: Signature, what: string): void {
  const open = new Set(signatureTerms(signature).keys());
  dropCounted(open, data, signature);
  requireCounted(open, what);
}

/** Throws LOTR8240 when losses are left. */
export function requireCounted(open: ReadonlySet<number>, what: string): void {
  if (open.size > 0) fail(noLabels({ what }));
}

/** Drops those losses, by their numbers, in which some label of the data counts. */
export function dropCounted(open: Set<number>, data: Dataset, signature: Signature): void {
  if (open.size === 0) return;
  const terms = signatureTerms(signature);
  const graph = dataGraph(signature);
  for (let start = 0; start < data.size; start += 64) {
    const rows = Array.from({ length: Math.min(64, data.size - start) }, (_, i) => start + i);
    for (const [index, labels] of labelColumns(graph, terms.length, data.batch(rows)).entries())
      if (!labels || countLabels(terms[index]!, labels) > 0) open.delete(index);
    if (open.size === 0) return;
  }
}
