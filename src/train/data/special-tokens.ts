import { dirname, diskFiles, join } from '#platform';
import { textOfUtf8 } from '../../ir/bytes.js';
import { badTokenizer } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { parsePlain } from '../../ir/files/json.js';
import type { NamedFiles } from '../../ir/files/named-files.js';
import { Unreadable } from '../../ir/files/unreadable.js';
import type { Tokenizer } from './tokenizer.js';
import { TOKENIZER_FILES } from './tokenizer-files.js';

/** What the files next to a tokenizer.json say. */
export interface TokenizerConfig {
  /** special tokens by name: bos_token, eos_token, ... */
  readonly tokens: Readonly<Record<string, string>>;
  /** Jinja templates of conversations by name; `default` is the usual one */
  readonly templates: ReadonlyMap<string, string>;
  /** the files that were read */
  readonly files: readonly string[];
}

/**
 * Reads tokenizer_config.json, special_tokens_map.json and chat_template.jinja next to a tokenizer.json, where they are.
 * Throws LOTR8209 for a file that is there and cannot be read.
 */
export function readTokenizerConfig(tokenizer: string, from: NamedFiles = diskFiles): TokenizerConfig {
  const files: string[] = [];
  const tokens: Record<string, string> = {};
  const templates = new Map<string, string>();
  for (const name of TOKENIZER_FILES.tokens) {
    const value = readJson(join(dirname(tokenizer), name), files, from);
    for (const [key, token] of Object.entries(value ?? {})) {
      const text = key.endsWith('_token') ? contentOf(token) : null;
      if (text !== null) tokens[key] = text;
    }
    const { chat_template: template } = (value ?? {}) as { readonly chat_template?: unknown };
    if (typeof template === 'string') templates.set('default', template);
    if (Array.isArray(template)) {
      for (const entry of template as readonly { readonly name?: unknown; readonly template?: unknown }[]) {
        if (typeof entry?.name === 'string' && typeof entry.template === 'string')
          templates.set(entry.name, entry.template);
      }
    }
  }
  const jinja = join(dirname(tokenizer), TOKENIZER_FILES.template);
  if (from.has(jinja)) {
    templates.set('default', readText(jinja, from));
    files.push(jinja);
  }
  return { tokens, templates, files };
}

/** What config.json and generation_config.json next to a tokenizer say about the model, where they are. Throws LOTR8209. */
export function readModelConfig(
  tokenizer: string,
  from: NamedFiles = diskFiles,
): {
  readonly config: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
} {
  const files: string[] = [];
  const read = (name: string) => readJson(join(dirname(tokenizer), name), files, from) ?? {};
  return { config: { ...read(TOKENIZER_FILES.generation), ...read(TOKENIZER_FILES.model) }, files };
}

/** The id of a special token. Throws LOTR8209 when the tokenizer does not have it as one token. */
export function idOf(token: string, tokenizer: Tokenizer, file: string): number {
  const ids = tokenizer.plain(token);
  if (ids.length === 1) return ids[0]!;
  const why = `${JSON.stringify(token)} is ${ids.length} tokens, and a special token is one`;
  return fail(badTokenizer({ file, why }));
}

/** A special token is a text, or an object with the text as its content. */
function contentOf(token: unknown): string | null {
  if (typeof token === 'string') return token;
  const { content } = (token ?? {}) as { readonly content?: unknown };
  return typeof content === 'string' ? content : null;
}

function readJson(file: string, files: string[], from: NamedFiles): object | null {
  if (!from.has(file)) return null;
  files.push(file);
  try {
    const value: unknown = parsePlain(readText(file, from));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (error instanceof SyntaxError) fail(badTokenizer({ file, why: `it is not JSON: ${error.message}` }));
    throw error;
  }
  return fail(badTokenizer({ file, why: 'it is not a JSON object' }));
}

function readText(file: string, from: NamedFiles): string {
  try {
    return textOfUtf8(from.read(file));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return fail(badTokenizer({ file, why: `it cannot be read: ${error.message}` }));
  }
}
