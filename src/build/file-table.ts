import type { BigIntStats } from 'node:fs';
import { join, resolve } from 'node:path';
import { wholeDigest } from '../ir/files/file-digest.js';
import { readJsonFile } from '../ir/files/json-file.js';
import { pause } from '../ir/files/pause.js';
import { list, object, optional, record, text } from '../ir/files/schema.js';
import { ABSENT, stateOf, statOf } from './file-state.js';
import { replaceFile } from './store.js';

/** What is known of a file. */
interface Row {
  /** the state of the file that the rest is of */
  readonly state: string;
  readonly digest: string;
  /** of a model: the other files that it reads */
  readonly data?: readonly string[] | undefined;
}

interface Saved {
  readonly version: string;
  readonly files: Readonly<Record<string, Row>>;
}

const VERSION = '1';
const schema = object<Saved>({
  version: text,
  files: record(object<Row>({ state: text, digest: text, data: optional(list(text)) })),
});

/** Two changes within this time may leave the same time behind: systems count it in ticks. */
const TICK_MS = 20;

/**
 * Digests of files, kept with the size, times and identity that each had, so that a file that nobody touched is not read
 * again. A file that was touched is read, and has the same digest where it has the same bytes.
 */
export class FileTable {
  readonly #path: string;
  readonly #rows: Map<string, Row>;
  #changed = false;

  /** `cache`: the folder of the cache. A table that is missing or damaged is an empty one. */
  constructor(cache: string) {
    this.#path = join(cache, 'files.json');
    this.#rows = new Map(Object.entries(read(this.#path)));
  }

  /** `sha256:...` of a file, null where there is none. Throws LOTR1002 for one that cannot be read. */
  digest(path: string): string | null {
    return this.#row(path)?.digest ?? null;
  }

  /** The other files that a model reads; null where that is not known, or there is no model. */
  dataOf(path: string): readonly string[] | null {
    return this.#row(path)?.data ?? null;
  }

  /** Keeps what a model reads. */
  setData(path: string, data: readonly string[]): void {
    const row = this.#row(path);
    if (row) this.#set(path, { ...row, data });
  }

  /** The state of a file whose digest was taken, as it was then; null where it was changed meanwhile. */
  stateOf(path: string): string | null {
    return statOf(path) === null ? ABSENT : (this.#rows.get(resolve(path))?.state ?? null);
  }

  /** Keeps what was learnt. Rows of files that are gone are left out. */
  save(): void {
    if (!this.#changed) return;
    const rows = [...this.#rows].filter(([path]) => statOf(path) !== null);
    const saved: Saved = {
      version: VERSION,
      files: Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1))),
    };
    replaceFile(this.#path, JSON.stringify(saved));
    this.#changed = false;
  }

  #row(path: string): Row | null {
    const stat = statOf(path);
    if (stat === null) return null;
    const key = resolve(path);
    const state = stateOf(stat);
    const known = this.#rows.get(key);
    if (known?.state === state) return known;
    settle(stat);
    const digest = wholeDigest(path);
    // what another program is writing now is read again next time
    const after = statOf(path);
    const row = { state, digest, ...(known?.digest === digest && known.data ? { data: known.data } : {}) };
    if (after !== null && stateOf(after) === state) this.#set(key, row);
    return row;
  }

  #set(path: string, row: Row): void {
    this.#rows.set(resolve(path), row);
    this.#changed = true;
  }
}

function read(path: string): Readonly<Record<string, Row>> {
  class None extends Error {}
  try {
    const saved = readJsonFile(path, schema, (why): never => {
      throw new None(why);
    });
    return saved.version === VERSION ? saved.files : {};
  } catch (error) {
    if (error instanceof None) return {};
    throw error;
  }
}

/** Waits until a change of the file would be seen in its times. */
function settle({ ctimeMs, mtimeMs }: BigIntStats): void {
  const last = Math.max(Number(ctimeMs), Number(mtimeMs));
  const left = last + TICK_MS - Date.now();
  if (left <= 0 || left > TICK_MS) return;
  pause(left);
}
