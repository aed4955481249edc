import { visible } from '../../src/ir/visible.js';
import { num, table } from '../text.js';
import type { BuildOutcome, Built } from './run.js';

/** `reviews rewrite: made; 24 layers, 17,920 trainable`. */
export function outcomeLine({ step, result, about }: BuildOutcome): string {
  return `${visible(step.id)}: ${result}${about === '' ? '' : `; ${visible(about)}`}\n`;
}

/** A row for each step: what became of it, where its outputs are and how large. */
export function summary({ outcomes }: Built): string {
  const rows = outcomes.map(({ step, result, files, about }) => [
    step.model,
    step.kind,
    result,
    Object.values(step.makes).join(', '),
    files.length === 0 ? '' : num(files.reduce((sum, { bytes }) => sum + bytes, 0)),
    about,
  ]);
  return table([['model', 'step', 'result', 'output', 'bytes', 'what'], ...rows]);
}

/** `lotrc build --json`. */
export function buildJson({ outcomes }: Built): string {
  const steps = outcomes.map(({ step, result, counts, files }) => ({
    model: step.model,
    step: step.kind,
    result,
    counts,
    makes: step.makes,
    files,
  }));
  return `${JSON.stringify({ version: 1, steps }, null, 2)}\n`;
}
