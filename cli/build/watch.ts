import { statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { isSystemError } from '../../src/ir/files/system-error.js';

/** Files are looked at so often: that works on every disk, and costs nothing for the few files of a config. */
const EVERY_MS = 200;

/** Files by their paths, with what they were when they were read. */
export type States = ReadonlyMap<string, string>;

/**
 * Waits until one of the files is not what it was, and all stay the same for one look more: a program may still write.
 */
export async function changed(states: States): Promise<void> {
  const then = [...states.values()].join('\n');
  for (let before = then; ; ) {
    await wait(EVERY_MS);
    const now = [...states.keys()].map(stateOf).join('\n');
    if (now !== then && now === before) return;
    before = now;
  }
}

/** Which file is at a path, with its size and time. */
export function stateOf(path: string): string {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat ? `${stat.ino}:${stat.size}:${stat.mtimeNs}` : 'none';
  } catch (error) {
    if (isSystemError(error)) return error.code ?? 'none';
    throw error;
  }
}
