import {
  carryFactorsPass,
  insertAdaptersPass,
  lowerPass,
  mergeAdaptersPass,
  narrowFactorsPass,
  raiseAdaptersPass,
  shareFactorsPass,
  storeSeededPass,
  stripAdaptersPass,
  toFunctionsPass,
} from './adapters/passes.js';
import { canonicalisePass } from './canonicalise/canonicalise.js';
import { cse } from './cse.js';
import { dce } from './dce.js';
import { decomposePass } from './decompose/decompose.js';
import { foldConstantsPass } from './fold-constants.js';
import { inlinePass } from './inline/inline.js';
import { narrowRowsPass } from './narrow/narrow-rows.js';
import type { PassFactory } from './pass.js';
import { resolveNames } from './resolve-names.js';
import { selectSitesPass } from './select-sites.js';
import { simplifyPass } from './simplify.js';
import { unpackPass } from './unpack/unpack.js';

/** Every pass that a pipeline may name, in the order of `lotrc passes`. */
export const ALL_PASSES: readonly PassFactory[] = [
  unpackPass,
  resolveNames,
  selectSitesPass,
  insertAdaptersPass,
  storeSeededPass,
  lowerPass,
  shareFactorsPass,
  toFunctionsPass,
  narrowFactorsPass,
  carryFactorsPass,
  raiseAdaptersPass,
  mergeAdaptersPass,
  stripAdaptersPass,
  simplifyPass,
  foldConstantsPass,
  inlinePass,
  decomposePass,
  canonicalisePass,
  narrowRowsPass,
  cse,
  dce,
] as readonly PassFactory[];
