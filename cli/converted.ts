import type { AdapterFormat, Converted } from '../src/interop/convert.js';
import { refuseUsage } from '../src/options/usage.js';
import { filesText, refuseInputs, writeNoting } from './outputs.js';
import type { Run } from './program.js';
import { tell } from './tell.js';
import { count, table } from './text.js';

/** Writes an adapter in another form and says what was kept. `inputs`: files that were read. */
export function writeConverted(
  { outputs, ...report }: Converted,
  form: AdapterFormat,
  inputs: readonly string[],
  { clobber, json }: { readonly clobber: boolean; readonly json: boolean },
  run: Run,
): void {
  refuseInputs(
    outputs.map(({ path }) => path),
    inputs,
    clobber,
  );
  const files = writeNoting(outputs);
  if (json) run.io.out(`${JSON.stringify({ version: 1, form, ...report, files }, null, 2)}\n`);
  else tell(run, `${convertedText(report)}${filesText(files)}`);
}

/** Refuses options that this form would ignore. */
export function requireUse(form: AdapterFormat, { arch }: { readonly arch?: string | undefined }): void {
  if (arch !== undefined && form !== 'gguf')
    refuseUsage('--arch is for adapters of llama.cpp: add --to gguf');
}

function convertedText({ layers, weights, approximated }: Omit<Converted, 'outputs'>): string {
  const whole = weights > 0 ? `, ${count(weights, 'weight')} trained in full` : '';
  const rows = approximated.map(({ module, rank, error }) => [module, String(rank), error.toExponential(2)]);
  const near = rows.length > 0 ? table([['approximated', 'rank', 'relative error'], ...rows]) : '';
  return `converted ${count(layers, 'layer')}${whole}${rows.length > 0 ? '' : ', exactly'}\n${near}`;
}
