import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { badData } from '../../../ir/codes/train.js';
import { fail } from '../../../ir/diagnostics.js';
import { extensionOf } from '../unpack.js';

/**
 * The files that a text names: a file, or several with commas between them, or patterns in which `*` and `?` stand for any part
 * and any character of a name; those of a pattern are in the order of their code units. Throws LOTR8204 when a pattern names none, a
 * file is named twice, or files are of several forms.
 */
export function dataFiles(given: string): readonly string[] {
  const files = existsSync(given) ? [given] : given.split(',').flatMap(filesOf);
  const twice = files.find((file, at) => files.indexOf(file) < at);
  if (twice !== undefined) fail(badData({ file: twice, why: 'it is named twice', hint: 'name it once' }));
  const [form] = files.map(extensionOf);
  const other = files.find((file) => extensionOf(file) !== form);
  if (other !== undefined) {
    const why = `it is ${extensionOf(other) || 'without an extension'}, and ${files[0]} is ${form}`;
    fail(badData({ file: other, why, hint: 'give files of one form' }));
  }
  return files;
}

function filesOf(pattern: string): readonly string[] {
  if (!/[*?]/.test(pattern) || existsSync(pattern)) return [pattern];
  const found = matches(pattern);
  if (found.length > 0) return found;
  return fail(badData({ file: pattern, why: 'no file has a name of that form', hint: QUOTED }));
}

const QUOTED = "quote the pattern, so that no shell replaces it: 'shards/*.jsonl'";

function matches(pattern: string): readonly string[] {
  let found = [''];
  for (const [at, part] of pattern.split('/').entries()) {
    // an absolute path begins with an empty part
    const inside = (folder: string, name: string) => (at === 0 ? name || '/' : join(folder, name));
    found = /[*?]/.test(part)
      ? found.flatMap((folder) => entriesOf(folder || '.', part).map((name) => inside(folder, name)))
      : found.map((folder) => inside(folder, part)).filter((path) => existsSync(path));
  }
  return found.sort();
}

/** Names in a folder that a part of a pattern fits; hidden ones only where it begins with a dot. */
function entriesOf(folder: string, part: string): readonly string[] {
  const source = part
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const form = new RegExp(`^${source}$`, 'su');
  try {
    return readdirSync(folder).filter(
      (name) => form.test(name) && (part.startsWith('.') || !name.startsWith('.')),
    );
  } catch {
    return [];
  }
}
