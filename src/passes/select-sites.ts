import type { AdapterSpec } from '../adapter/description.js';
import { readDescription } from '../adapter/description-check.js';
import { METHODS } from '../adapter/methods/index.js';
import { LOTR } from '../adapter/methods/lotr.js';
import type { ShareRule } from '../adapter/saved-plan.js';
import { LotrcError } from '../ir/diagnostics.js';
import { BadValue, flag, type OptionType, real, text, texts, whole, word } from '../options/types.js';
import { CARRIES, FACTOR_DTYPES, TIES } from '../options/words.js';
import { definePass } from './pipeline.js';
import { writePlan } from './plan/plan.js';
import { takeLinears } from './resolve-names.js';
import { parseShare } from './sites/groups.js';
import { parsePatternValue } from './sites/patterns.js';
import { selectSites } from './sites/plan.js';

/** A method by name, or any adapter description as JSON. */
const method: OptionType<AdapterSpec> = {
  placeholder: 'method',
  wanted: 'a method name or a description in JSON',
  schema: { type: 'object' },
  read(text) {
    if (text.startsWith('{')) {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        throw new BadValue('takes a method name or JSON');
      }
      try {
        return readDescription(value, 'the description');
      } catch (error) {
        if (!(error instanceof LotrcError)) throw error;
        throw new BadValue(`cannot take it: ${error.diagnostics[0]!.message}`);
      }
    }
    const spec = METHODS.get(text);
    if (!spec) throw new BadValue(`takes a name of docs/methods.md or a description in JSON, not "${text}"`);
    return spec;
  },
  print: (spec) => (METHODS.get(spec.method) === spec ? spec.method : JSON.stringify(spec)),
  problem: (value) => (typeof value === 'object' ? null : 'takes an adapter description'),
};

const isShare = (text: string): text is ShareRule => {
  try {
    parseShare(text);
    return true;
  } catch (error) {
    if (!(error instanceof LotrcError)) throw error;
    return false;
  }
};

const share: OptionType<ShareRule> = {
  placeholder: 'rule',
  wanted: 'shape, target, type, site or block=K',
  schema: { type: 'string' },
  read(text) {
    if (!isShare(text)) throw new BadValue(`takes ${share.wanted}`);
    return text;
  },
  problem: (value) => (typeof value === 'string' && isShare(value) ? null : `takes ${share.wanted}`),
};

/**
 * Chooses the layers to adapt, groups them, and writes the plan to the model's metadata; later passes need only the
 * model. Throws what {@link selectSites} throws.
 */
export const selectSitesPass = definePass({
  name: 'select-sites',
  summary: 'choose layers by module path, group them, and write the adapter plan to the model',
  options: {
    method: {
      type: method,
      default: LOTR,
      doc: 'adapter method by name, or an adapter description as JSON (docs/methods.md)',
    },
    rank: { type: whole(), default: 8, doc: 'rank of the adapters' },
    scale: { type: real(), doc: 'scale; by default that of the method' },
    target: { type: texts('pattern'), default: ['all-linear'], doc: 'patterns of module paths' },
    exclude: { type: texts('pattern'), default: [], doc: 'patterns of module paths to leave out' },
    layers: { type: text('list'), doc: 'numbers and ranges of layers, such as 0-5,8' },
    'rank-pattern': { type: texts('pattern=n'), default: [], doc: 'PATTERN=RANK for single layers' },
    'scale-pattern': { type: texts('pattern=x'), default: [], doc: 'PATTERN=SCALE for single layers' },
    share: {
      type: share,
      default: 'shape',
      doc: 'which layers share factors: shape, target, type, site, block=K',
    },
    carry: { type: word('form', CARRIES), default: 'embedded', doc: 'how factors are carried' },
    lowering: {
      type: word('form', ['fold', 'token', 'dense', 'function']),
      default: 'fold',
      doc: 'form of adapted layers',
    },
    seed: { type: whole(), default: 0, doc: 'seed of the initial factors' },
    'factor-dtype': {
      type: word('type', FACTOR_DTYPES),
      default: 'f32',
      doc: 'type that the factors are stored in: float32, or that of the model',
    },
    tie: { type: word('tie', TIES), default: 'content', doc: 'which equal weights are one layer' },
    'without-data': {
      type: flag,
      default: false,
      doc: 'plan a model whose weights are missing; adapters cannot be inserted by that plan',
    },
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
