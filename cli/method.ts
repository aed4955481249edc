import type { AdapterSpec } from '../src/adapter/description.js';
import { readDescription } from '../src/adapter/description-check.js';
import { METHODS } from '../src/adapter/methods/index.js';
import type { Lowering } from '../src/adapter/saved-plan.js';
import { needsResidual, parseInit } from '../src/init/spec.js';
import { badDescription } from '../src/ir/codes/methods.js';
import { conflict } from '../src/ir/codes/sites.js';
import { closest, fail } from '../src/ir/diagnostics.js';
import type { ValuesOf } from '../src/options/define.js';
import type { FORM, SELECT } from '../src/options/sets/adapters.js';
import { readText } from './load.js';
import { usageError } from './usage.js';

type MethodOptions = Pick<ValuesOf<typeof SELECT>, 'method' | 'scale' | 'init' | 'base'>;

/** The adapter description that --method, --scale, --init and --base ask for. Throws LOTR34xx and LOTR3007. */
export function specOf({ method, scale, init, base }: MethodOptions): AdapterSpec {
  const known = method.endsWith('.json') ? specIn(method) : methodNamed(method);
  const scaled = scale === undefined ? known : { ...known, scale };
  if (init === undefined) return refuseBase(scaled, base);
  return refuseBase(parseInit(init, scaled), base);
}

/** A method that lotrc comes with. Throws a usage error for any other name. */
export function methodNamed(name: string): AdapterSpec {
  const near = closest(name, [...METHODS.keys()]);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : '`lotrc methods` lists them';
  const problem = `there is no adapter method ${JSON.stringify(name)}, and no JSON file is named: ${hint}`;
  const found = METHODS.get(name);
  if (!found) throw usageError(problem);
  return found;
}

/** The description in a JSON file. Throws LOTR1001, LOTR3501, LOTR3502. */
function specIn(file: string): AdapterSpec {
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fail(badDescription({ source: file, field: '', why: 'is not JSON' }));
  }
  return readDescription(value, file);
}

/** How layers are written. Throws a usage error for --keep-functions with --lowering. */
export function loweringOf({
  keepFunctions,
  lowering,
}: Pick<ValuesOf<typeof FORM>, 'keepFunctions' | 'lowering'>): Lowering | 'function' | undefined {
  if (keepFunctions && lowering !== undefined)
    throw usageError(
      '--keep-functions keeps layers as calls, and --lowering writes them out: give one of them',
    );
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
