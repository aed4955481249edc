import { FileSource } from './file-source.js';
import { type DigestKind, digestAs, type FileDigest, sourceDigest } from './source-digest.js';

export type { FileDigest } from './source-digest.js';

/** Reads a file of up to 64 MiB whole, of a larger one 64 stretches from the first byte to the last. Throws LOTR1002. */
export function fileDigest(path: string): FileDigest {
  return opened(path, sourceDigest);
}

/** `sha256:...` of the whole file, however large. Throws LOTR1002. */
export function wholeDigest(path: string): string {
  return opened(path, (source) => digestAs(source, 'sha256'));
}

/**
 * Whether a file still has the digest that was taken of it. Digests of unknown kinds are of other versions of lotrc and
 * are not checked.
 */
export function hasDigest(path: string, digest: string): boolean {
  const kind = digest.split(':')[0];
  if (kind !== 'sha256' && kind !== 'sampled-sha256') return true;
  return opened(path, (source) => digestAs(source, kind satisfies DigestKind)) === digest;
}

/** What an act makes of a file, which is closed after it. */
function opened<T>(path: string, act: (source: FileSource) => T): T {
  const source = new FileSource(path);
  const made = act(source);
  source.close();
  return made;
}
