import { defineCode, explainCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 824x (the training loop: evaluations, the best one, the length of a run). */

export const noLabels = defineCode<{ what: string }>({
  code: 'LOTR8240',
  severity: 'error',
  make: ({ what }) => ({
    message: `every label of the ${what} is ignored`,
    hint: 'check the labels, and --ignore-index of `lotrc emit onnx-train`',
  }),
});

explainCode(noLabels, {
  title: 'no label of the data counts',
  explain:
    'A loss is a mean over the labels that count. Labels with the value of --ignore-index (-100) are left out, and with ' +
    '--shift also the first label of each row. When none is left there is nothing to learn and no loss to report.',
});

export const metricUnknown = defineCode<{ metric: string; known: readonly string[] }>({
  code: 'LOTR8241',
  severity: 'error',
  title: 'evaluations have no metric of that name',
  explain:
    '--best chooses the metric that evaluations are compared by. Every evaluation has a loss. Predicted classes have ' +
    'accuracy, f1_macro and mcc, two classes f1; one number for each row has pearson and spearman; the next token has a perplexity.',
  make: ({ metric, known }) => ({
    message: `--best ${metric}: an evaluation of this model has ${listed(known, known.length)}`,
    hint: `give --best ${known[0] ?? 'loss'}`,
  }),
});

export const needsEvaluation = defineCode<{ option: string }>({
  code: 'LOTR8242',
  severity: 'error',
  title: 'an option of the training loop needs evaluations',
  explain:
    '--best and --patience compare evaluations. There are evaluations with --eval-data FILE, or with --eval-split, which ' +
    'holds back a share of the training data.',
  make: ({ option }) => ({
    message: `${option} needs data to evaluate on`,
    hint: 'give --eval-data FILE or --eval-split 0.1',
  }),
});

export const notANumber = defineCode<{ step: number | null }>({
  code: 'LOTR8243',
  severity: 'warning',
  title: 'the loss of an evaluation is not a finite number',
  explain:
    'A label that is not one of the classes, or a value that overflows in the model, makes the loss NaN or infinite. Such ' +
    'an evaluation is never the best one. When a run has no other, its adapter holds the last parameters.',
  make: ({ step }) => ({
    message: `the evaluation${step === null ? '' : ` at step ${step}`} has no finite loss`,
    hint: 'check that every label is a class of the model, and the inputs for NaN',
  }),
});

export const stoppedEarly = defineCode<{
  step: number;
  total: number;
  patience: number;
  metric: string;
  best: number | null;
}>({
  code: 'LOTR8244',
  severity: 'remark',
  title: 'the run stopped before its last step',
  explain:
    'With --patience N a run ends when N evaluations in a row were not better than the best one before them. The adapter ' +
    'holds the parameters of the best evaluation. --resume with a larger --patience goes on.',
  make: ({ step, total, patience, metric, best }) => ({
    message: `stopped after step ${step} of ${total}: ${
      best === null
        ? `no finite ${metric} in ${patience} evaluations`
        : `no better ${metric} than at step ${best} in ${patience} evaluations`
    }`,
    hint: 'to go on: --resume with a larger --patience',
  }),
});

export const lengthChanged = defineCode<{
  step: number;
  before: number;
  after: number;
  rate: number;
  ended: number;
}>({
  code: 'LOTR8245',
  severity: 'warning',
  title: 'a resumed run has another length',
  explain:
    'The schedule of learning rates depends on the length of the run. From the checkpoint on, rates are those of a run of ' +
    'the new length; steps that were taken are not repeated, and the number of warm-up steps stays. The result is ' +
    'therefore not the result of a run that had the new length from its start.',
  make: ({ step, before, after, rate, ended }) => ({
    message:
      `the run goes on from step ${step} to step ${after} instead of ${before}: the next learning rate is ` +
      `${Number(rate.toPrecision(3))}, and the last one of the other length is ${Number(ended.toPrecision(3))}`,
    hint: 'for the rates of the new length from the start: a new run with --output',
  }),
});

export const missingRates = defineCode<{ patterns: readonly string[]; given: number }>({
  code: 'LOTR8246',
  severity: 'error',
  make: ({ patterns, given }) => ({
    message:
      `${patterns.length} groups have rates of their own (${listed(patterns, 5)}), ` +
      `and the step has ${given} rates besides that of the run`,
    hint: 'give a schedule, or { lr, groups: [...] } with a rate for each of `rates` in signature.json',
  }),
});

explainCode(missingRates, {
  title: 'a step has no rate for some groups of parameters',
  explain:
    'Groups of `emit onnx-train --group` with a rate or a schedule of their own have an input for it. A schedule of the run ' +
    'gives all rates; a number is the rate of the run alone.',
});

export const fewerSteps = defineCode<{ maxSteps: number; epochs: number; total: number }>({
  code: 'LOTR8247',
  severity: 'remark',
  title: 'the passes over the data end before --max-steps',
  explain:
    'A run ends after --epochs passes over the data, or after --max-steps steps, whichever comes first. Here the data has fewer steps ' +
    'than --max-steps asks for, so the run and its learning rates end earlier.',
  make: ({ maxSteps, epochs, total }) => ({
    message: `the run has ${total} steps, and --max-steps is ${maxSteps}: ${epochs} ${epochs === 1 ? 'pass' : 'passes'} over the data end first`,
    hint: `for ${maxSteps} steps give --epochs ${Math.ceil((epochs * maxSteps) / total)}`,
  }),
});
