import type { Normalizer } from './normalizers.js';
import type { Part } from './part.js';
import { bytesOf } from './pieces.js';

/**
 * A precompiled character map of SentencePiece: a double array (Darts) from byte sequences to places in a block of
 * texts, each ended by a zero byte. It is looked up for whole graphemes of fewer than 6 bytes, else for each character;
 * the shortest key that the bytes begin with counts, as in Python's tokenizers.
 */
export function charsmapOf(part: Part): Normalizer {
  const base64 = part.text('precompiled_charsmap');
  const bytes = fromBase64(base64) ?? part.refuse('"precompiled_charsmap" is not base64');
  const view = new DataView(bytes.buffer);
  const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
  if (size < 0 || size % 4 !== 0 || size + 4 > bytes.length) {
    return part.refuse('"precompiled_charsmap" does not hold the double array that its first bytes announce');
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = bytes.subarray(4 + size);
  const lookup = (key: string): string | null => {
    const start = find(units, bytesOf(key));
    if (start === null) return null;
    const end = texts.indexOf(0, start);
    return new TextDecoder().decode(texts.subarray(start, end < 0 ? texts.length : end));
  };
  const known = new Map<string, string | null>();
  const mapped = (key: string): string | null => {
    let found = known.get(key);
    if (found === undefined) {
      found = lookup(key);
      if (known.size < CACHED) known.set(key, found);
    }
    return found;
  };
  return (text) => {
    let made = '';
    const chars = (run: string) => {
      for (const char of run) {
        made += mapped(char) ?? char;
        part.requireLength(made.length);
      }
    };
    for (const [run] of text.matchAll(RUNS)) {
      if (ASCII.test(run)) {
        chars(run);
        continue;
      }
      for (const segment of graphemesOf(run)) {
        const whole = bytesOf(segment).length < 6 ? mapped(segment) : null;
        if (whole === null) chars(segment);
        else made += whole;
        part.requireLength(made.length);
      }
    }
    return made;
  };
}

const CACHED = 1 << 14;

/** Printable ASCII is one grapheme each where nothing else touches it, which is much faster than the segmenter. */
const RUNS = /(?:[ -~]?[^ -~]+)+[ -~]?|[ -~]+(?![^ -~])/gu;
const ASCII = /^[ -~]+$/;

/** The value of the shortest key that the bytes begin with. */
function find(units: Uint32Array, key: Uint8Array): number | null {
  let at = 0;
  let unit = units[0] ?? 0;
  at ^= offset(unit);
  for (const byte of key) {
    if (byte === 0) return null;
    at ^= byte;
    const next = units[at];
    if (next === undefined || (next & 0x800000ff) !== byte) return null;
    unit = next;
    at ^= offset(unit);
    if ((unit >>> 8) & 1) return (units[at] ?? 0) & 0x7fffffff;
  }
  return null;
}

/** How far the children of a node lie from it. */
const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The graphemes of a text, found in windows of it: the segmenter is slow on long ones. */
function* graphemesOf(text: string): Generator<string> {
  let width = 256;
  for (let at = 0; at < text.length; ) {
    const window = text.slice(at, at + width);
    const found = Array.from(SEGMENTER.segment(window), ({ segment }) => segment);
    // the last one may go on after the window
    const last = at + window.length < text.length ? found.pop()! : '';
    if (found.length === 0) width *= 2;
    else yield* found;
    at += window.length - last.length;
  }
}

/** The bytes that a text stands for; null when it is not base64. */
function fromBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
