import { badOption } from '../ir/codes/cli.js';
import { fail } from '../ir/diagnostics.js';
import { type OptionSet, problemsOf } from './define.js';

/** Throws LOTR8015 for a value that a caller gives and that is not one of its option; undefined and null are not given. */
export function requireFit(set: OptionSet, given: object): void {
  for (const { key, why } of problemsOf(set, given)) fail(badOption({ option: key, why }));
}
