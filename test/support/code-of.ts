import { LotrcError } from '../../src/ir/diagnostics.js';

/** The code of the diagnostic that an action ends in; `none` when it ends well. Other errors are thrown on. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics[0]!.code;
    throw error;
  }
  return 'none';
}
