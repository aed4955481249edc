/** What programs that only run graphs know of a loss. */
export interface LossFacts {
  /**
   * What labels are: class numbers, numbers of the shape of the output or one for each pair, sequences of class numbers
   * filled up with the ignored one, nothing (the rows say which belong together), or what the model itself takes.
   */
  readonly labels: 'classes' | 'numbers' | 'sequences' | 'none' | 'own';
  /** a batch of 2B rows holds B pairs in two halves */
  readonly pairs?: true;
  /** the loss of a batch is not the mean over its parts, as far as lotrc knows: ranks do not divide batches */
  readonly wholeBatch?: true;
  /** it compares the output with that of the base */
  readonly teacher?: true;
  /** its exponential is a perplexity */
  readonly perplexity?: true;
  /** the output is what the labels should be, number by number */
  readonly predictsLabels?: true;
}

/** All losses; the first is the default. Apart from the declarations, which make nodes: a page that trains does not need them. */
const FACTS = {
  'cross-entropy': { labels: 'classes', perplexity: true },
  focal: { labels: 'classes' },
  mse: { labels: 'numbers', predictsLabels: true },
  bce: { labels: 'numbers' },
  kl: { labels: 'numbers' },
  'kl-base': { labels: 'none', teacher: true },
  cosine: { labels: 'numbers', pairs: true },
  contrastive: { labels: 'none', pairs: true, wholeBatch: true },
  ctc: { labels: 'sequences' },
  output: { labels: 'own', wholeBatch: true },
} as const satisfies Record<string, LossFacts>;

export type LossKind = keyof typeof FACTS;
export const LOSS_KINDS = Object.keys(FACTS) as readonly LossKind[];

export const lossFacts = (kind: LossKind): LossFacts => FACTS[kind];
