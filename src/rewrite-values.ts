import type { AdapterSpec } from './adapter/description.js';
import { METHODS } from './adapter/methods/index.js';
import type { Lowering } from './adapter/saved-plan.js';
import { needsResidual, parseInit } from './init/spec.js';
import { badInit } from './ir/codes/init.js';
import { conflict } from './ir/codes/sites.js';
import { closest, fail } from './ir/diagnostics.js';
import type { Model } from './ir/model.js';
import type { ValuesOf } from './options/define.js';
import type { FORM, SELECT } from './options/sets/adapters.js';
import { refuseUsage } from './options/usage.js';
import { differenceProblem } from './passes/adapters/difference.js';
import { inputFactor } from './passes/adapters/input-sketches.js';
import { loftqProblem } from './passes/adapters/loftq.js';
import { parseShare } from './passes/sites/groups.js';
import { parsePatternValue } from './passes/sites/patterns.js';
import type { RewriteOptions } from './rewrite.js';

type MethodOptions = Pick<ValuesOf<typeof SELECT>, 'method' | 'scale' | 'init' | 'base'>;

/** `--init loftq` or `loftq(ITERATIONS)`, which starts factors from another model and not by forms. */
const LOFTQ = /^loftq(?:\((.*)\))?$/;
/** `--init difference`, which starts factors as what another model has learnt. */
const DIFFERENCE = 'difference';
/** `--init eva`, `eva,L=normal(0.1)`: one factor starts from data, the others by forms. */
const EVA = /^eva(?=,|$)/;

/** Whether --init asks for a start from data. */
export const startsFromData = (init: string | undefined): boolean => EVA.test(init ?? '');

/** What options of `lotrc rewrite` mean, whoever reads them. */

/**
 * The adapter description that --method, --scale, --init and --base ask for. `inFile` reads one that is a JSON file. Throws LOTR34xx,
 * LOTR3007 and LOTR8001.
 */
function specOf(
  { method, scale, init, base }: MethodOptions,
  inFile: (file: string) => AdapterSpec = noFile,
): AdapterSpec {
  const known = method.endsWith('.json') ? inFile(method) : methodNamed(method);
  const scaled = scale === undefined ? known : { ...known, scale };
  if (init === undefined || init === DIFFERENCE || LOFTQ.test(init)) return refuseBase(scaled, base);
  if (!startsFromData(init)) return refuseBase(parseInit(init, scaled), base);
  const spec = parseInit(init.replace(EVA, 'fan-in'), scaled);
  const factor = inputFactor(spec);
  if (typeof factor === 'string')
    fail(badInit({ text: init, why: factor, hint: 'use it with --method lora or lotr' }));
  return refuseBase(spec, base);
}

const noFile = (file: string): never =>
  refuseUsage(`a description of a method in a file is not read here: ${JSON.stringify(file)}`);

/** The values of the options of `lotrc rewrite` as {@link RewriteOptions}. `calibrated`: who asks sees to a start from data. Throws as {@link specOf}, LOTR3004 for patterns. */
export function rewriteOptionsOf(
  values: ValuesOf<typeof SELECT & typeof FORM>,
  inFile?: (file: string) => AdapterSpec,
  modelIn?: (file: string) => Model,
  calibrated = false,
): RewriteOptions {
  if (startsFromData(values.init) && !calibrated)
    refuseUsage('--init eva is for `lotrc rewrite`, with --calibration: give the model that it writes');
  const pairs = (option: string, list: readonly string[] = []) =>
    list.map((text) => parsePatternValue(text, option));
  const { rank, targets, exclude, layers, carry, factorDType, seed, tie, replace, storeSeeded } = values;
  return {
    ...{ rank, exclude, layers, carry, factorDType, seed, tie, replace, storeSeeded },
    ...(targets ? { targets } : {}),
    ...startOf(values, specOf(values, inFile), modelIn),
    rankPatterns: pairs('--rank-pattern', values.rankPatterns),
    scalePatterns: pairs('--scale-pattern', values.scalePatterns),
    share: parseShare(values.share),
    lowering: loweringOf(values),
  };
}

/** The description, and the start from another model where --init asks for it. Throws LOTR8001 for --from without it and the other way round, LOTR3401. */
function startOf(
  { init, from }: Pick<ValuesOf<typeof SELECT>, 'init' | 'from'>,
  spec: AdapterSpec,
  modelIn: (file: string) => Model = (file) =>
    refuseUsage(`another model is not read here: ${JSON.stringify(file)}`),
): Pick<RewriteOptions, 'spec' | 'loftq' | 'difference'> {
  if (init === DIFFERENCE) {
    if (from === undefined)
      refuseUsage('--init difference needs the trained model: give it with --from TUNED.onnx');
    const why = differenceProblem(spec);
    if (why !== null) fail(badInit({ text: init, why, hint: 'use it with --method lotr or lora' }));
    return { spec, difference: { from: modelIn(from) } };
  }
  const [text, given = '1'] = LOFTQ.exec(init ?? '') ?? [];
  if (text === undefined) {
    if (from !== undefined)
      refuseUsage('--from names another model for --init loftq or difference: give both, or none');
    return { spec };
  }
  if (from === undefined)
    refuseUsage(
      '--init loftq needs the weights before they were quantised: give the float model with --from FLOAT.onnx',
    );
  if (!/^[1-9]\d?$/.test(given)) {
    const why = `${JSON.stringify(given)} is not a number of iterations from 1 to 99`;
    fail(badInit({ text, why, hint: 'write loftq, or loftq(5)' }));
  }
  const why = loftqProblem(spec);
  if (why !== null) fail(badInit({ text, why, hint: 'use it with --method lora, rslora or lora-plus' }));
  return { spec, loftq: { from: modelIn(from), iterations: Number(given) } };
}

/** A method that lotrc comes with. Throws LOTR8001 for any other name. */
export function methodNamed(name: string): AdapterSpec {
  const near = closest(name, [...METHODS.keys()]);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : '`lotrc methods` lists them';
  const problem = `there is no adapter method ${JSON.stringify(name)}, and no JSON file is named: ${hint}`;
  const found = METHODS.get(name);
  return found ?? refuseUsage(problem);
}

/** How layers are written. Throws LOTR8001 for --keep-functions with --lowering. */
export function loweringOf({
  keepFunctions,
  lowering,
}: Pick<ValuesOf<typeof FORM>, 'keepFunctions' | 'lowering'>): Lowering | 'function' | undefined {
  if (keepFunctions && lowering !== undefined)
    refuseUsage('--keep-functions keeps layers as calls, and --lowering writes them out: give one of them');
  return keepFunctions ? 'function' : lowering;
}

/** Only an init of singular vectors throughout has a product to take out of the weights, and needs that done. */
function refuseBase(spec: AdapterSpec, base: 'keep' | 'residual' | undefined): AdapterSpec {
  const residual = needsResidual(spec);
  if (base === 'keep' && residual) {
    const why = 'the first outputs would be those of the base plus its own leading part';
    fail(
      conflict({
        options: '--init svd --base keep',
        why,
        hint: 'use --init svd-factors to keep the weights',
      }),
    );
  }
  if (base === 'residual' && !residual) {
    const why = 'the initial product is zero, so there is nothing to take out of the weights';
    fail(conflict({ options: '--base residual', why, hint: 'use it with --init svd' }));
  }
  return spec;
}
