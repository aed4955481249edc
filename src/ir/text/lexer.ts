import { textSyntax, textValue } from '../codes/text.js';
import { fail } from '../diagnostics.js';
import { fromUtf8, unquoted } from './strings.js';

/** `punct` covers `=>` and the note mark `#@`; `float` also `-inf` and `-nan`. */
export type TokenKind = 'id' | 'string' | 'int' | 'float' | 'punct' | 'end';

/**
 * One token at a time over the text: linear, no token objects. `#` starts a comment that ends with the line, except
 * `#@`, which is a token (see README.md).
 */
export class Lexer {
  kind: TokenKind = 'end';
  /** offset of the current token */
  start = 0;
  /** the token as written; for strings what is between the quotes */
  text = '';
  readonly #input: string;
  readonly #file: string;
  #pos = 0;

  constructor(input: string, file: string) {
    this.#input = input;
    this.#file = file;
    this.advance();
  }

  /** Goes on to the next token. Throws LOTR1401 at characters that start none. */
  advance(): void {
    this.#skipSpace();
    const input = this.#input;
    const start = this.#pos;
    this.start = start;
    const code = input.charCodeAt(start);
    if (start >= input.length) {
      this.kind = 'end';
      this.text = '';
      return;
    }
    if (isIdStart(code)) {
      this.#pos = this.#idEnd(start + 1);
      this.#set('id', start);
    } else if (code === QUOTE) this.#string(start);
    else if (isDigit(code) || code === MINUS) this.#number(start);
    else if (code === EQUALS && input.charCodeAt(start + 1) === GREATER) {
      this.#pos = start + 2;
      this.#set('punct', start);
    } else if (code === HASH) {
      this.#pos = start + 2;
      this.#set('punct', start);
    } else if (PUNCTUATION.includes(input[start]!)) {
      this.#pos = start + 1;
      this.#set('punct', start);
    } else {
      this.#pos = start + 1;
      this.unexpected(
        'a name, a number, a string or punctuation',
        `the character ${JSON.stringify(input[start])}`,
      );
    }
  }

  /** True, and goes on, when the current token is that punctuation. */
  take(punct: string): boolean {
    if (this.kind !== 'punct' || this.text !== punct) return false;
    this.advance();
    return true;
  }

  is(punct: string): boolean {
    return this.kind === 'punct' && this.text === punct;
  }

  /** Goes past that punctuation or throws LOTR1401. `where` completes the message: `"," or ")" after an input`. */
  need(punct: string, where: string): void {
    if (!this.take(punct)) this.unexpected(`"${punct}" ${where}`);
  }

  /** Throws LOTR1401 at the current token. */
  unexpected(expected: string, found = this.found(), hint?: string): never {
    return fail(textSyntax({ ...this.place(this.start), expected, found, hint }));
  }

  /** Throws LOTR1402 at an offset. */
  invalid(why: string, hint: string, offset = this.start): never {
    return fail(textValue({ ...this.place(offset), why, hint }));
  }

  /** The current token for messages. */
  found(): string {
    const text = this.text.length > 40 ? `${this.text.slice(0, 40)}...` : this.text;
    if (this.kind === 'end') return 'the end of the text';
    return this.kind === 'string' ? `the string "${text}"` : `"${text}"`;
  }

  /** Line and column, both from 1, of an offset. */
  place(offset: number): { file: string; line: number; column: number } {
    let line = 1;
    let lineStart = 0;
    for (let at = this.#input.indexOf('\n'); at >= 0 && at < offset; at = this.#input.indexOf('\n', at + 1)) {
      line++;
      lineStart = at + 1;
    }
    return { file: this.#file, line, column: offset - lineStart + 1 };
  }

  /** Bytes of the current string token; goes on. Throws LOTR1402 at a bad escape. */
  stringBytes(): Uint8Array {
    const bytes = unquoted(this.text);
    if (typeof bytes === 'number') {
      this.invalid(
        `unknown escape in the string: ${JSON.stringify(this.text.slice(bytes, bytes + 2))}`,
        'known are \\n, \\r, \\t, \\xHH, and a backslash before a quote or a backslash',
        this.start + 1 + bytes,
      );
    }
    this.advance();
    return bytes;
  }

  /** The current string token as text; goes on. Throws LOTR1402 when it is not UTF-8. */
  stringText(): string {
    if (!this.text.includes('\\')) {
      const { text } = this;
      this.advance();
      return text;
    }
    const { start } = this;
    const text = fromUtf8(this.stringBytes());
    if (text === null)
      this.invalid('the string is not UTF-8', 'names and documentation are UTF-8 in ONNX', start);
    return text;
  }

  /** The position of the lexer; for the one place that has to look two tokens ahead. */
  checkpoint(): number {
    return this.start;
  }

  /** Goes back to a checkpoint. */
  restore(checkpoint: number): void {
    this.#pos = checkpoint;
    this.advance();
  }

  #set(kind: TokenKind, start: number): void {
    this.kind = kind;
    this.text = this.#input.slice(start, this.#pos);
  }

  #skipSpace(): void {
    const input = this.#input;
    let pos = this.#pos;
    for (;;) {
      const code = input.charCodeAt(pos);
      if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) pos++;
      else if (code === HASH && input.charCodeAt(pos + 1) !== AT) {
        const end = input.indexOf('\n', pos);
        pos = end < 0 ? input.length : end;
      } else break;
    }
    this.#pos = pos;
  }

  #idEnd(from: number): number {
    const input = this.#input;
    let pos = from;
    for (let code = input.charCodeAt(pos); isIdStart(code) || isDigit(code); ) code = input.charCodeAt(++pos);
    return pos;
  }

  #string(start: number): void {
    const input = this.#input;
    let pos = start + 1;
    for (;;) {
      const code = input.charCodeAt(pos);
      if (pos >= input.length) {
        this.unexpected(
          'a closing quote',
          'the end of the text',
          'the string that starts here is not closed',
        );
      }
      if (code === QUOTE) break;
      pos += code === BACKSLASH ? 2 : 1;
    }
    this.#pos = pos + 1;
    this.kind = 'string';
    this.text = input.slice(start + 1, pos);
  }

  #number(start: number): void {
    const input = this.#input;
    let pos = start;
    if (input.charCodeAt(pos) === MINUS) pos++;
    let code = input.charCodeAt(pos);
    let float = false;
    if (isIdStart(code)) {
      this.#pos = this.#idEnd(pos + 1);
      this.#set('float', start);
      if (!/^-(inf|infinity|nan)$/i.test(this.text)) this.unexpected('a number');
      return;
    }
    if (!isDigit(code)) this.unexpected('a digit after "-"', '"-"');
    while (isDigit(code)) code = input.charCodeAt(++pos);
    if (code === DOT) {
      float = true;
      do code = input.charCodeAt(++pos);
      while (isDigit(code));
    }
    if (code === 0x65 || code === 0x45) {
      float = true;
      code = input.charCodeAt(++pos);
      if (code === MINUS || code === 0x2b) code = input.charCodeAt(++pos);
      if (!isDigit(code)) this.unexpected('digits in the exponent', 'none');
      while (isDigit(code)) code = input.charCodeAt(++pos);
    }
    this.#pos = pos;
    this.#set(float ? 'float' : 'int', start);
  }
}

const QUOTE = 0x22;
const HASH = 0x23;
const MINUS = 0x2d;
const DOT = 0x2e;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const AT = 0x40;
const BACKSLASH = 0x5c;
const PUNCTUATION = '()[]{}<>,:=.?@';

function isIdStart(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
