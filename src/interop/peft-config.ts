import { badPeft, peftFeature } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { type Json, JsonError, type JsonObject, parseJson } from '../ir/files/json.js';
import { lengthOfFile } from '../ir/files/length-of.js';
import { refuseUnreadable } from '../ir/files/refuse-unreadable.js';
import { readRegular } from '../ir/files/regular.js';
import { Unreadable } from '../ir/files/unreadable.js';
import { matching, mayBacktrack, patternSeconds } from '../ir/time-limit.js';
import { TooLong } from '../platform/too-long.js';

/** `adapter_config.json` of PEFT: settings by their names, and what they say about a module. */

export const CONFIG_FILE = 'adapter_config.json';

/** No configuration of PEFT comes near this size. */
const MAX_CONFIG = 16 << 20;

export class PeftConfig {
  constructor(
    readonly file: string,
    readonly values: JsonObject,
  ) {}

  refuse(why: string): never {
    return fail(badPeft({ file: this.file, why }));
  }

  /** Refuses a setting under which PEFT computes something that lotrc does not. */
  cannot(feature: string, hint?: string): never {
    return fail(peftFeature({ file: this.file, feature, ...(hint ? { hint } : {}) }));
  }

  get(key: string): Json {
    return this.values.get(key) ?? null;
  }

  /** Whether a setting says something: not null, false, or an empty list or object. */
  isSet(key: string): boolean {
    const value = this.get(key);
    if (Array.isArray(value)) return value.length > 0;
    if (value instanceof Map) return value.size > 0;
    return value !== null && value !== false;
  }

  number(key: string): number {
    const value = this.get(key);
    return typeof value === 'number' ? value : this.refuse(`the configuration has no number ${key}`);
  }

  /** A setting whose values differ by module: `<key>_pattern`, and the setting itself for the others. */
  perModule(key: string, usual: number): (module: string) => number {
    const patterns = this.get(key) ?? new Map<string, Json>();
    if (!(patterns instanceof Map)) return this.refuse(`${key} is not an object`);
    const rules = [...(patterns as JsonObject)].map(([pattern, value]) => {
      if (typeof value !== 'number') return this.refuse(`${key} "${pattern}" is not a number`);
      return { matches: this.#atEnd(pattern), value };
    });
    return (module) => rules.find(({ matches }) => matches(module))?.value ?? usual;
  }

  /** Whether a list of names holds a module or an end of it, or a regular expression is the whole of it. */
  names(key: string): ((module: string) => boolean) | null {
    const value = this.get(key);
    if (value === null || value === '') return null;
    if (typeof value === 'string') {
      // PEFT looks for its shorthand before it reads the text as an expression
      if (value.toLowerCase() === 'all-linear') return () => true;
      return this.#regex(value, (source) => `^(?:${source})$`);
    }
    const list = this.texts(key);
    return (module) => list.some((name) => module === name || module.endsWith(`.${name}`));
  }

  /** A list of texts, or one text. */
  texts(key: string): readonly string[] {
    const value = this.get(key);
    if (value === null || value === '') return [];
    const list = Array.isArray(value) ? (value as readonly Json[]) : [value];
    if (!list.every((item) => typeof item === 'string')) return this.refuse(`${key} is not a list of names`);
    return list as readonly string[];
  }

  /** Why PEFT leaves a module of the weights file out, or null where the configuration chooses it. */
  get unchosen(): (module: string) => string | null {
    const exclude = this.names('exclude_modules');
    const targets = this.names('target_modules') ?? (() => true);
    const saved = this.texts('modules_to_save').map((name) =>
      this.#regex(name, (source) => `^(?:.*\\.)?(?:${source})(?:$|\\.)`),
    );
    const inLayers = this.#layers();
    return (module) => {
      if (exclude?.(module)) return 'exclude_modules names it';
      if (saved.some((matches) => matches(module))) return 'modules_to_save names it';
      if (!targets(module)) return 'target_modules does not name it';
      return inLayers(module) ? null : 'layers_to_transform does not name its layer';
    };
  }

  #layers(): (module: string) => boolean {
    const value = this.get('layers_to_transform');
    const list = Array.isArray(value) ? (value as readonly Json[]) : value === null ? [] : [value];
    if (list.length === 0 || typeof this.get('target_modules') === 'string') return () => true;
    const patterns = this.texts('layers_pattern');
    const places =
      patterns.length === 0
        ? [/^.*?\.[^.]*\.(\d+)\./]
        : patterns.map((text) => this.#compiled(text, (source) => `^(?:.*?\\.)?(?:${source})\\.(\\d+)\\.`));
    return (module) => {
      const found = places.map((place) => place.exec(module)).find((match) => match !== null);
      return found !== undefined && list.includes(Number(found.at(-1)));
    };
  }

  /** PEFT matches a pattern at the end of a module path, from a dot or from the start. */
  #atEnd(key: string): (module: string) => boolean {
    // plain names, which most patterns are, need no regular expression
    if (/^[\w.]+$/.test(key)) return (module) => module === key || module.endsWith(`.${key}`);
    return this.#regex(key, (source) => `^(?:.*\\.)?(?:${source})$`);
  }

  #regex(text: string, around: (source: string) => string): (module: string) => boolean {
    const pattern = this.#compiled(text, around);
    const risky = mayBacktrack(pattern.source);
    return (module) => {
      try {
        return matching(module, risky, () => pattern.test(module));
      } catch (error) {
        if (!(error instanceof TooLong)) throw error;
        return this.refuse(
          `the pattern ${JSON.stringify(text)} takes longer than ${patternSeconds(module)} seconds on a name`,
        );
      }
    };
  }

  /** A regular expression of Python: names of groups are written otherwise there, and so are the ends of a text. */
  #compiled(text: string, around: (source: string) => string): RegExp {
    const source = text
      .replace(/\(\?P</g, '(?<')
      .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
      .replace(/\\A/g, '^')
      .replace(/\\Z/g, '$');
    const ignoreCase = source.startsWith('(?i)');
    try {
      return new RegExp(around(ignoreCase ? source.slice(4) : source), ignoreCase ? 'i' : '');
    } catch {
      return this.refuse(
        `the pattern ${JSON.stringify(text)} is not a regular expression that lotrc can read`,
      );
    }
  }
}

/** Reads a configuration. Throws LOTR1002 when it cannot be opened, LOTR7202 when it is not a JSON object. */
export function readPeftConfig(file: string): PeftConfig {
  const refuse = (why: string): never => fail(badPeft({ file, why }));
  let text: string;
  try {
    const size = lengthOfFile(file);
    if (size > MAX_CONFIG) refuse('the configuration is larger than 16 MiB');
    text = readRegular(file).toString('utf8');
  } catch (error) {
    if (error instanceof Unreadable) refuseUnreadable(file, error);
    throw error;
  }
  let value: Json;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return refuse(`the configuration is not proper JSON: ${error.message}`);
  }
  return value instanceof Map ? new PeftConfig(file, value) : refuse('the configuration is not an object');
}
