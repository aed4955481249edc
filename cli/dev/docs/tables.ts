import { METHODS } from '../../../src/adapter/methods/index.js';
import { PRESETS, type Preset, RECIPES } from '../../../src/build/presets.js';
import { TUNE } from '../../../src/build/tune-set.js';
import { formText } from '../../../src/init/spec.js';
import { flagOf, type OptionSet } from '../../../src/options/define.js';
import { kebab } from '../../../src/options/flags.js';
import { type NumberRange, rangeText } from '../../../src/options/range.js';
import { LOSS_KINDS, lossFacts } from '../../../src/train/losses/facts.js';
import { lossDef } from '../../../src/train/losses/index.js';
import { METRICS } from '../../../src/train/metrics/metrics.js';
import { OPTIMIZER_KINDS, optimizerDef } from '../../../src/train/optimizers/index.js';
import { EXIT, EXIT_MEANINGS } from '../../failure.js';
import { markdownTable } from './markdown.js';
import { optionTables, passTable } from './options.js';

/** Every table that a document may hold, by its name there, as Markdown. */
export const TABLES: Readonly<Record<string, () => string>> = {
  ...optionTables(),
  'options-of-passes': passTable,
  'exit-codes': () =>
    markdownTable(
      ['code', 'meaning'],
      EXIT_MEANINGS.map(([name, meaning]) => [`${EXIT[name]}`, meaning]),
    ),
  methods: () =>
    markdownTable(
      ['`--method`', 'delta, wrap', 'factors: share, mode, at the start', 'scale'],
      [...METHODS.values()].map(({ method, delta, factors, scaling, scale, wrap, detachNorm, scaleBias }) => [
        `\`${method}\``,
        [`\`${delta}\``, wrap, detachNorm && 'norm detached', scaleBias && 'bias too']
          .filter(Boolean)
          .join(', '),
        factors
          .map(({ name, share, mode, init, slice }) => {
            const part = slice ? ', leading part' : '';
            return `\`${name}\`: ${share}${part}, ${mode}, ${formText(init)}`;
          })
          .join('<br>'),
        SCALES[scaling].replace('scale', `${scale}`),
      ]),
    ),
  losses: () =>
    markdownTable(
      ['`--loss`', 'what it is', 'output', 'labels', 'options'],
      LOSS_KINDS.map((kind) => {
        const { doc, takes, reads, numbers } = lossDef(kind);
        const flags = reads.filter((flag) => flag !== '--labels').map((flag) => `\`${flag}\``);
        return [
          `\`${kind}\``,
          lossFacts(kind).pairs ? `${doc}; a batch holds pairs` : doc,
          takes.output,
          takes.labels,
          [...numbersText(numbers), ...flags].join('<br>'),
        ];
      }),
    ),
  presets: () =>
    markdownTable(
      ['`--preset`', 'what it stands for'],
      Object.entries(PRESETS).map(([name, values]) => [`\`${name}\``, presetText(values)]),
    ),
  recipes: () =>
    markdownTable(
      ['`--recipe`', 'what it stands for'],
      Object.entries(RECIPES).map(([name, values]) => [`\`${name}\``, presetText(values)]),
    ),
  metrics: () =>
    markdownTable(
      ['metric', 'what it is', 'of', 'better'],
      METRICS.map(({ name, doc, where, better }) => [`\`${name}\``, doc, where, better]),
    ),
  optimizers: () =>
    markdownTable(
      ['`--optimizer`', 'what it is', 'numbers (default)', 'state'],
      OPTIMIZER_KINDS.map((kind) => {
        const { doc, hyper, slots, arithmetic } = optimizerDef(kind);
        const only = arithmetic === 'matrices' ? '; for parameters with two axes' : '';
        return [
          `\`${kind}\``,
          `${doc}${only}`,
          numbersText(hyper).join('<br>'),
          slots.map((slot) => `\`${slot}\``).join(', '),
        ];
      }),
    ),
};

/** What D is multiplied by. */
const SCALES = { rank: 'scale / rank', 'sqrt-rank': 'scale / sqrt(rank)', none: 'scale' } as const;

type Numbers = Readonly<
  Record<string, NumberRange & { readonly default: number; readonly whole?: true; readonly doc: string }>
>;

const numbersText = (numbers: Numbers): string[] =>
  Object.entries(numbers).map(([name, number]) => {
    const what = number.whole ? 'a whole number' : 'a number';
    return `\`--${kebab(name)}\` (${number.default}): ${number.doc}, ${what}${rangeText(number)}`;
  });

/** Options as words of a command line. */
function presetText(values: Preset): string {
  const shown = (value: unknown): string =>
    Array.isArray(value)
      ? value.map((one) => (typeof one === 'object' ? one.kind : one)).join(',')
      : String(value);
  return Object.entries(values)
    .map(([key, value]) => `\`--${flagOf(key, TUNE_OPTIONS[key]!)} ${shown(value)}\``)
    .join(' ');
}
const TUNE_OPTIONS: OptionSet = TUNE;
