import type { OrtTensor } from '../backends/ort/session.js';
import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16 } from '../ir/half.js';
import { batchesInOrder, type Cut } from './batches.js';
import type { Dataset } from './data/dataset.js';
import { feedsOf } from './feeds.js';
import type { TrainingRun } from './run.js';
import type { Port } from './signature.js';

export interface Evaluation {
  /** over all labels that count */
  readonly loss: number;
  /** share of labels that have the largest logit; null unless classes of rows or tags of tokens are predicted */
  readonly accuracy: number | null;
  /** e^loss; null unless the next token is predicted */
  readonly perplexity: number | null;
  /** labels that count */
  readonly count: number;
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
  const scored = classes && (label?.shape.length === 1 || (data.tagged ?? false));
  const mean = signature.loss.reduction === 'mean';
  let [loss, count, right] = [0, 0, 0];
  for (const rows of batchesInOrder(data, cut)) {
    const batch = data.batch(rows, cut.rows ?? undefined);
    const result = await run.evaluate(feedsOf(graph, cut.inputs, batch));
    if (result.count > 0) loss += mean ? result.loss * result.count : result.loss;
    count += result.count;
    if (scored) right += hits(numbers(result.logits), batch.labels.data, signature.loss.ignoreIndex);
  }
  if (count === 0) fail(noLabels({ what: 'evaluation data' }));
  const total = mean ? loss / count : loss;
  return {
    loss: total,
    accuracy: scored ? right / count : null,
    perplexity: classes && isTokens(label) && !data.tagged ? Math.exp(total) : null,
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
