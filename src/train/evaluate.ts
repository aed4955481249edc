import type { OrtTensor } from '../backends/ort/tensor.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16 } from '../ir/half.js';
import { type BatchSplit, batchesInOrder } from './batches.js';
import type { Column, DataBatch, Dataset } from './data/dataset.js';
import { ALONE, type ProcessGroup } from './distributed/group.js';
import { feedsOf, type InputMap } from './feeds.js';
import { graphOf } from './graph-of.js';
import { labelColumns, labelPort, signatureTerms } from './labels.js';
import { lossFacts } from './losses/facts.js';
import { ClassCounts, type ClassScore, type CountedClasses } from './metrics/class-counts.js';
import { lossAlone, METRIC_NAMES, type MetricValues, metricsOf } from './metrics/index.js';
import { ValuePairs, type ValueRows } from './metrics/value-pairs.js';
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
 * and the other metrics that its labels have. The ranks of a group take batches in turn, and the bits of the result do not depend on
 * their number. Throws LOTR8240 when no label counts.
 */
export function evaluateDataset(
  run: TrainingSteps,
  data: Dataset,
  cut: BatchSplit,
  group: ProcessGroup = ALONE,
): Promise<Evaluation> {
  const made = function* () {
    for (const [number, rows] of batchesInOrder(data, cut).entries())
      if (number % group.size === group.rank) yield data.batch(rows, cut.rows ?? undefined);
  };
  return evaluateBatches(run, made(), cut.inputs, data.tagged, group);
}

/** The same over batches, of which each rank gives every n-th; `tagged`: as data sets say it. */
export async function evaluateBatches(
  run: TrainingSteps,
  batches: Iterable<DataBatch>,
  inputs: InputMap,
  tagged = false,
  group: ProcessGroup = ALONE,
): Promise<Evaluation> {
  const { signature } = run;
  const graph = graphOf(signature, run.folder, 'eval');
  const terms = signatureTerms(signature);
  const sums = terms.map((term, index) => new TermSum(term, labelPort(graph, index), tagged));
  const own: BatchSeen[] = [];
  for (const batch of batches) {
    const number = own.length * group.size + group.rank;
    const feeds = feedsOf(graph, inputs, batch, terms);
    const results = await run.evaluateTerms(feeds, (term) => sums[term]!.scored);
    const labels = labelColumns(graph, terms.length, batch);
    own.push({ number, terms: results.map((result, index) => sums[index]!.see(result, labels[index]!)) });
  }
  const ranks = await group.all({
    batches: own,
    classes: sums.map(({ classes }) => classes?.counted() ?? null),
  });
  const all = ranks.flatMap((rank) => rank.batches).sort((a, b) => a.number - b.number);
  for (const [index, sum] of sums.entries()) {
    sum.close(
      all.map(({ terms: seen }) => seen[index]!),
      ranks.flatMap(({ classes }) => classes[index] ?? []),
    );
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

/** What a batch adds to a loss: plain data, which ranks exchange. */
interface TermSeen {
  readonly loss: number;
  readonly count: number;
  /** null where labels are not one number for each row */
  readonly values: ValueRows | null;
}

interface BatchSeen {
  readonly number: number;
  readonly terms: readonly TermSeen[];
}

/** One loss over all batches. */
class TermSum {
  count = 0;
  /** of the batches of this rank, and when it is closed of all */
  classes: ClassCounts | null;
  #loss = 0;
  readonly #term: LossTerm;
  readonly #nextToken: boolean;
  #values: ValuePairs | null;

  constructor(term: LossTerm, label: Port | undefined, tagged: boolean) {
    const { labels, perplexity, predictsLabels } = lossFacts(term.kind);
    this.#term = term;
    this.classes = labels === 'classes' && (!isTokens(label) || tagged) ? new ClassCounts() : null;
    this.#values = predictsLabels ? new ValuePairs() : null;
    this.#nextToken = perplexity === true && isTokens(label) && !tagged;
  }

  /** whether outputs are compared with labels */
  get scored(): boolean {
    return (this.classes ?? this.#values) !== null;
  }

  /** What a batch adds; its classes are counted at once. */
  see({ loss, logits, count }: TermResult, labels: Column | null): TermSeen {
    const part = count > 0 ? (this.#term.reduction === 'mean' ? loss * count : loss) : 0;
    const values = new ValuePairs();
    if (logits && labels) {
      const { ignoreIndex, ignoreValue } = this.#term;
      this.classes?.add(numbers(logits), labels.data, ignoreIndex);
      // rows of several numbers have no ranks
      if (labels.data.length !== labels.shape[0]) this.#values = null;
      if (this.#values) values.add(numbers(logits), labels.data, ignoreValue);
    }
    return { loss: part, count, values: this.#values && values.rows };
  }

  /** Takes what all batches add, in their order, and what all ranks counted. */
  close(batches: readonly TermSeen[], counted: readonly CountedClasses[]): void {
    for (const { loss, count, values } of batches) {
      this.#loss += loss;
      this.count += count;
      if (values === null) this.#values = null;
      else this.#values?.add(values.predicted, values.labels, undefined);
    }
    if (this.classes) this.classes = ClassCounts.of(counted);
  }

  evaluation(): Evaluation {
    const { count } = this;
    const loss = this.#term.reduction === 'mean' ? this.#loss / count : this.#loss;
    const seen = { loss, nextToken: this.#nextToken, classes: this.classes, values: this.#values };
    return {
      ...metricsOf(seen),
      loss,
      count,
      ...(this.classes ? { perClass: this.classes.scores() } : {}),
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
