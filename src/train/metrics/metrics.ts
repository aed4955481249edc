import type { ClassCounts } from './class-counts.js';
import { defineMetric, type MetricDef } from './define.js';
import type { ValuePairs } from './value-pairs.js';

const ANY = 'every evaluation';
const CLASSES = 'classes of rows, tags of tokens';
const VALUES = 'one number for each row (`mse`)';

const loss = defineMetric({
  name: 'loss',
  doc: 'the loss over all labels that count',
  where: ANY,
  better: 'smaller',
  of: (seen) => seen.loss,
  show: (value) => `loss ${value.toFixed(4)}`,
});

const ofClasses =
  (of: (counts: ClassCounts) => number | null): MetricDef['of'] =>
  ({ classes }) =>
    classes && of(classes);

const accuracy = defineMetric({
  name: 'accuracy',
  doc: 'share of labels that have the largest logit (sklearn.metrics.accuracy_score)',
  where: CLASSES,
  better: 'larger',
  of: ofClasses(({ right, total }) => right / total),
  show: (value) => `accuracy ${(100 * value).toFixed(2)} %`,
});

const f1 = defineMetric({
  name: 'f1',
  doc: 'F1 of class 1 (sklearn.metrics.f1_score)',
  where: 'two classes',
  better: 'larger',
  of: ofClasses((counts) => {
    const scores = counts.scores();
    return scores.length === 2 ? scores[1]!.f1 : null;
  }),
  show: (value) => `F1 ${value.toFixed(4)}`,
});

const macroF1 = defineMetric({
  name: 'f1_macro',
  doc: 'mean F1 of the classes that occur (sklearn.metrics.f1_score, average macro)',
  where: CLASSES,
  better: 'larger',
  of: ofClasses((counts) => counts.macroF1()),
  show: (value) => `macro F1 ${value.toFixed(4)}`,
});

const mcc = defineMetric({
  name: 'mcc',
  doc: "Matthews' correlation coefficient (sklearn.metrics.matthews_corrcoef)",
  where: CLASSES,
  better: 'larger',
  of: ofClasses((counts) => counts.matthews()),
  show: (value) => `MCC ${value.toFixed(4)}`,
});

const ofValues =
  (of: (pairs: ValuePairs) => number): MetricDef['of'] =>
  ({ values }) =>
    values && of(values);

const pearson = defineMetric({
  name: 'pearson',
  doc: "Pearson's correlation of numbers and labels (scipy.stats.pearsonr)",
  where: VALUES,
  better: 'larger',
  of: ofValues((pairs) => pairs.pearson()),
  show: (value) => `Pearson ${value.toFixed(4)}`,
});

const spearman = defineMetric({
  name: 'spearman',
  doc: "Spearman's correlation of ranks (scipy.stats.spearmanr)",
  where: VALUES,
  better: 'larger',
  of: ofValues((pairs) => pairs.spearman()),
  show: (value) => `Spearman ${value.toFixed(4)}`,
});

const perplexity = defineMetric({
  name: 'perplexity',
  doc: 'e to the loss',
  where: 'the next token',
  better: 'smaller',
  of: ({ nextToken, loss: value }) => (nextToken ? Math.exp(value) : null),
  show: (value) => `perplexity ${value.toFixed(3)}`,
});

/** All metrics, in the order that they are reported; the first is the default. */
export const METRICS = [loss, accuracy, f1, macroF1, mcc, pearson, spearman, perplexity] as const;
