import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { cannotRead } from '../../ir/codes/load.js';
import { badNames, noEvents } from '../../ir/codes/logs.js';
import { type Diagnostic, fail, LotrcError } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';
import { readEvents } from './event-file.js';
import type { Setting } from './hparams.js';
import { type Log, logOf } from './rows.js';

export interface FindOptions {
  /** names for the folders between a given folder and an event file, from the outside in */
  readonly names?: readonly string[];
  /** which tags to take; default all */
  readonly wanted?: (tag: string) => boolean;
}

/** A run, and the folder in which its event files lie. */
export interface FoundLog extends Log {
  readonly folder: string;
}

export interface FoundLogs {
  readonly logs: readonly FoundLog[];
  readonly files: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads event files, and folders that hold some at any depth. Files in one folder are one run, in the order of their
 * names, which begin with the time. Throws LOTR1002 when something cannot be read, LOTR5202 when no scalar is found,
 * LOTR5203 when a file lies less deep than there are names.
 */
export function readLogs(paths: readonly string[], options: FindOptions = {}): FoundLogs {
  const { names = [], wanted } = options;
  const diagnostics: Diagnostic[] = [];
  const logs: FoundLog[] = [];
  const files: string[] = [];
  for (const path of paths) {
    const { base, found } = eventFiles(path);
    if (found.length === 0) fail(noEvents({ path, why: 'the folder holds no TensorBoard event file' }));
    for (const [folder, group] of groups(found.filter((file) => !files.includes(file)))) {
      const parts = relative(base, folder).split(sep).filter(Boolean);
      if (names.length > parts.length)
        fail(badNames({ file: group[0]!, names: names.length, folders: parts.length }));
      const read = group.map(readEvents);
      diagnostics.push(...read.flatMap((file) => file.diagnostics));
      const log = logOf(
        read.flatMap(({ events }) => events),
        wanted,
      );
      const named = names.map((name, level): [string, Setting] => [name, parts[level]!]);
      if (log.rows.length > 0) logs.push({ ...log, folder, settings: new Map([...log.settings, ...named]) });
      files.push(...group);
    }
  }
  if (logs.length === 0) {
    throw new LotrcError([...diagnostics, noEvents({ path: paths[0]!, why: 'no scalar value was found' })]);
  }
  return { logs: withNumbers(logs, names), files, diagnostics };
}

/** A file itself, or the event files below a folder, sorted; `base`: where counting folders begins. */
function eventFiles(path: string): { readonly base: string; readonly found: readonly string[] } {
  try {
    if (!statSync(path).isDirectory()) return { base: dirname(path), found: [path] };
    const found = readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => /tfevents/.test(name.slice(name.lastIndexOf(sep) + 1)))
      .map((name) => join(path, name))
      .filter((file) => statSync(file).isFile())
      .sort();
    return { base: path, found };
  } catch (error) {
    if (isSystemError(error)) return fail(cannotRead({ file: path, why: error.message }));
    throw error;
  }
}

/** Files by the folder they lie in; a file that was given itself is a group of its own. */
function groups(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    const folder = dirname(file);
    if (!found.get(folder)?.push(file)) found.set(folder, [file]);
  }
  return found;
}

/** Folder names become numbers where all of a column are: 1e-4, 8, 42. */
function withNumbers(logs: readonly FoundLog[], names: readonly string[]): readonly FoundLog[] {
  const isNumber = (value: Setting | undefined) =>
    /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(String(value));
  const numeric = names.filter((name) => logs.every(({ settings }) => isNumber(settings.get(name))));
  return logs.map((log) => ({
    ...log,
    settings: new Map([
      ...log.settings,
      ...numeric.map((name): [string, Setting] => [name, Number(log.settings.get(name))]),
    ]),
  }));
}
