import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

/** The command line of the same build. */
export const LOTRC = resolve(import.meta.dirname, '../cli/main.js');

/** Runs a command of lotrc and waits; gives what it prints. Throws when it fails. */
export function lotrc(...args: readonly string[]): string {
  const done = spawnSync(process.execPath, [LOTRC, ...args], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`lotrc ${args.join(' ')} failed:\n${done.stderr}`);
  return done.stdout;
}

/** As {@link lotrc}, and shows what it prints. */
export function lotrcShown(...args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [LOTRC, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`lotrc ${args.join(' ')} failed`);
}
