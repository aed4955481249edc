import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** Fewer bytes are not worth a process: they are removed when the same output is written again. */
const WORTH = 64 << 20;

/** Waits for the end of its input, which the system closes when the watched process ends in whatever way. */
const PROGRAM =
  "const { rmSync } = require('node:fs');" +
  'const clean = () => { for (const path of process.argv.slice(1)) rmSync(path, { recursive: true, force: true }); process.exit(); };' +
  "process.stdin.on('end', clean).on('error', clean).resume();";

/**
 * Removes temporary files and folders when this process is ended by a signal, also by one that cannot be caught, and while
 * it computes: a process of its own waits until this one is gone. It starts once enough bytes are expected.
 */
export class Janitor {
  readonly #paths: readonly string[];
  #expected = 0;
  #process: ChildProcess | null = null;

  constructor(paths: readonly string[]) {
    this.#paths = paths.map((path) => resolve(path));
  }

  /** Says that more bytes are about to be written below the paths. */
  expect(bytes: number): void {
    this.#expected += bytes;
    if (this.#expected >= WORTH) this.watch();
  }

  /** Starts the process now. */
  watch(): void {
    if (this.#process) return;
    const child = spawn(process.execPath, ['-e', PROGRAM, ...this.#paths], {
      // out of reach of the signals that a terminal sends to all processes of a command
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, NODE_OPTIONS: '' },
      windowsHide: true,
    });
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
