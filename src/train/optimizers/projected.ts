import { adamw } from './adamw.js';
import { defineProjected } from './define.js';
import { sgd } from './sgd.js';

const [LOW_RANK, TUCKER] = [
  'steps the whole change of each weight, which is then projected to the rank of its two factors',
  'steps the whole changes of weights, which are then projected as a stack to the Tucker rank of the factors that they share',
];

export const lowrankAdamw = defineProjected(adamw, {
  kind: 'lowrank-adamw',
  title: 'low-rank AdamW',
  projection: 'low-rank',
  doc: `AdamW ${LOW_RANK} (docs/training.md)`,
});

export const lowrankSgd = defineProjected(sgd, {
  kind: 'lowrank-sgd',
  title: 'low-rank SGD',
  projection: 'low-rank',
  doc: `SGD ${LOW_RANK}`,
});

export const lotrAdamw = defineProjected(adamw, {
  kind: 'lotr-adamw',
  title: 'LoTR AdamW',
  projection: 'tucker',
  doc: `AdamW ${TUCKER}`,
});

export const lotrSgd = defineProjected(sgd, {
  kind: 'lotr-sgd',
  title: 'LoTR SGD',
  projection: 'tucker',
  doc: `SGD ${TUCKER}`,
});
