import { createHash } from 'node:crypto';
import { FileSource } from '../onnx/source.js';

/** Files up to this many bytes are read whole; of larger ones that many bytes are enough to wait for. */
const WHOLE_UP_TO = 64 << 20;
const STRETCH = 4096;
const STRETCHES = 64;
const CHUNK = 1 << 20;

/** Length and digest of a file. */
export interface FileDigest {
  /** `sha256:...` of the whole file, or for files over 64 MiB `sampled-sha256:...`: its length and 64 stretches of 4 KiB */
  readonly digest: string;
  readonly byteLength: number;
}

/** Reads a file of up to 64 MiB whole, of a larger one 64 stretches from the first byte to the last. Throws LOTR1002. */
export function fileDigest(path: string): FileDigest {
  const source = new FileSource(path);
  const { size } = source;
  return { digest: digestAs(source, size <= WHOLE_UP_TO ? 'sha256' : 'sampled-sha256'), byteLength: size };
}

/** `sha256:...` of the whole file, however large. Throws LOTR1002. */
export function wholeDigest(path: string): string {
  return digestAs(new FileSource(path), 'sha256');
}

/**
 * Whether a file still has the digest that was taken of it. Digests of unknown kinds are of other versions of lotrc and
 * are not checked.
 */
export function hasDigest(path: string, digest: string): boolean {
  const kind = digest.split(':')[0];
  if (kind !== 'sha256' && kind !== 'sampled-sha256') return true;
  return digestAs(new FileSource(path), kind) === digest;
}

function digestAs(source: FileSource, kind: 'sha256' | 'sampled-sha256'): string {
  const hash = createHash('sha256');
  if (kind === 'sha256') {
    for (let at = 0; at < source.size; at += CHUNK)
      hash.update(source.read(at, Math.min(CHUNK, source.size - at)));
    source.close();
    return `sha256:${hash.digest('hex')}`;
  }
  hash.update(String(source.size));
  const length = Math.min(STRETCH, source.size);
  for (let i = 0; i < STRETCHES; i++)
    hash.update(source.read(Math.floor(((source.size - length) * i) / (STRETCHES - 1)), length));
  source.close();
  return `sampled-sha256:${hash.digest('hex').slice(0, 32)}`;
}
