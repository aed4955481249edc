import {
  carryFactorsPass,
  insertAdaptersPass,
  lowerPass,
  mergeAdaptersPass,
  raiseAdaptersPass,
  shareFactorsPass,
  stripAdaptersPass,
  toFunctionsPass,
} from './adapters/passes.js';
import { dce } from './dce.js';
import type { PassFactory } from './pass.js';
import { resolveNames } from './resolve-names.js';
import { selectSitesPass } from './select-sites.js';

/** Every pass that a pipeline may name, in the order of `lotrc passes`. */
export const ALL_PASSES: readonly PassFactory[] = [
  resolveNames,
  selectSitesPass,
  insertAdaptersPass,
  lowerPass,
  shareFactorsPass,
  toFunctionsPass,
  carryFactorsPass,
  raiseAdaptersPass,
  mergeAdaptersPass,
  stripAdaptersPass,
  dce,
] as readonly PassFactory[];
