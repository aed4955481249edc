import type { OrtTensor } from '../backends/ort/tensor.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16 } from '../ir/half.js';
import { type BatchSplit, batchesInOrder } from './batches.js';
import type { Column, DataBatch, Dataset } from './data/dataset.js';
import { feedsOf, type InputMap } from './feeds.js';
import { graphOf } from './graph-of.js';
import { labelColumns, labelPort, signatureTerms } from './labels.js';
import { lossFacts } from './losses/facts.js';
import { ClassCounts, type ClassScore } from './metrics/class-counts.js';
import { lossAlone, METRIC_NAMES, type MetricValues, metricsOf } from './metrics/index.js';
import { ValuePairs } from './metrics/value-pairs.js';
import type { LossTerm, Port } from './signature.js';
import type { TermResult, TrainingSteps } from './training-steps.js';

export interface Evaluation extends MetricValues {
  /** over all labels that count */
  readonly loss: number;
  /** labels that count */
  readonly count: number;
  /** absent unless classes of rows or tags of tokens are predicted */
  readonly perClass?: readonly ClassScore[];
  /** of a sum of losses: each of them */
  readonly terms?: readonly ({ readonly output: string } & Evaluation)[];
}

/**
 * Loss over a whole data set, with the number of labels that count as weights, so that the batch size does not matter;
 * and the other metrics that its labels have. Throws LOTR8240 when no label counts.
 */
export function evaluateDataset(run: TrainingSteps, data: Dataset, cut: BatchSplit): Promise<Evaluation> {
  const made = function* () {
    for (const rows of batchesInOrder(data, cut)) yield data.batch(rows, cut.rows ?? undefined);
  };
  return evaluateBatches(run, made(), cut.inputs, data.tagged);
}

/** The same over batches; `tagged`: as data sets say it. */
export async function evaluateBatches(
  run: TrainingSteps,
  batches: Iterable<DataBatch>,
  inputs: InputMap,
  tagged = false,
): Promise<Evaluation> {
  const { signature } = run;
  const graph = graphOf(signature, run.folder, 'eval');
  const terms = signatureTerms(signature);
  const sums = terms.map((term, index) => new TermSum(term, labelPort(graph, index), tagged));
  for (const batch of batches) {
    const feeds = feedsOf(graph, inputs, batch, terms);
    const results = await run.evaluateTerms(feeds, (term) => sums[term]!.scored);
    const labels = labelColumns(graph, terms.length, batch);
    for (const [index, result] of results.entries()) sums[index]!.add(result, labels[index]!);
  }
  if (sums.some(({ count }) => count === 0)) fail(noLabels({ what: 'evaluation data' }));
  const [first] = sums as [TermSum];
  const { loss } = signature;
  if (loss.kind !== 'sum') return first.evaluation();
  const each = sums.map((sum, index) => ({ output: loss.terms[index]!.output, ...sum.evaluation() }));
  const total = each.reduce((sum, { loss: value }, index) => sum + loss.terms[index]!.weight * value, 0);
  return { ...lossAlone(total), loss: total, count: first.count, terms: each };
}

/** More classes have no values of their own in logs. */
const CLASSES_IN_LOGS = 10;

/** What logs hold of an evaluation: its metrics, and of few classes the F1 of each as `f1/NAME`. */
export function loggedValues(
  evaluation: Evaluation,
  classNames: readonly string[] | null,
): ReadonlyMap<string, number> {
  const { perClass = [] } = evaluation;
  const scores = perClass.length > CLASSES_IN_LOGS ? [] : perClass;
  const all: readonly (readonly [string, number | null])[] = [
    ...METRIC_NAMES.map((name) => [name, evaluation[name]] as const),
    ...scores.map((score) => [`f1/${classNames?.[score.class] ?? score.class}`, score.f1] as const),
  ];
  return new Map(all.filter((entry): entry is readonly [string, number] => entry[1] !== null));
}

/** One loss over all batches. */
class TermSum {
  count = 0;
  #loss = 0;
  readonly #term: LossTerm;
  readonly #nextToken: boolean;
  readonly #classes: ClassCounts | null;
  #values: ValuePairs | null;

  constructor(term: LossTerm, label: Port | undefined, tagged: boolean) {
    const { labels, perplexity, predictsLabels } = lossFacts(term.kind);
    this.#term = term;
    this.#classes = labels === 'classes' && (!isTokens(label) || tagged) ? new ClassCounts() : null;
    this.#values = predictsLabels ? new ValuePairs() : null;
    this.#nextToken = perplexity === true && isTokens(label) && !tagged;
  }

  /** whether outputs are compared with labels */
  get scored(): boolean {
    return (this.#classes ?? this.#values) !== null;
  }

  add({ loss, logits, count }: TermResult, labels: Column | null): void {
    if (count > 0) this.#loss += this.#term.reduction === 'mean' ? loss * count : loss;
    this.count += count;
    if (!logits || !labels) return;
    const { ignoreIndex, ignoreValue } = this.#term;
    this.#classes?.add(numbers(logits), labels.data, ignoreIndex);
    // rows of several numbers have no ranks
    if (labels.data.length !== labels.shape[0]) this.#values = null;
    this.#values?.add(numbers(logits), labels.data, ignoreValue);
  }

  evaluation(): Evaluation {
    const { count } = this;
    const loss = this.#term.reduction === 'mean' ? this.#loss / count : this.#loss;
    const seen = { loss, nextToken: this.#nextToken, classes: this.#classes, values: this.#values };
    return {
      ...metricsOf(seen),
      loss,
      count,
      ...(this.#classes ? { perClass: this.#classes.scores() } : {}),
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
