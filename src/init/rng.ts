import { sha256 } from '#platform';
import { KeyedStream, streamText } from './philox.js';

/**
 * Random numbers that are specified bit for bit: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC11), with the constants of that paper. It has no state: word k of a stream is a
 * function of the stream's key and of k, so any part of a tensor can be made without the rest, in any order.
 *
 * A stream belongs to a pair (seed, name). SHA-256 over the UTF-8 text `lotrc.philox.1\n<seed>\n<name>`, read as
 * little-endian 32-bit words h0, h1, ..., gives the key (h0, h1) and the upper half of the counter (h2, h3); the lower
 * half counts blocks of four words. Nothing else enters: not the order of tensors, not the machine, not the version.
 */
export class RandomStream extends KeyedStream {
  /** `seed` is a safe integer. Throws a plain Error otherwise. */
  constructor(seed: number, name: string) {
    const hash = sha256().update(streamText(seed, name)).digest();
    const words = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
    super(Uint32Array.from({ length: 4 }, (_, i) => words.getUint32(4 * i, true)));
  }
}
