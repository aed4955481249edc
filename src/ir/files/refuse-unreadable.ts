import { existsSync, readdirSync } from 'node:fs';
import { extname, parse } from 'node:path';
import { cannotRead } from '../codes/load.js';
import { closest, fail } from '../diagnostics.js';
import type { Unreadable } from './unreadable.js';

/** names of a folder that are looked at: in one with more, finding the nearest would take long */
const MOST = 1000;

/** Throws LOTR1002 for a file that cannot be read; where there is none, with the nearest names of its folder. */
export function refuseUnreadable(file: string, { message: why }: Unreadable): never {
  const near = nearNames(file);
  const hint = near.length > 0 ? { hint: `did you mean ${near.join(' or ')}?` } : {};
  return fail(cannotRead({ file, why, ...hint }));
}

function nearNames(file: string): readonly string[] {
  const { dir, name, ext } = parse(file);
  if (existsSync(file)) return [];
  try {
    // without the ending, which would make names alike that are not
    const alike = readdirSync(dir || '.').filter((other) => extname(other) === ext);
    const stems = alike.length > MOST ? [] : alike.map((other) => parse(other).name);
    return closest(name, stems, 2).map((stem) => stem + ext);
  } catch {
    return []; // a folder that is not there, or may not be listed
  }
}
