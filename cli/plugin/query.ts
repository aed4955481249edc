import { nearestOption } from '../../src/build/check-config.js';
import { SECTIONS } from '../../src/build/config.js';
import { badImport } from '../../src/ir/codes/build.js';
import { type Diagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { omit } from '../../src/options/define.js';
import { toJson } from '../../src/options/schema.js';
import { BadValue } from '../../src/options/types.js';

/** What an import asks for. */
export interface ImportQuery {
  /** the path, without the query */
  readonly path: string;
  /** options of `rewrite` by key, as JSON has them */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Imports that are meant for lotrc: `lotr` is a word of the query. */
export const LOTR_IMPORT = /^[^?]*\?(?:[^#]*&)?lotr(?:&|=|$)/;

/** The options that an import may give. Its model is always one file, and so is its adapter. */
const OPTIONS = omit(SECTIONS.get('rewrite')!, 'weights');

/**
 * Reads the options of an import such as `./bert.onnx?lotr&rank=4&targets=query&targets=value`, by the keys of docs/options.md.
 * Throws LOTR8320 for each that is unknown or does not fit.
 */
export function readQuery(request: string): ImportQuery {
  const found: Diagnostic[] = [];
  const refuse = (why: string, hint?: string): void => {
    found.push(badImport({ request, why, hint }));
  };
  const at = request.indexOf('?');
  const values = new Map<string, unknown>();
  for (const [key, text] of new URLSearchParams(request.slice(at + 1))) {
    if (key === 'lotr' && text === '') continue;
    const def = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (!def) {
      refuse(`${JSON.stringify(key)} is not an option of an import`, nearestOption(key, OPTIONS));
      continue;
    }
    const before = values.get(key);
    if (before !== undefined && def.type.schema.type !== 'array')
      refuse(`gives ${JSON.stringify(key)} twice`);
    // a switch needs no text
    const given = def.type.placeholder === null && text === '' ? 'true' : text;
    try {
      values.set(key, def.type.read(given, before));
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      refuse(`${JSON.stringify(key)} ${error.message}`);
    }
  }
  for (const [key, { required, doc }] of Object.entries(OPTIONS)) {
    if (required && !values.has(key) && found.length === 0)
      refuse(`${JSON.stringify(key)} is missing: ${doc}`, `add &${key}= and its value`);
  }
  if (found.length > 0) throw new LotrcError(found);
  // an order of its own: the same options are the same import
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    path: request.slice(0, at),
    options: Object.fromEntries(sorted.map(([key, value]) => [key, toJson(value)])),
  };
}
