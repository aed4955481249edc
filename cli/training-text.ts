import { bytesOfStep } from '../src/train/distributed/wire.js';
import type { Evaluation } from '../src/train/evaluate.js';
import { METRIC_NAMES, metricDef } from '../src/train/metrics/index.js';
import type { Started } from '../src/train/run-data.js';
import { count, num } from './text.js';

/** What is said of a run when it starts. */
export function introduction(info: Started): string {
  const { examples, evalExamples, perEpoch, total, parameters, unit, ranks } = info;
  const held = evalExamples > 0 ? `, ${num(evalExamples)} for evaluation` : '';
  return (
    `${count(examples, unit)}${held}; ${count(perEpoch, 'step')} an epoch, ${num(total)} in all; ` +
    `${num(parameters)} trainable parameters${ranks > 1 ? `; ${num(ranks)} processes, each sends ${num(bytesOfStep(parameters, ranks))} bytes in a step` : ''}\n`
  );
}

/** The metrics of an evaluation. */
export function evaluationText({ terms, ...evaluation }: Evaluation): string {
  const each = terms?.map((term) => `${term.output}: ${evaluationText(term)}`).join('; ');
  const parts = METRIC_NAMES.flatMap((name) => {
    const value = evaluation[name];
    return value === null ? [] : [metricDef(name).show(value)];
  });
  return `${parts.join(', ')}${each === undefined ? '' : ` (${each})`}`;
}
