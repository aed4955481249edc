/**
 * Names and strings. A plain identifier is written as it is, everything else in double quotes. Inside quotes a backslash
 * takes the next character literally, as in ONNX's syntax; ours adds `\n`, `\r`, `\t` and `\xHH` (one byte), so that
 * text stays ASCII and strings that are not UTF-8 survive.
 */
import { concatBytes, utf8Bytes } from '../bytes.js';
import { dtypeFromText } from '../dtype.js';

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** Whether a word starts a type. `proto` is our form for types that ONNX's syntax cannot say. */
export function isTypeWord(word: string): boolean {
  return TYPE_WORDS.has(word) || dtypeFromText(word) !== null;
}
const TYPE_WORDS: ReadonlySet<string> = new Set([
  'seq',
  'map',
  'optional',
  'sparse_tensor',
  'opaque',
  'proto',
]);

/** Whether a word is a float in ONNX's syntax rather than a name. */
export function isFloatWord(word: string): boolean {
  return /^(inf|infinity|nan)$/i.test(word);
}

/** The name of a value or a graph: bare when it is a plain identifier that cannot be taken for a type or a number. */
export function idText(name: string): string {
  return PLAIN.test(name) && !isTypeWord(name) && !isFloatWord(name) ? name : quote(name);
}

/** A name where neither type nor number may be (dimensions, operators, attributes, labels). */
export function wordText(name: string): string {
  return PLAIN.test(name) ? name : quote(name);
}

/** A string in quotes, ASCII only. */
export function quote(text: string): string {
  if (PRINTABLE.test(text)) return `"${text.replace(/[\\"]/g, '\\$&')}"`;
  return quoteBytes(utf8Bytes(text));
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

/** Bytes in quotes; those outside printable ASCII as `\xHH`. */
export function quoteBytes(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (const byte of bytes) {
    const escaped = ESCAPES.get(byte);
    if (escaped !== undefined) parts.push(escaped);
    else if (byte >= 0x20 && byte < 0x7f) parts.push(String.fromCharCode(byte));
    else parts.push(`\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return `"${parts.join('')}"`;
}

/** The bytes of what was between quotes. Returns the index of a bad escape instead when there is one. */
export function unquoted(body: string): Uint8Array | number {
  if (!body.includes('\\')) return utf8Bytes(body);
  const parts: Uint8Array[] = [];
  for (let i = 0; i < body.length; ) {
    const slash = body.indexOf('\\', i);
    if (slash !== i) {
      const stop = slash < 0 ? body.length : slash;
      parts.push(utf8Bytes(body.slice(i, stop)));
      i = stop;
      continue;
    }
    const next = body[i + 1] ?? '';
    const hex = body.slice(i + 2, i + 4);
    if (next === 'x' && /^[0-9a-fA-F]{2}$/.test(hex)) {
      parts.push(Uint8Array.of(Number.parseInt(hex, 16)));
      i += 4;
    } else if (next === 'n' || next === 'r' || next === 't') {
      parts.push(Uint8Array.of(next === 'n' ? 0x0a : next === 'r' ? 0x0d : 0x09));
      i += 2;
    } else if (next !== '' && !/[A-Za-z0-9]/.test(next)) {
      const size = (body.codePointAt(i + 1) ?? 0) > 0xffff ? 2 : 1;
      parts.push(utf8Bytes(body.slice(i + 1, i + 1 + size)));
      i += 1 + size;
    } else return i;
  }
  return concatBytes(parts);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The string that UTF-8 bytes spell, or null when they are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
