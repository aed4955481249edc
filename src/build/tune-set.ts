import { ONNX_TRAIN } from '../backends/onnx-train/option-set.js';
import { type OptionDef, omit, type ValueOf } from '../options/define.js';
import { MERGE, SELECT } from '../options/sets/adapters.js';
import { OF_COMMAND, REPORT } from '../options/sets/shared.js';
import { alternatives, folder, word } from '../options/types.js';
import { TRAIN } from '../train/option-set.js';
import { PRESET_NAMES, RECIPE_NAMES } from './presets.js';

/** An option that one of the commands declares, as `tune` has it: with what it fits to the model. */
const fitted = <D extends OptionDef>(def: D, usual: string): OptionDef<ValueOf<D>> => ({
  type: def.type as OptionDef<ValueOf<D>>['type'],
  doc: `${def.doc.replace(/ \(default[^()]*\)$/, '')} (default: ${usual})`,
  ...(def.flag === undefined ? {} : { flag: def.flag }),
});

/** What says how layers are adapted. */
const ADAPTS = {
  rank: fitted(SELECT.rank, 'as the width of the layers says'),
  ...omit(SELECT, 'rank', 'scale', 'init', 'seed'),
  scale: fitted(SELECT.scale, 'the rank; with another --method that of the method'),
  init: fitted(SELECT.init, 'fan-in; with another --method that of the method'),
};

/** Options of the graphs that `tune` gives itself or has from another command. */
const LEFT = [
  ...OF_COMMAND,
  'labels',
  'alsoTrain',
  'tie',
  'ep',
  'loop',
  'names',
  'keepFunctions',
  'link',
  'copyBase',
  'explain',
] as const;
const GRAPHS: Omit<typeof ONNX_TRAIN, (typeof LEFT)[number]> = omit(ONNX_TRAIN, ...LEFT);

/** What says how the graphs are made. `--labels` is of the data here, as with `lotrc train`. */
const EMITS = {
  alsoTrain: fitted(ONNX_TRAIN.alsoTrain, 'the output head of a classifier'),
  labelInput: ONNX_TRAIN.labels,
};

const TRAINS = {
  ...omit(
    TRAIN,
    'output',
    'json',
    'evalSplit',
    'seed',
    'streaming',
    'shuffleWindow',
    'distributed',
    'rankTimeout',
  ),
  evalSplit: { ...TRAIN.evalSplit, default: 0.1 },
  seed: { ...TRAIN.seed, doc: `${SELECT.seed.doc}; ${TRAIN.seed.doc}` },
  weights: MERGE.weights,
  ...REPORT,
};

/** Options that stand for several others. */
const TOGETHER = {
  preset: {
    type: word('name', PRESET_NAMES),
    doc: `fields, metric, batch and learning rate of a task: ${alternatives(PRESET_NAMES)} (docs/experiments.md); options that are given count more`,
  },
  recipe: {
    type: word('name', RECIPE_NAMES),
    doc: 'how the authors of a method train: lotr-paper (docs/experiments.md); --preset and options that are given count more',
  },
} as const;

const OUTPUT = {
  output: {
    type: folder('dir'),
    short: 'o',
    doc: 'folder for what is made; by default MODEL.tuned in the folder of the model',
  },
} as const;

/**
 * Options of `lotrc tune`: those of the commands that it runs. Where two of them have one of the same name, `seed` and `tie` are
 * of both.
 */
export const TUNE: typeof OUTPUT &
  typeof TOGETHER &
  typeof ADAPTS &
  typeof GRAPHS &
  typeof EMITS &
  typeof TRAINS = {
  ...OUTPUT,
  ...TOGETHER,
  ...ADAPTS,
  ...GRAPHS,
  ...EMITS,
  ...TRAINS,
};

/** Options that a run which is resumed has already. */
export const FIXED_BY_START: ReadonlySet<string> = new Set(
  [TOGETHER, ADAPTS, GRAPHS, EMITS].flatMap(Object.keys),
);
