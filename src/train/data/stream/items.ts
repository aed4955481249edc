import { fileChanged } from '../../../ir/codes/load.js';
import { fail } from '../../../ir/diagnostics.js';
import { regularFile } from '../regular-file.js';
import { type RecordFile, Source, type Watch } from '../source.js';

/** Where an item of several files is: the number of its file, and how many items of the file are before it. */
export interface ItemPlace {
  readonly file: number;
  readonly row: number;
}

export interface Item<T> extends ItemPlace {
  readonly value: T;
}

/**
 * Gives the items of a file, with its number. `again`: the file was read before, and the first `from` are
 * left out.
 */
type OpenItems<T> = (
  source: Source,
  file: number,
  again?: { readonly from: number },
) => Promise<AsyncIterable<T>>;

/** Files that are read one after another, more than once. */
export class SeveralFiles {
  readonly #identities = new Map<string, string>();
  readonly #digests = new Map<string, RecordFile>();
  readonly #watch: Watch;

  constructor(
    readonly files: readonly string[],
    watch: Watch = () => {},
  ) {
    this.#watch = watch;
  }

  /** The files with their digests; those that have not been read to their ends are. Throws LOTR8204. */
  async contents(): Promise<readonly RecordFile[]> {
    const all: RecordFile[] = [];
    for (const file of this.files) {
      if (!this.#digests.has(file)) await this.#reading(file, (source) => this.#digested(source));
      all.push(this.#digests.get(file)!);
    }
    return all;
  }

  /** The items from a place on, to the end of the last file. Throws LOTR8204, LOTR1006 and what `open` throws. */
  async *items<T>(from: ItemPlace, open: OpenItems<T>): AsyncGenerator<Item<T>> {
    for (let file = from.file; file < this.files.length; file++) {
      const path = this.files[file]!;
      const source = await this.#opened(path);
      try {
        let row = file === from.file ? from.row : 0;
        const known = this.#digests.has(path);
        for await (const value of await open(source, file, known ? { from: row } : undefined))
          yield { file, row: row++, value };
        if (!known) await this.#digested(source);
      } finally {
        await source.close();
      }
    }
  }

  async #reading(file: string, use: (source: Source) => Promise<void>): Promise<void> {
    const source = await this.#opened(file);
    try {
      await use(source);
    } finally {
      await source.close();
    }
  }

  async #digested(source: Source): Promise<void> {
    this.#digests.set(source.file, await source.contents());
  }

  async #opened(file: string): Promise<Source> {
    const { identity } = await regularFile(file, 'it is read more than once');
    const before = this.#identities.get(file);
    if (before !== undefined && before !== identity) fail(fileChanged({ file }));
    this.#identities.set(file, identity);
    return new Source(file, this.#watch, true);
  }
}
