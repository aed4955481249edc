import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { collectFiles, isLink, placeFiles } from './files.js';
import { formatOf } from './formats.js';
import type { Input } from './inputs.js';

/**
 * Keeps an input in a folder: as one file `NAME.CHOICE.FORMAT` where that is all of it, else as a folder of that name.
 * Returns the path.
 */
export function saveInput(folder: string, name: string, { format, files, choice }: Input): string {
  const path = join(folder, `${name}.${choice}.${format}`);
  const { file } = formatOf(format);
  const [[only, content]] = [...files] as unknown as [[string, Uint8Array]];
  mkdirSync(folder, { recursive: true });
  if (files.size === 1 && only === file && !isLink(content)) writeFileSync(path, content);
  else placeFiles(path, files);
  return path;
}

/** An input that was kept; without a number in its name the choice is 0. */
export function savedInput(path: string): Input {
  const [, choice = '0', format] = /(?:\.(\d+))?\.([a-z_]+)$/.exec(basename(path)) ?? [];
  if (format === undefined) throw new Error(`${path} is not NAME.CHOICE.FORMAT`);
  const { file = '' } = formatOf(format);
  const files = statSync(path).isDirectory()
    ? collectFiles(path)
    : new Map([[file, new Uint8Array(readFileSync(path))]]);
  return { format, files, choice: Number(choice) };
}
