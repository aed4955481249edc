/**
 * The losses, with what a host needs to know about them. `labels`: class numbers, numbers of the shape of the output,
 * sequences of class numbers filled up with the ignored one, nothing (the rows say which belong together), or what the
 * model itself takes. `pairs`: a batch of 2B rows holds B pairs in two halves.
 */
export const LOSSES = {
  'cross-entropy': { labels: 'classes', pairs: false },
  mse: { labels: 'numbers', pairs: false },
  bce: { labels: 'numbers', pairs: false },
  cosine: { labels: 'numbers', pairs: true },
  contrastive: { labels: 'none', pairs: true },
  ctc: { labels: 'sequences', pairs: false },
  output: { labels: 'own', pairs: false },
} as const satisfies Readonly<Record<string, LossFacts>>;

export interface LossFacts {
  readonly labels: 'classes' | 'numbers' | 'sequences' | 'none' | 'own';
  readonly pairs: boolean;
}

export type LossKind = keyof typeof LOSSES;
export const LOSS_KINDS = Object.keys(LOSSES) as readonly LossKind[];
