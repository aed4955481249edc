import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

/** Set by `npm run bless`: expected files are written instead of compared. */
export const BLESS = process.env.BLESS === '1';

/** Holds a text to an expected file; a missing file fails. */
export function expectFile(path: string, text: string): void {
  if (BLESS) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(existsSync(path), `${path} is missing: run \`npm run bless\``).toBe(true);
  expect(text, `${path}: if it should change, run \`npm run bless\` and read the diff`).toBe(
    readFileSync(path, 'utf8'),
  );
}

/** Holds the entries of a folder to the names that something expects; an entry that nothing expects fails. */
export function expectNothingElse(folder: string, names: readonly string[]): void {
  const left = existsSync(folder) ? readdirSync(folder).filter((name) => !names.includes(name)) : [];
  if (BLESS) for (const name of left) rmSync(join(folder, name), { recursive: true });
  else expect(left, `${folder} has what nothing expects: run \`npm run bless\``).toEqual([]);
}
