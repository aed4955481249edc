import { diskFiles, heapIsFull, heapLimit, nextTurn, sha256, unpacker } from '#platform';
import { toHex } from '../../ir/bytes.js';
import { fileChanged } from '../../ir/codes/load.js';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { fileKind } from '../../ir/files/file-kind.js';
import type { NamedFiles, OpenedFile } from '../../ir/files/named-files.js';
import { isSystemError } from '../../ir/files/system-error.js';
import { Unreadable } from '../../ir/files/unreadable.js';
import { packingOf } from './unpack.js';

/** A data file as a run identifies it: by its contents. */
export interface RecordFile {
  readonly file: string;
  readonly sha256: string;
}

/** How far a data file is read. */
export interface ReadProgress {
  readonly file: string;
  readonly bytes: number;
  /** null: a pipe or a device, whose end is not known */
  readonly size: number | null;
  /** records, or lines of running text, that were made into tokens */
  readonly rows: number;
  /** nothing more is read */
  readonly done: boolean;
}

/** Called several times a second while a file is read, and once at the end of one that took longer. */
export type Watch = (progress: ReadProgress) => void;

/** Work goes on for so long; then signals, timers and output have their turn. */
const TURN_MS = 50;

const MORE =
  'divide the file, train with --streaming and a smaller --shuffle-window, or give Node.js more memory: NODE_OPTIONS=--max-old-space-size=MB';
const UNPACK = 'unpack it first; Node.js has zstd from version 22.15 on';

/** The same items, with turns for the event loop between them. `turn`: called at each. */
export async function* paced<T>(
  items: Iterable<T> | AsyncIterable<T>,
  turn: () => void = () => {},
): AsyncGenerator<T> {
  let since = performance.now();
  for await (const item of items) {
    yield item;
    if (performance.now() - since < TURN_MS) continue;
    turn();
    await nextTurn();
    since = performance.now();
  }
}

/** A data file that is read once, from its start to its end, in pieces, while the event loop goes on. */
export class Source {
  readonly #watch: Watch;
  #bytes = 0;
  #size: number | null = null;
  #rows = 0;
  #told = false;
  #sha256: string | null = null;
  #handle: OpenedFile | null = null;
  #open: AsyncGenerator<unknown> | null = null;

  constructor(
    readonly file: string,
    watch: Watch = () => {},
    /** A stranger named it: a pipe may wait for ever, and a device may never end. */
    readonly regularOnly = false,
    readonly files: NamedFiles = diskFiles,
  ) {
    this.#watch = watch;
  }

  /** The bytes. Throws LOTR8204, and LOTR1006 when the file changes meanwhile. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const handle = await this.#system(this.files.open(this.file, this.regularOnly));
    this.#handle = handle;
    this.#bytes = 0;
    try {
      if (this.regularOnly && handle.size === null) this.#refuse('it is not a regular file');
      this.#size = handle.size;
      const hash = sha256();
      for (;;) {
        const chunk = await this.#system(handle.next());
        if (chunk.length === 0) break;
        if (this.#bytes === 0 && !packingOf(this.file)) this.#requireData(chunk);
        hash.update(chunk);
        this.#bytes += chunk.length;
        // it may grow as fast as it is read
        if (this.#size !== null && this.#bytes > this.#size) fail(fileChanged({ file: this.file }));
        yield chunk;
      }
      if (!(await this.#system(handle.unchanged()))) fail(fileChanged({ file: this.file }));
      this.#sha256 = toHex(hash.digest());
    } finally {
      await handle.close();
    }
  }

  /**
   * The bytes of the contents: those of the file, or what a file ending in .gz or .zst has packed. Throws as `chunks`, and
   * LOTR8204 for what cannot be unpacked.
   */
  async *contentChunks(): AsyncGenerator<Uint8Array> {
    const packing = packingOf(this.file);
    if (!packing) return yield* this.chunks();
    const unpack = unpacker(packing);
    if (!unpack) return this.#refuse(`it is packed with ${packing}, which is not unpacked here`, UNPACK);
    let first = true;
    try {
      for await (const chunk of unpack(this.chunks())) {
        if (first) this.#requireData(chunk);
        first = false;
        yield chunk;
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#refuse(
        `its name says ${packing}, and it cannot be unpacked: ${error.message}`,
        'make the file again',
      );
    }
  }

  /**
   * What is made of the bytes, one by one, with turns for the event loop between them. Throws LOTR8204 when what is kept of
   * them leaves no memory.
   */
  rows<T>(made: AsyncIterable<T>): AsyncGenerator<T> {
    const rows = paced(this.#counted(made), () => {
      this.#tell(false);
      if (heapIsFull())
        this.#refuse(`its first ${this.#rows} rows fill the ${heapLimit()} MiB of Node.js`, MORE);
    });
    this.#open = rows;
    return rows;
  }

  /** The file and its digest; what has not been read is read. Throws as `chunks`. */
  async contents(): Promise<RecordFile> {
    if (this.#sha256 === null) for await (const _ of paced(this.chunks(), () => this.#tell(false)));
    return { file: this.file, sha256: this.#sha256! };
  }

  /** Ends reading, also before the end of the file. */
  async close(): Promise<void> {
    await this.#open?.return(undefined);
    await this.#handle?.close();
    if (this.#told) this.#tell(true);
  }

  async *#counted<T>(made: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of made) {
      yield item;
      this.#rows++;
    }
  }

  #tell(done: boolean): void {
    this.#told = true;
    this.#watch({ file: this.file, bytes: this.#bytes, size: this.#size, rows: this.#rows, done });
  }

  /** Throws LOTR8204 when the first bytes of the contents are those of no data. */
  #requireData(chunk: Uint8Array): void {
    const kind = fileKind(chunk);
    if (kind?.never) this.#refuse(`it is ${kind.what}`, kind.hint);
  }

  async #system<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!isSystemError(error) && !(error instanceof Unreadable)) throw error;
      return this.#refuse(`it cannot be read: ${error.message}`);
    }
  }

  #refuse(why: string, hint?: string): never {
    return fail(badData({ file: this.file, why, ...(hint === undefined ? {} : { hint }) }));
  }
}
