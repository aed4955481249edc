import { dirname, join } from '#platform';
import { textOfUtf8 } from '../../ir/bytes.js';
import { labelOrder, orderUnused } from '../../ir/codes/train-data.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { parsePlain } from '../../ir/files/json.js';
import type { NamedFiles } from '../../ir/files/named-files.js';
import { encodeLabel, type LabelMap, labelMapOf } from './labels.js';
import { TOKENIZER_FILES } from './tokenizer-files.js';

export interface OrderRequest {
  /** the data file */
  readonly file: string;
  /** names of the classes as the user gives them */
  readonly given: readonly string[] | null;
  /** a config.json next to it may name the classes */
  readonly tokenizer: string | null;
  readonly files: NamedFiles;
  /** classes of the model, where they are fixed */
  readonly classes: number | null;
}

/**
 * Which number a label of the training data has: the order that was given, that of id2label in the config.json next to the
 * tokenizer when it names all labels of the data, else as `labelMapOf` says. Throws LOTR8226 for an order that does not fit.
 */
export function orderedLabels(
  found: readonly unknown[],
  { file, given, tokenizer, files, classes }: OrderRequest,
  note: (diagnostic: Diagnostic) => void,
): LabelMap {
  if (given !== null) {
    const seen = new Set<string>();
    const twice = given.find((name) => seen.size === seen.add(name).size);
    if (twice !== undefined) fail(labelOrder({ file, why: `--labels has "${twice}" twice`, names: given }));
    if (classes !== null && given.length !== classes) {
      const why = `--labels names ${given.length} classes, and the model has ${classes}`;
      fail(labelOrder({ file, why, names: given }));
    }
    return { kind: 'names', names: given, order: 'given' };
  }
  const own = labelMapOf(found, false);
  const config = tokenizer === null ? null : join(dirname(tokenizer), TOKENIZER_FILES.model);
  const names = config === null ? null : id2label(config, files);
  if (config === null || names === null) return own;
  const map: LabelMap = { kind: 'names', names, order: 'config' };
  const odd = found.find((label) => 'why' in encodeLabel(map, label));
  const why =
    classes !== null && names.length !== classes
      ? `it names ${names.length} classes, and the model has ${classes}`
      : odd !== undefined
        ? `it does not name ${JSON.stringify(odd)}, which is a label of ${file}`
        : null;
  if (why === null) return map;
  // class numbers need no names
  if (own.kind === 'names') note(orderUnused({ file: config, why, names }));
  return own;
}

/** The classes that a config.json names; null where there is none, or they have only the names LABEL_0, LABEL_1, ... */
function id2label(file: string, files: NamedFiles): readonly string[] | null {
  let value: unknown;
  try {
    value = parsePlain(textOfUtf8(files.read(file)));
  } catch {
    return null; // this file was not named by the user: it is read only if it exists
  }
  const table = (value as { readonly id2label?: unknown } | null)?.id2label;
  if (typeof table !== 'object' || table === null) return null;
  const entries = Object.entries(table);
  const names = entries.map((_, i) => (table as Readonly<Record<string, unknown>>)[i]);
  if (names.length === 0 || !names.every((name): name is string => typeof name === 'string')) return null;
  if (names.every((name, i) => name === `LABEL_${i}`) || new Set(names).size < names.length) return null;
  return names;
}
