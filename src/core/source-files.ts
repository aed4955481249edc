import type { ByteSource } from '../ir/carried.js';
import type { NamedFiles, OpenedFile } from '../ir/files/named-files.js';
import { Unreadable } from '../ir/files/unreadable.js';

/** Bytes that are read at once. */
const CHUNK = 1 << 18;

/** Files that a page was given, by their names. */
export class SourceFiles implements NamedFiles {
  readonly #sources: ReadonlyMap<string, ByteSource>;

  constructor(sources: ReadonlyMap<string, ByteSource>) {
    this.#sources = sources;
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  read(name: string): Uint8Array {
    const source = this.#named(name);
    return source.read(0, source.size);
  }

  source(name: string): ByteSource & { close(): void } {
    const source = this.#named(name);
    const { path, size } = source;
    return {
      path,
      size,
      read: (offset, length) => source.read(offset, length),
      checkUnchanged: () => source.checkUnchanged?.(),
      close: () => undefined,
    };
  }

  async open(name: string): Promise<OpenedFile> {
    const source = this.#named(name);
    const { size } = source;
    let at = 0;
    return {
      size,
      async next() {
        const bytes = source.read(at, Math.min(CHUNK, size - at));
        at += bytes.byteLength;
        return bytes;
      },
      // a source that changes refuses to be read
      unchanged: async () => true,
      close: async () => undefined,
    };
  }

  #named(name: string): ByteSource {
    const source = this.#sources.get(name);
    if (!source) throw new Unreadable('it is not among the files');
    return source;
  }
}
