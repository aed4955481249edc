import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { FileLock } from './lock.js';

/** Fewer bytes are not worth a process: they are removed when the same output is written again. */
const WORTH = 64 << 20;

/**
 * Waits for the end of its input, which the system closes when the watched process ends in whatever way. A lock is removed as
 * `lock.ts` says: under the lock on its removal, and only when it is still the same.
 */
const PROGRAM = `
const { closeSync, lstatSync, openSync, readFileSync, rmSync } = require('node:fs');
const [paths, locks] = process.argv.slice(1).map((text) => JSON.parse(text));
function isOwn(file, id) {
  return lstatSync(file).isFile() && JSON.parse(readFileSync(file, 'utf8')).id === id;
}
function unlock(file, id) {
  // one that was released is gone, and its folder may be about to be removed: nothing is made in it
  if (!isOwn(file, id)) return;
  const removal = file + '.' + id;
  closeSync(openSync(removal, 'wx'));
  try {
    if (isOwn(file, id)) rmSync(file);
  } finally {
    rmSync(removal);
  }
}
function clean() {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  for (const [file, id] of locks) {
    // gone already, or taken over
    try { unlock(file, id); } catch {}
  }
  process.exit();
}
process.stdin.on('end', clean).on('error', clean).resume();
`;

/**
 * Removes temporary files and folders, and locks, when this process is ended by a signal, also by one that cannot be caught,
 * and while it computes: a process of its own waits until this one is gone. It starts once enough bytes are expected.
 */
export class Janitor {
  readonly #paths: readonly string[];
  readonly #locks: (readonly [file: string, id: string])[] = [];
  #expected = 0;
  #process: ChildProcess | null = null;

  constructor(paths: readonly string[]) {
    this.#paths = paths.map((path) => resolve(path));
  }

  /** Says that a lock is held. Only for locks that are taken before the process starts. */
  holds({ place: [file, id] }: FileLock): void {
    this.#locks.push([resolve(file), id]);
  }

  /** Says that more bytes are about to be written below the paths. */
  expect(bytes: number): void {
    this.#expected += bytes;
    if (this.#expected >= WORTH) this.watch();
  }

  /** Starts the process now. */
  watch(): void {
    if (this.#process) return;
    const child = spawn(
      process.execPath,
      ['-e', PROGRAM, ...[this.#paths, this.#locks].map((list) => JSON.stringify(list))],
      {
        // out of reach of the signals that a terminal sends to all processes of a command
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { ...process.env, NODE_OPTIONS: '' },
        windowsHide: true,
      },
    );
    // without it temporary files stay after a signal, and nothing else changes
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    child.unref();
    (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    this.#process = child;
  }

  /** Ends the process; it removes the files that still have these names. */
  dismiss(): void {
    this.#process?.stdin?.destroy();
    this.#process = null;
  }
}
