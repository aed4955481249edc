import { METHODS } from '../../src/adapter/methods/index.js';
import { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import { flagOf, type OptionDef, type OptionSet, pick, type ValuesOf } from '../../src/options/define.js';
import { readOption } from '../../src/options/read.js';
import { FORM, SELECT } from '../../src/options/sets/adapters.js';
import { LOSS_KINDS } from '../../src/train/losses/facts.js';
import { TRAIN } from '../../src/train/option-set.js';
import type { FieldView, SetName, Texts } from '../protocol.js';

/** The options that the page shows, of those that the commands declare, in the order of the page; the rest have their defaults. */
const SHOWN: Readonly<Record<SetName, OptionSet>> = {
  rewrite: {
    ...pick(SELECT, 'method', 'rank', 'scale', 'init', 'seed', 'targets', 'exclude', 'layers', 'share'),
    ...pick(FORM, 'lowering'),
  },
  emit: pick(ONNX_TRAIN, 'loss', 'optimizer', 'maxNorm', 'shift', 'recompute', 'train', 'alsoTrain'),
  train: pick(
    TRAIN,
    ...(['lr', 'maxSteps', 'epochs', 'batchSize', 'maxLength', 'schedule', 'warmup', 'seed'] as const),
    ...(['evalSplit', 'evalEvery', 'checkpointEvery', 'best', 'patience', 'accumulate'] as const),
    ...(['task', 'textField', 'pairField', 'labelField', 'bucket', 'pack'] as const),
  ),
};

/** So many of the first of each set stand by themselves. */
const COMMON: Readonly<Record<SetName, number>> = { rewrite: 6, emit: 4, train: 8 };

const ALL = { rewrite: { ...SELECT, ...FORM }, emit: ONNX_TRAIN, train: TRAIN };

/** Words of options whose type takes any text, because files are taken too. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  method: [...METHODS.keys()],
  loss: LOSS_KINDS,
};

export function fieldsOf(set: SetName): readonly FieldView[] {
  return Object.entries(SHOWN[set]).map(([key, def], at) => fieldOf(key, def, at < COMMON[set]));
}

function fieldOf(key: string, def: OptionDef, common: boolean): FieldView {
  const { schema } = def.type;
  const choices = WORDS[key] ?? schema.enum ?? [];
  return {
    key,
    flag: flagOf(key, def),
    common,
    doc: def.doc,
    kind: kindOf(schema.type, choices),
    choices,
    initial: def.default === undefined ? '' : String(def.default),
  };
}

function kindOf(type: OptionDef['type']['schema']['type'], choices: readonly string[]): FieldView['kind'] {
  if (choices.length > 0) return 'choice';
  if (type === 'boolean') return 'switch';
  if (type === 'array' || type === 'object') return 'lines';
  return type === 'number' || type === 'integer' ? 'number' : 'text';
}

/** The values of all options of a command: of those that are shown what the texts say, of the rest the defaults. Throws LOTR8001. */
export function valuesIn<S extends SetName>(name: S, texts: Texts): ValuesOf<(typeof ALL)[S]> {
  const values = Object.entries(ALL[name] as OptionSet).flatMap(([key, def]) => {
    const text = key in SHOWN[name] ? (texts[key] ?? '').trim() : '';
    const value = text === '' ? def.default : read(key, def, text);
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(values) as ValuesOf<(typeof ALL)[S]>;
}

/** Several values stand on a line each. */
function read(key: string, def: OptionDef, text: string): unknown {
  const { type } = def.type.schema;
  if (type !== 'array' && type !== 'object') return readOption(key, def, text, undefined);
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .reduce<unknown>((before, line) => readOption(key, def, line, before), undefined);
}
