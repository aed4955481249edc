import { usage } from '../ir/codes/cli.js';
import { fail } from '../ir/diagnostics.js';

/** Refuses words and values of options that cannot be used, or not together. Throws LOTR8001, with which a command ends with exit code 2. */
export function refuseUsage(problem: string, hint?: string): never {
  return fail(usage({ problem, hint }));
}
