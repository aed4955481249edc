/** Bytes and text without classes of one platform. */

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text; half a surrogate pair becomes U+FFFD. */
export const utf8Bytes = (text: string): Uint8Array => encoder.encode(text);

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export const textOfUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Stretches of bytes one after another, in a buffer of their own. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

/** Bytes as lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += DIGITS[byte]!;
  return text;
}

const HEX = /^([0-9a-f]{2})*$/i;

/** Bytes of a string of hex digits; null when it is none. */
export function fromHex(text: string): Uint8Array | null {
  if (!HEX.test(text)) return null;
  return Uint8Array.from({ length: text.length / 2 }, (_, k) =>
    Number.parseInt(text.slice(2 * k, 2 * k + 2), 16),
  );
}
