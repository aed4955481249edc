import type { OrtTensor } from '../backends/ort/session.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16 } from '../ir/half.js';
import type { Dataset } from './data/dataset.js';
import { feedsOf, type InputMap } from './feeds.js';
import type { TrainingRun } from './run.js';
import type { Port } from './signature.js';

export interface Evaluation {
  /** over all labels that count */
  readonly loss: number;
  /** share of labels that have the largest logit; null unless one class per row is predicted */
  readonly accuracy: number | null;
  /** e^loss; null unless every token is predicted */
  readonly perplexity: number | null;
  /** labels that count */
  readonly count: number;
}

/** How a data set is cut into batches. */
export interface Cut {
  readonly inputs: InputMap;
  readonly batchSize: number;
  /** the model's fixed batch size */
  readonly rows: number | null;
  /** short batches cannot be filled up, because labels cannot be left out: they are not used */
  readonly dropShort: boolean;
}

/**
 * Loss over a whole data set, with the number of labels that count as weights, so that the batch size does not matter;
 * and accuracy, or perplexity for token losses. Throws LOTR8240 when no label counts.
 */
export async function evaluateDataset(run: TrainingRun, data: Dataset, cut: Cut): Promise<Evaluation> {
  const { signature } = run;
  const graph = signature.graphs.eval!;
  const label = graph.inputs.find(({ role }) => role === 'label');
  const classes = signature.loss.kind === 'cross-entropy';
  const scored = classes && label?.shape.length === 1;
  const mean = signature.loss.reduction === 'mean';
  const size = cut.rows ?? cut.batchSize;
  let [loss, count, right] = [0, 0, 0];
  for (let start = 0; start < data.size; start += size) {
    const indices = Array.from({ length: Math.min(size, data.size - start) }, (_, i) => start + i);
    if (cut.dropShort && indices.length < size) break;
    const batch = data.batch(indices, cut.rows ?? undefined);
    const result = await run.evaluate(feedsOf(graph, cut.inputs, batch));
    if (result.count > 0) loss += mean ? result.loss * result.count : result.loss;
    count += result.count;
    if (scored) right += hits(numbers(result.logits), batch.labels.data, batch.examples);
  }
  if (count === 0) fail(noLabels({ what: 'evaluation data' }));
  const total = mean ? loss / count : loss;
  return {
    loss: total,
    accuracy: scored ? right / count : null,
    perplexity: classes && isTokens(label) ? Math.exp(total) : null,
    count,
  };
}

/** Elements as numbers; float16 comes as its bits. */
function numbers({ type, data }: OrtTensor): ArrayLike<number> {
  return type === 'float16' && data instanceof Uint16Array
    ? Array.from(data, fromF16)
    : (data as Float32Array);
}

const isTokens = (label: Port | undefined): boolean => (label?.shape.length ?? 0) > 1;

/** Rows whose largest logit is the label's; the first of equal ones counts, and a row with NaN has none. */
function hits(logits: ArrayLike<number>, labels: ArrayLike<number>, rows: number): number {
  const classes = logits.length / labels.length;
  let count = 0;
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (logits[row * classes + k]! > logits[row * classes + best]!) best = k;
    }
    if (best === labels[row] && !Number.isNaN(logits[row * classes + best])) count++;
  }
  return count;
}
