import { stat } from 'node:fs/promises';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { identity } from '../../ir/files/file-source.js';
import { isSystemError } from '../../ir/files/system-error.js';

/** Size and identity of a file. Throws LOTR8204 for one that is not regular, with the reason why it must be. */
export async function regularFile(
  file: string,
  why: string,
): Promise<{ readonly size: number; readonly identity: string }> {
  const stats = await stat(file, { bigint: true }).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    return fail(badData({ file, why: `it cannot be read: ${error.message}` }));
  });
  if (!stats.isFile()) fail(badData({ file, why: `it is not a regular file: ${why}` }));
  return { size: Number(stats.size), identity: identity(stats) };
}
