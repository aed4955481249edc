import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { externalEscapes } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';
import { Unreadable } from '../ir/files/unreadable.js';
import type { Platform, Sha256 } from './platform.js';

/** {@link Platform} without Node: browsers and their workers. Paths are names with slashes. */

const utf8 = new TextEncoder();

export const sha256: Platform['sha256'] = () => {
  const hash = nobleSha256.create();
  const made: Sha256 = {
    update(data) {
      hash.update(typeof data === 'string' ? utf8.encode(data) : data);
      return made;
    },
    digest: () => hash.digest(),
  };
  return made;
};

export const sameBytes: Platform['sameBytes'] = (a, b) => {
  if (a.byteLength !== b.byteLength) return false;
  for (let at = 0; at < a.byteLength; at++) if (a[at] !== b[at]) return false;
  return true;
};

export const asciiText: Platform['asciiText'] = (bytes, from, to) =>
  String.fromCharCode.apply(null, bytes.subarray(from, to) as unknown as number[]);

export const basename: Platform['basename'] = (path) => path.slice(path.lastIndexOf('/') + 1);

export const dirname: Platform['dirname'] = (path) => {
  const end = path.lastIndexOf('/');
  return end < 0 ? '.' : end === 0 ? '/' : path.slice(0, end);
};

export const extname: Platform['extname'] = (path) => {
  const name = basename(path);
  const dot = name.lastIndexOf('.');
  return dot < 1 ? '' : name.slice(dot);
};

export const join: Platform['join'] = (folder, path) =>
  partsOf(folder === '' ? path : `${folder}/${path}`).join('/') || '.';

export const locationFrom: Platform['locationFrom'] = (folder, path) => {
  const [from, to] = [partsOf(folder), partsOf(path)];
  let same = 0;
  while (same < from.length && from[same] === to[same]) same++;
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/');
};

/** The names of a path, without `.` and what `..` takes back; a path from the root begins with an empty name. */
function partsOf(path: string): readonly string[] {
  const parts: string[] = path.startsWith('/') ? [''] : [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    const last = parts.at(-1);
    if (part !== '..' || last === undefined || last === '..') parts.push(part);
    else if (last !== '') parts.pop();
  }
  return parts;
}

export const folderOf: Platform['folderOf'] = (modelPath) => ({
  resolve: (name, location) =>
    fail(externalEscapes({ name, location, why: `and there is no folder of ${modelPath} here` })),
  open: (name, location) =>
    fail(externalEscapes({ name, location, why: `and there is no folder of ${modelPath} here` })),
});

export const diskFiles: Platform['diskFiles'] = {
  has: () => false,
  read: () => noDisk(),
  source: () => noDisk(),
  open: async () => noDisk(),
};

function noDisk(): never {
  throw new Unreadable('there are no files at paths here');
}

// no page is told: an allocation that fails is refused where it is made
export const heapIsFull: Platform['heapIsFull'] = () => false;

export const heapLimit: Platform['heapLimit'] = () => Number.POSITIVE_INFINITY;

export const nextTurn: Platform['nextTurn'] = () => new Promise((resolve) => setTimeout(resolve));

/** gzip alone: browsers unpack no zstd. */
export const unpacker: Platform['unpacker'] = (packing) =>
  packing !== 'gzip'
    ? null
    : async function* (packed) {
        const stream = new DecompressionStream('gzip');
        const writer = stream.writable.getWriter();
        const failed: unknown[] = [];
        const read = async function* () {
          try {
            yield* packed;
          } catch (error) {
            failed.push(error);
            throw error;
          }
        };
        const feed = async () => {
          for await (const chunk of read()) await writer.write(new Uint8Array(chunk));
          await writer.close();
        };
        // what the file throws is thrown below, in place of what the stream makes of it
        const fed = feed().catch((error: unknown) => writer.abort(error).catch(() => undefined));
        const reader = stream.readable.getReader();
        try {
          for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            yield value;
          }
        } catch (error) {
          await fed;
          throw failed.length > 0 ? failed[0] : new Unreadable((error as Error).message);
        }
      };

// nothing stops work here but the end of its worker
export const withinTime: Platform['withinTime'] = (_seconds, work) => work();
