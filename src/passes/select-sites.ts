import type { AdapterSpec } from '../adapter/description.js';
import { readDescription } from '../adapter/description-check.js';
import { METHODS } from '../adapter/methods/index.js';
import { LOTR } from '../adapter/methods/lotr.js';
import type { Carry, Lowering, ShareRule } from '../adapter/saved-plan.js';
import { LotrcError } from '../ir/diagnostics.js';
import { bool, int, list, number, oneOf, string } from './options.js';
import type { OptionSpec } from './pass.js';
import { definePass } from './pipeline.js';
import { writePlan } from './plan/plan.js';
import { takeLinears } from './resolve-names.js';
import { parseShare } from './sites/groups.js';
import { parsePatternValue } from './sites/patterns.js';
import { selectSites } from './sites/plan.js';
import type { Tie } from './sites/weight-identity.js';

interface SelectPassOptions {
  readonly method: AdapterSpec;
  readonly rank: number;
  readonly scale: number;
  readonly target: readonly string[];
  readonly exclude: readonly string[];
  readonly layers: string;
  readonly 'rank-pattern': readonly string[];
  readonly 'scale-pattern': readonly string[];
  readonly share: ShareRule;
  readonly carry: Carry;
  readonly lowering: Lowering | 'function';
  readonly seed: number;
  readonly 'factor-dtype': 'f32' | 'model';
  readonly tie: Tie;
  readonly 'without-data': boolean;
}

/** A method by name, or any adapter description as JSON. */
const method: OptionSpec<AdapterSpec> = {
  doc: 'adapter method by name, or an adapter description as JSON (docs/methods.md)',
  default: LOTR,
  print: (spec) => (METHODS.get(spec.method) === spec ? spec.method : JSON.stringify(spec)),
  parse: (text) => {
    if (text.startsWith('{')) {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        throw new Error('takes a method name or JSON');
      }
      try {
        return readDescription(value, 'the description');
      } catch (error) {
        if (!(error instanceof LotrcError)) throw error;
        throw new Error(`cannot take it: ${error.diagnostics[0]!.message}`);
      }
    }
    const spec = METHODS.get(text);
    if (!spec) throw new Error(`takes a name of docs/methods.md or a description in JSON, not "${text}"`);
    return spec;
  },
};

const share: OptionSpec<ShareRule> = {
  doc: 'which layers share factors: shape, target, type, site, block=K',
  default: 'shape',
  print: (rule) => rule,
  parse: (text) => {
    try {
      return parseShare(text);
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      throw new Error('takes shape, target, type, site or block=K');
    }
  },
};

/**
 * Chooses the layers to adapt, groups them, and writes the plan to the model's metadata; later passes need only the
 * model. Throws what {@link selectSites} throws.
 */
export const selectSitesPass = definePass<SelectPassOptions>({
  name: 'select-sites',
  summary: 'choose layers by module path, group them, and write the adapter plan to the model',
  options: {
    method,
    rank: int('rank of the adapters', 8),
    scale: number('scale; by default that of the method'),
    target: list('patterns of module paths', ['all-linear']),
    exclude: list('patterns of module paths to leave out', []),
    layers: string('numbers and ranges of layers, such as 0-5,8'),
    'rank-pattern': list('PATTERN=RANK for single layers', []),
    'scale-pattern': list('PATTERN=SCALE for single layers', []),
    share,
    carry: oneOf('how factors are carried', ['embedded', 'inputs', 'optional'], 'embedded'),
    lowering: oneOf('form of adapted layers', ['fold', 'token', 'dense', 'function'], 'fold'),
    seed: int('seed of the initial factors', 0),
    'factor-dtype': oneOf(
      'type that the factors are stored in: float32, or that of the model',
      ['f32', 'model'],
      'f32',
    ),
    tie: oneOf('which equal weights are one layer', ['content', 'initializer'], 'content'),
    'without-data': bool(
      'plan a model whose weights are missing; adapters cannot be inserted by that plan',
      false,
    ),
  },
  run(model, options, ctx) {
    const { plan, sites, diagnostics } = selectSites(
      model,
      {
        ...options,
        spec: options.scale === undefined ? options.method : { ...options.method, scale: options.scale },
        targets: options.target,
        factorDType: options['factor-dtype'],
        withoutData: options['without-data'],
        rankPatterns: options['rank-pattern'].map((text) => parsePatternValue(text, '--rank-pattern')),
        scalePatterns: options['scale-pattern'].map((text) => parsePatternValue(text, '--scale-pattern')),
      },
      takeLinears(model, options.tie, ctx),
    );
    for (const diagnostic of diagnostics) ctx.report(diagnostic);
    writePlan(model, plan);
    ctx.stat('sites', sites.length);
    ctx.stat(
      'groups',
      plan.plans.reduce((sum, row) => sum + row.groups.length, 0),
    );
    return 'metadata';
  },
});
