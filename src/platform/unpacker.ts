import { pipeline, Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { Unreadable } from '../ir/files/unreadable.js';
import type { Platform } from './platform.js';

/** From Node.js 22.15 on. */
const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => Transform };

/** What is read from a packed file; throws Unreadable for bytes that are not packed so. */
export const unpacker: Platform['unpacker'] = (packing) => {
  const create = packing === 'gzip' ? zlib.createGunzip : createZstdDecompress;
  if (!create) return null;
  return async function* (packed) {
    const stream = create();
    // an error ends both, and so the loop
    pipeline(Readable.from(packed), stream, () => {});
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) yield chunk;
    } catch (error) {
      const own = error instanceof Error && 'code' in error && /^(Z|ZSTD)_/i.test(String(error.code));
      throw own ? new Unreadable(error.message) : error;
    }
  };
};
