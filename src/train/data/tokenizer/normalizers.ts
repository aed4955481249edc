import { charsmapOf } from './charsmap.js';
import type { Part } from './part.js';
import { byteChars, patternOf } from './pieces.js';

/** Text to text, before it is divided. */
export type Normalizer = (text: string) => string;

/** The normalizer that a tokenizer.json asks for. Throws LOTR8209 for one that is not known. */
export function normalizerOf(part: Part | null): Normalizer {
  if (part === null) return (text) => text;
  switch (part.type) {
    case 'Sequence': {
      const steps = part.parts('normalizers').map(normalizerOf);
      return (text) =>
        steps.reduce((made, step) => {
          const next = step(made);
          part.requireLength(next.length);
          return next;
        }, text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = part.type;
      return (text) => text.normalize(form);
    }
    case 'Lowercase':
      return lowercase;
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Strip':
      return strip(part.flag('strip_left', true), part.flag('strip_right', true));
    case 'Prepend': {
      const prefix = part.text('prepend');
      return (text) => (text === '' ? text : prefix + text);
    }
    case 'Replace': {
      const pattern = patternOf(part);
      const content = part.text('content');
      return (text) =>
        pattern.match(text, () => {
          let length = text.length;
          return text.replace(pattern.regex, () => {
            part.requireLength((length += content.length));
            return content;
          });
        });
    }
    case 'BertNormalizer':
      return bert(part);
    case 'Precompiled':
      return charsmapOf(part);
    case 'Nmt':
      return nmt;
    case 'ByteLevel':
      return byteChars;
    default:
      return part.unsupported(`the normalizer "${part.type}"`);
  }
}

/** Character by character: a sigma at the end of a word has no form of its own. */
function lowercase(text: string): string {
  let made = '';
  for (const char of text) made += char.toLowerCase();
  return made;
}

function strip(left: boolean, right: boolean): Normalizer {
  return (text) => {
    const begun = left ? text.replace(/^\p{White_Space}+/u, '') : text;
    return right ? begun.slice(0, endOf(begun)) : begun;
  };
}

/** Where the white space at the end begins; found from the end, so that long runs inside cost nothing. */
export function endOf(text: string): number {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return end;
}

const CONTROL = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]|\ufffd/gu;
const CJK =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bert(part: Part): Normalizer {
  const clean = part.flag('clean_text', true);
  const cjk = part.flag('handle_chinese_chars', true);
  const lower = part.flag('lowercase', true);
  const accents = part.flag('strip_accents', lower);
  return (text) => {
    let made = text;
    if (clean) made = made.replace(CONTROL, '').replace(/\p{White_Space}/gu, ' ');
    if (cjk) made = made.replace(CJK, ' $& ');
    if (accents) made = made.normalize('NFD').replace(/\p{Mn}/gu, '');
    return lower ? lowercase(made) : made;
  };
}

/** Control characters that stay, or become spaces. */
const KEPT = new Set([0x00, 0x09, 0x0a, 0x0c, 0x0d]);

function nmt(text: string): string {
  const removed = (char: string) => {
    const code = char.charCodeAt(0);
    return !(KEPT.has(code) || (code >= 0x80 && code !== 0x8f && code !== 0x9f));
  };
  return text
    .replace(/\p{Cc}/gu, (char) => (removed(char) ? '' : char))
    .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' ');
}
