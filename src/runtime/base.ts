import { toHex } from '../ir/bytes.js';
import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { sampledBytes } from '../ir/files/digest-parts.js';
import type { BaseFile } from '../train/signature.js';

/**
 * Throws LOTR8201 when base weights are not those that the graphs were written for: by their length, and by their digest where the
 * page has Web Crypto (a secure context) and the kind of digest is known.
 */
export async function requireBase(
  file: string,
  data: Uint8Array,
  { byteLength, digest }: BaseFile,
): Promise<void> {
  const refuse = (why: string): never =>
    fail(badTrainingFolder({ file, why: `the base weights were changed: ${why}` }));
  if (data.byteLength !== byteLength)
    refuse(`it has ${data.byteLength} bytes, and ${byteLength} when the graphs were written`);
  const [kind, hex = ''] = digest.split(':');
  const parts = kind === 'sha256' ? data : kind === 'sampled-sha256' ? sampledBytes(data) : null;
  const { subtle } = globalThis.crypto ?? {};
  if (!parts || !subtle) return;
  const found = new Uint8Array(await subtle.digest('SHA-256', parts as Uint8Array<ArrayBuffer>));
  if (!toHex(found).startsWith(hex)) refuse('its digest is not the one in signature.json');
}
