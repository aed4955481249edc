import { type AdapterFormat, convertAdapter, formatOf } from '../../src/interop/convert.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { EXTRACT } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { requirePlan } from '../../src/passes/plan/plan.js';
import { extract } from '../../src/rewrite.js';
import { requireUse, writeConverted } from '../converted.js';
import { loadModel } from '../load.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { count, weightsText } from '../text.js';

export function extractCommand(path: string, options: ValuesOf<typeof EXTRACT>, run: Run): void {
  const form = formIn(options);
  requireUse(form, options);
  const { moduleMap, tolerance, model: original } = options;
  if (form !== 'peft' && form !== 'gguf' && (moduleMap || tolerance !== undefined || original !== undefined))
    refuseUsage('--module-map, --tolerance and --model are for adapters of other programs: add --to peft');
  if (form !== 'safetensors') {
    extractAs(form, path, options, run);
    return;
  }
  const model = loadModel(path);
  const adapter = extract(model);
  const output = outputFile(options.output, defaultOutput(path, '.safetensors'));
  const files = writeArtifacts(
    { adapter: { adapter, path: output }, inputs: [path], clobber: options.clobber },
    run,
  );
  const { weights = [] } = requirePlan(model, 'extract');
  const factors = adapter.tensors.size - weights.length;
  if (options.json) {
    const names = weights.map(({ name }) => name);
    run.io.out(`${JSON.stringify({ version: 1, factors, weights: names, files }, null, 2)}\n`);
  } else tell(run, `extracted ${count(factors, 'factor')}\n${weightsText(weights)}${filesText(files)}`);
}

/** The form that is asked for; an output without an ending is a file of lotrc. */
function formIn({ to, output }: ValuesOf<typeof EXTRACT>): AdapterFormat {
  const said = to ?? (output === undefined ? 'safetensors' : formatOf(output));
  return to === undefined && said === 'peft' ? 'safetensors' : said;
}

/** Writes the adapter in the form of another program. */
function extractAs(form: AdapterFormat, path: string, options: ValuesOf<typeof EXTRACT>, run: Run): void {
  const { output: given, model: original } = options;
  const model = loadModel(path);
  const base = original === undefined ? null : loadModel(original);
  const standard = defaultOutput(path, form === 'peft' ? '.peft' : `.${form}`);
  // a folder that is given is the adapter itself
  const output = form === 'peft' ? (given ?? standard) : outputFile(given, standard);
  const adapter = { kind: 'own', adapter: extract(model) } as const;
  const converted = convertAdapter(adapter, path, form, output, { ...options, model, base });
  const inputs = [path, ...(original === undefined ? [] : [original])];
  writeConverted(converted, form, inputs, options, run);
}
