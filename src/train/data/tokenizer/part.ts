import { badTokenizer } from '../../../ir/codes/train.js';
import { fail } from '../../../ir/diagnostics.js';

/** The hint for a tokenizer that lotrc cannot run. */
export const OTHER_PROGRAM = 'make the token ids with another program, and give them as a .safetensors file';

/** Characters that steps of a tokenizer may make of one text. */
const MAX_TEXT = 2 ** 24;

type Fields = Readonly<Record<string, unknown>>;

/**
 * One object of a tokenizer.json with its place in the file. Fields are read with their types checked; whatever cannot
 * be used is refused (LOTR8209) with the name of the part.
 */
export class Part {
  readonly #fields: Fields;

  private constructor(
    readonly file: string,
    readonly path: string,
    fields: Fields,
  ) {
    this.#fields = fields;
  }

  /** The whole file. */
  static root(file: string, fields: object): Part {
    return new Part(file, '', fields as Fields);
  }

  /** Throws LOTR8209 that names this part. */
  refuse(why: string, hint?: string): never {
    const named = this.path === '' ? why : `${this.path}: ${why}`;
    return fail(badTokenizer({ file: this.file, why: named, ...(hint === undefined ? {} : { hint }) }));
  }

  /** Refuses to make a text far longer than any: steps that each make one twice as long need few of them. */
  requireLength(length: number): void {
    if (length > MAX_TEXT) this.refuse(`it makes more than ${MAX_TEXT} characters of one text`);
  }

  /** Refuses what other programs can do with this part and lotrc cannot. */
  unsupported(what: string): never {
    return this.refuse(`${what} is not supported`, OTHER_PROGRAM);
  }

  /** Its type; refuses a part without one. */
  get type(): string {
    return this.text('type');
  }

  /** The value as it is in the file. */
  get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  /** Whether there is a value that is not null. */
  has(name: string): boolean {
    return (this.get(name) ?? null) !== null;
  }

  text(name: string, otherwise?: string): string {
    const value = this.get(name) ?? otherwise;
    return typeof value === 'string' ? value : this.refuse(`"${name}" is not a string`);
  }

  textOrNull(name: string): string | null {
    return this.has(name) ? this.text(name) : null;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.get(name) ?? otherwise;
    return typeof value === 'boolean' ? value : this.refuse(`"${name}" is not true or false`);
  }

  /** A whole number of at least 0. */
  count(name: string, otherwise?: number): number {
    const value = this.get(name) ?? otherwise;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    return this.refuse(`"${name}" is not a whole number of at least 0`);
  }

  list(name: string): readonly unknown[] {
    const value = this.get(name);
    return Array.isArray(value) ? (value as readonly unknown[]) : this.refuse(`"${name}" is not a list`);
  }

  /** An object in this one, or null. */
  part(name: string): Part | null {
    if (!this.has(name)) return null;
    return this.#inner(this.path === '' ? name : `${this.path}.${name}`, this.get(name));
  }

  /** A list of objects; an absent list has none. */
  parts(name: string): readonly Part[] {
    if (!this.has(name)) return [];
    const path = this.path === '' ? name : `${this.path}.${name}`;
    return this.list(name).map((value, i) => this.#inner(`${path}[${i}]`, value));
  }

  #inner(path: string, value: unknown): Part {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return fail(badTokenizer({ file: this.file, why: `${path}: it is not a JSON object` }));
    }
    return new Part(this.file, path, value as Fields);
  }
}
