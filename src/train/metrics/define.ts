import type { ClassCounts } from './class-counts.js';
import type { ValuePairs } from './value-pairs.js';

/** What an evaluation has seen. */
export interface Evaluated {
  readonly loss: number;
  /** the loss is that of the next token, so that its exponential is a perplexity */
  readonly nextToken: boolean;
  /** null unless classes of rows or tags of tokens are predicted */
  readonly classes: ClassCounts | null;
  /** null unless one number is predicted for each row */
  readonly values: ValuePairs | null;
}

export interface MetricDef<N extends string = string> {
  /** on the command line, in JSON, as a tag and as a column */
  readonly name: N;
  /** the definition, as scikit-learn or scipy call it */
  readonly doc: string;
  /** which evaluations have it */
  readonly where: string;
  readonly better: 'larger' | 'smaller';
  /** null: this evaluation does not have it */
  of(seen: Evaluated): number | null;
  /** name and value as a person reads them */
  show(value: number): string;
}

/** Declares a metric of evaluations. */
export function defineMetric<const N extends string>(def: MetricDef<N>): MetricDef<N> {
  return def;
}
