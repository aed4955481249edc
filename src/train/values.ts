import type { ValuesOf } from '../options/define.js';
import { refuseUsage } from '../options/usage.js';
import type { DataOptions } from './data/read-data.js';
import type { TrainingPlan } from './loop.js';
import { initialScale } from './loss-scale.js';
import type { READING, TRAIN } from './option-set.js';
import type { Signature } from './signature.js';

/** What options of `lotrc train` mean, whoever reads them. */

type TrainValues = ValuesOf<typeof TRAIN>;

/** How data is read. */
export function readingOf(o: ValuesOf<typeof READING>): DataOptions {
  return {
    tokenizer: o.tokenizer ?? null,
    fields: {
      text: o.textField,
      pair: o.pairField ?? null,
      label: o.labelField,
      prompt: o.promptField,
      completion: o.completionField,
      source: o.sourceField,
      target: o.targetField,
      messages: o.messagesField,
      tokens: o.tokensField,
      tags: o.tagsField,
    },
    badLines: o.badLines,
    maxLength: o.maxLength,
    padTo: o.padTo,
    task: o.task ?? null,
    quote: o.quote ?? null,
    labels: o.labels ?? null,
    bucket: o.bucket,
    bos: o.bos ?? null,
    eos: o.eos ?? null,
    pack: o.pack,
    lossOn: o.lossOn,
    decoderStart: o.decoderStart ?? null,
    subwords: o.subwords,
  };
}

/** What the run does. */
export function trainingPlanOf(o: TrainValues, signature: Signature): TrainingPlan {
  return {
    epochs: o.epochs,
    maxSteps: o.maxSteps ?? null,
    accumulate: o.accumulate,
    schedule: { kind: o.schedule, peak: o.lr, floor: o.minLr, power: o.power, warmup: o.warmup },
    seed: o.seed,
    lossScale: o.lossScale ?? initialScale(signature),
    evalEvery: o.evalEvery ?? null,
    checkpointEvery: o.checkpointEvery,
    best: o.best,
    patience: o.patience ?? null,
    warmupSteps: null,
  };
}

/** Throws LOTR8001 for values that do not go together. */
export function requireTogether({
  evalData,
  evalSplit,
  streaming,
  schedule,
  lr,
  minLr,
  warmup,
  lossScale,
}: TrainValues): void {
  if (streaming && evalSplit > 0) {
    refuseUsage(
      '--eval-split takes examples from all of the data, which --streaming does not hold: give --eval-data',
    );
  }
  if (evalData !== undefined && evalSplit > 0) {
    refuseUsage('--eval-split holds back a part of the data, and --eval-data names a file: give one of them');
  }
  if (schedule !== 'constant' && minLr > lr) {
    refuseUsage(`--min-lr ${minLr} is above --lr ${lr}: the schedule goes down`);
  }
  if (warmup > 1 && !Number.isInteger(warmup)) {
    refuseUsage(`--warmup takes a whole number of steps, or a share of the run below 1, not ${warmup}`);
  }
  if (lossScale !== undefined && !Number.isInteger(Math.log2(lossScale))) {
    refuseUsage(`--loss-scale takes a power of two, not ${lossScale}`);
  }
}
