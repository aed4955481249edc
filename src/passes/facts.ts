import { PLAN_KEY } from '../adapter/saved-plan.js';
import type { Model } from '../ir/model.js';
import { hasAdapted } from './adapters/adapted-node.js';

interface FactDef {
  holds(model: Model): boolean;
  /** what is the case where it does not hold, after "a model of which" or by itself */
  readonly otherwise: string;
  readonly hint: string;
}

const hasPlan = (model: Model): boolean => model.metadata.has(PLAN_KEY);
/** What passes may say of a model. */
export const FACTS = {
  planned: {
    holds: hasPlan,
    otherwise: 'nothing says which layers have adapters',
    hint: 'run select-sites before it, or start from a model that `lotrc rewrite` wrote',
  },
  unplanned: {
    holds: (model) => !hasPlan(model),
    otherwise: 'the adapters are still planned',
    hint: 'run strip-adapters or merge-adapters before it',
  },
  raised: {
    holds: hasAdapted,
    otherwise: 'no adapted layer is a lotrc::LoTRLinear',
    hint: 'run insert-adapters or raise-adapters before it',
  },
  lowered: {
    holds: (model) => !hasAdapted(model),
    otherwise: 'an adapted layer is still a lotrc::LoTRLinear, which no runtime has',
    hint: 'run lower or to-functions before it',
  },
} as const satisfies Readonly<Record<string, FactDef>>;

export type ModelFact = keyof typeof FACTS;
