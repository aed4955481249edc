import { bindAdapter } from '../../src/interop/bind.js';
import { leftOutOf } from '../../src/interop/foreign.js';
import { filesOfAdapter, openAdapter } from '../../src/interop/open.js';
import { type DType, dtypeText } from '../../src/ir/dtype.js';
import type { Model } from '../../src/ir/model.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { APPLY } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import type { MatchedLayer } from '../../src/passes/adapters/match-path.js';
import { apply } from '../../src/rewrite.js';
import { loweringOf } from '../../src/rewrite-values.js';
import { hooksOf } from '../hooks.js';
import { loadModel } from '../load.js';
import { defaultOutput, filesText, outputFile, type Written, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { suggest, tell } from '../tell.js';
import { count, table, weightsText } from '../text.js';

/** Adds the adapters of a file to a base model, and gives the files that it wrote. */
export function applyCommand(
  base: string,
  adapterPath: string,
  options: ValuesOf<typeof APPLY>,
  run: Run,
): readonly Written[] {
  const lowering = loweringOf(options);
  const model = loadModel(base);
  let matched: readonly MatchedLayer[] = [];
  const bound = adapterFor(model, adapterPath, options, run);
  const plan = apply(model, bound.adapter, {
    carry: options.carry,
    lowering,
    factorDType: options.factorDType,
    match: options.match,
    matched: (layers) => {
      matched = layers;
    },
    file: adapterPath,
    hooks: hooksOf(options, run, base),
  });
  const output = outputFile(options.output, defaultOutput(base, '.lotr.onnx'));
  const inputs = [base, ...filesOfAdapter(adapterPath)];
  const files = writeArtifacts(
    { model: { model, path: output, weights: options.weights }, inputs, clobber: options.clobber },
    run,
  );
  const weights = (plan.weights ?? []).map(({ name }) => name);
  const found = options.match === 'path' ? { matched } : bound.modules ? { modules: bound.modules } : {};
  if (options.json)
    run.io.out(`${JSON.stringify({ ...planReport(plan), ...found, weights, files }, null, 2)}\n`);
  else
    tell(run, `${matchText(matched)}${planText(plan)}${weightsText(plan.weights ?? [])}${filesText(files)}`);
  if (!options.json) suggest(run, `lotrc merge ${output}`);
  return files;
}

/** The adapter at a path, put in its places in the model where another program wrote it. */
function adapterFor(
  model: Model,
  path: string,
  { moduleMap, match, headSize }: ValuesOf<typeof APPLY>,
  run: Run,
) {
  const opened = openAdapter(path, model, { headSize });
  if (opened.kind === 'own') {
    if (moduleMap) refuseUsage('--module-map is for adapters of other programs: this one is of lotrc');
    return { adapter: opened.adapter, modules: null };
  }
  if (match === 'path')
    refuseUsage('--match path is for adapters of lotrc: others are matched by module paths anyway');
  const { adapter, matched } = bindAdapter(model, opened.foreign, { moduleMap });
  run.reporter.report(leftOutOf(opened.foreign));
  return { adapter, modules: matched };
}

/** Which layer of the adapter was put on which of the file. */
function matchText(matched: readonly MatchedLayer[]): string {
  if (matched.length === 0) return '';
  const rows = matched.flatMap(({ path, in: inn, out, from, to }) =>
    to.map(({ op, weight, dtype }, use) => [
      use === 0 ? path : '',
      `${inn}x${out}`,
      from[0]?.op ?? '',
      `${op} ${weight} (${dtypeText(dtype as DType)})`,
    ]),
  );
  return `${count(matched.length, 'layer')} matched by module path\n${table([['layer', 'in x out', 'adapter made for', 'put on'], ...rows])}\n`;
}
