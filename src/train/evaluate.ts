import type { OrtTensor } from '../backends/ort/tensor.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16 } from '../ir/half.js';
import { type BatchSplit, batchesInOrder } from './batches.js';
import type { Column, Dataset } from './data/dataset.js';
import { feedsOf } from './feeds.js';
import { graphOf } from './graph-of.js';
import { countLabels, labelColumns, labelPort, signatureTerms } from './labels.js';
import { lossFacts } from './losses/facts.js';
import type { LossTerm, Port } from './signature.js';
import type { TermResult, TrainingSteps } from './training-steps.js';

export interface Evaluation {
  /** over all labels that count */
  readonly loss: number;
  /** share of labels that have the largest logit; null unless classes of rows or tags of tokens are predicted */
  readonly accuracy: number | null;
  /** e^loss; null unless the next token is predicted */
  readonly perplexity: number | null;
  /** labels that count */
  readonly count: number;
  /** of a sum of losses: each of them */
  readonly terms?: readonly ({ readonly output: string } & Evaluation)[];
}

/**
 * Loss over a whole data set, with the number of labels that count as weights, so that the batch size does not matter;
 * and accuracy, or perplexity for token losses. Throws LOTR8240 when no label counts.
 */
export async function evaluateDataset(
  run: TrainingSteps,
  data: Dataset,
  cut: BatchSplit,
): Promise<Evaluation> {
  const { signature } = run;
  const graph = graphOf(signature, run.folder, 'eval');
  const terms = signatureTerms(signature);
  const tagged = data.tagged ?? false;
  const sums = terms.map((term, index) => new TermSum(term, labelPort(graph, index), tagged));
  for (const rows of batchesInOrder(data, cut)) {
    const batch = data.batch(rows, cut.rows ?? undefined);
    const feeds = feedsOf(graph, cut.inputs, batch, terms);
    const results = await run.evaluateTerms(feeds, (term) => sums[term]!.scored);
    const labels = labelColumns(graph, terms.length, batch);
    for (const [index, result] of results.entries()) sums[index]!.add(result, labels[index]!);
  }
  if (sums.some(({ count }) => count === 0)) fail(noLabels({ what: 'evaluation data' }));
  const [first] = sums as [TermSum];
  const { loss } = signature;
  if (loss.kind !== 'sum') return first.evaluation();
  const each = sums.map((sum, index) => ({ output: loss.terms[index]!.output, ...sum.evaluation() }));
  return {
    loss: each.reduce((total, { loss: value }, index) => total + loss.terms[index]!.weight * value, 0),
    accuracy: null,
    perplexity: null,
    count: first.count,
    terms: each,
  };
}

/** One loss over all batches. */
class TermSum {
  count = 0;
  /** whether logits are compared with labels */
  readonly scored: boolean;
  #loss = 0;
  #right = 0;
  #labels = 0;
  readonly #term: LossTerm;
  readonly #tokens: boolean;

  constructor(term: LossTerm, label: Port | undefined, tagged: boolean) {
    const { labels, perplexity } = lossFacts(term.kind);
    const classes = labels === 'classes';
    this.#term = term;
    this.scored = classes && (!isTokens(label) || tagged);
    this.#tokens = perplexity === true && isTokens(label) && !tagged;
  }

  add({ loss, logits, count }: TermResult, labels: Column | null): void {
    if (count > 0) this.#loss += this.#term.reduction === 'mean' ? loss * count : loss;
    this.count += count;
    if (!this.scored || !logits || !labels) return;
    this.#right += hits(numbers(logits), labels.data, this.#term.ignoreIndex);
    const { classWeights: _, ...unweighted } = this.#term;
    this.#labels += countLabels(unweighted, labels);
  }

  evaluation(): Evaluation {
    const { count } = this;
    const loss = this.#term.reduction === 'mean' ? this.#loss / count : this.#loss;
    return {
      loss,
      accuracy: this.scored ? this.#right / this.#labels : null,
      perplexity: this.#tokens ? Math.exp(loss) : null,
      count,
    };
  }
}

/** Elements as numbers; float16 comes as its bits. */
function numbers({ type, data }: OrtTensor): ArrayLike<number> {
  return type === 'float16' && data instanceof Uint16Array
    ? Array.from(data, fromF16)
    : (data as Float32Array);
}

const isTokens = (label: Port | undefined): boolean => (label?.shape.length ?? 0) > 1;

/** Labels that have the largest logit, without the ignored ones; the first of equal ones counts, and a row with NaN has none. */
function hits(logits: ArrayLike<number>, labels: ArrayLike<number>, ignored: number | null): number {
  const classes = logits.length / labels.length;
  let count = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] === ignored) continue;
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (logits[row * classes + k]! > logits[row * classes + best]!) best = k;
    }
    if (best === labels[row] && !Number.isNaN(logits[row * classes + best])) count++;
  }
  return count;
}
