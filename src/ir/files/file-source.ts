import { closeSync, fstatSync, lstatSync, readSync } from 'node:fs';
import type { ByteSource } from '../carried.js';
import { fileChanged, malformed } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { refuseUnreadable } from './refuse-unreadable.js';
import { openRegular } from './regular.js';
import { Unreadable } from './unreadable.js';

/** One read never exceeds this: Node refuses single reads of 2 GiB and more. */
const MAX_READ = 1 << 30;
/** Files kept open at once; a model with external data in thousands of files must not exhaust descriptors. */
const MAX_OPEN = 32;

interface OpenFile {
  readonly fd: number;
}

/** Least recently used files are closed; they are opened again, and checked to be unchanged, when read again. */
const openFiles = new Map<FileSource, OpenFile>();

/** A file as a byte source: positioned reads, nothing held. */
export class FileSource implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly #identity: string;

  /** Throws LOTR1002 when the file cannot be opened or is a folder. */
  constructor(path: string) {
    this.path = path;
    const { fd, stat } = open(path);
    this.size = Number(stat.size);
    this.#identity = identity(stat);
    remember(this, fd);
  }

  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      fail(
        malformed({
          file: this.path,
          offset,
          why: `${length} bytes are needed here and the file ends at ${this.size}`,
        }),
      );
    }
    // a plain Uint8Array over its own buffer: Buffer's `slice` would alias, and the start is aligned for typed views
    const into = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    this.readInto(into, offset);
    return into;
  }

  /** Fills `into` from `offset`. The caller has checked the range. Throws LOTR1006 when the file got shorter. */
  readInto(into: Uint8Array, offset: number): void {
    const fd = this.#fd();
    for (let done = 0; done < into.byteLength; ) {
      const got = readSync(fd, into, done, Math.min(MAX_READ, into.byteLength - done), offset + done);
      if (got === 0) fail(fileChanged({ file: this.path }));
      done += got;
    }
  }

  /** Throws LOTR1006 when the open file is no longer what it was at first. */
  checkUnchanged(): void {
    if (identity(fstatSync(this.#fd(), { bigint: true })) !== this.#identity) {
      fail(fileChanged({ file: this.path }));
    }
  }

  /** Throws LOTR1006 when the open file is not the one at the path, which has no links. */
  checkIs(path: string): void {
    const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!found || identity(found) !== this.#identity) fail(fileChanged({ file: this.path }));
  }

  close(): void {
    const held = openFiles.get(this);
    if (!held) return;
    openFiles.delete(this);
    closeSync(held.fd);
  }

  #fd(): number {
    const held = openFiles.get(this);
    if (held) {
      openFiles.delete(this);
      openFiles.set(this, held);
      return held.fd;
    }
    const { fd, stat } = open(this.path);
    remember(this, fd);
    if (identity(stat) !== this.#identity) fail(fileChanged({ file: this.path }));
    return fd;
  }
}

function open(path: string): ReturnType<typeof openRegular> {
  try {
    return openRegular(path);
  } catch (error) {
    if (error instanceof Unreadable) refuseUnreadable(path, error);
    throw error;
  }
}

/** Differs between files, and between states of one file. */
export function identity(stat: import('node:fs').BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

function remember(source: FileSource, fd: number): void {
  openFiles.set(source, { fd });
  if (openFiles.size <= MAX_OPEN) return;
  const [oldest] = openFiles.keys();
  oldest?.close();
}
