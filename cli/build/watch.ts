import { setTimeout as wait } from 'node:timers/promises';
import { type States, stateAt } from '../../src/build/file-state.js';

/** Files are looked at so often: that works on every disk, and costs nothing for the few files of a config. */
const EVERY_MS = 200;

/**
 * Waits until one of the files is not what it was, and all stay the same for one look more: a program may still write.
 */
export async function changed(states: States): Promise<void> {
  const then = [...states.values()].join('\n');
  for (let before = then; ; ) {
    await wait(EVERY_MS);
    const now = [...states.keys()].map(stateAt).join('\n');
    if (now !== then && now === before) return;
    before = now;
  }
}
