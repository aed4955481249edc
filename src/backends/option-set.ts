import { defineOptions, type OptionSet } from '../options/define.js';
import { CLOBBER, WATCH } from '../options/sets/shared.js';
import {
  alternatives,
  file,
  flag,
  folder,
  formed,
  list,
  narrowed,
  text,
  whole,
  word,
} from '../options/types.js';
import { DEFAULT_OPTIMIZER, OPTIMIZER_KINDS } from '../train/optimizers/index.js';
import type { BackEnd } from './backend.js';
import { STEP_KINDS } from './host/shared/optimizer.js';
import { MATRIX_SHAPES } from './kernel/device/subgroup-matrices.js';
import type { KernelDtype } from './kernel/model/types.js';
import type { StrategyKey } from './kernel/plan/choose.js';

/** Element types that some device of a back end computes in. */
const dtypesOf = ({ devices }: BackEnd): readonly KernelDtype[] =>
  (['f32', 'f16', 'bf16'] as const).filter((dtype) => devices.some(({ flops }) => flops[dtype] !== null));

/** Values of --form; the bordered weight needs a vendor library. */
const formsOf = ({ devices }: BackEnd): readonly StrategyKey[] => [
  ...(['split', 'widen', 'token', 'merged'] as const),
  ...(devices.some(({ features }) => features.includes('library')) ? (['bordered'] as const) : []),
];

/** Architectures that a back end plans for, separated by commas. */
function architectures(known: readonly string[]) {
  const one = `(?:${known.join('|')})`;
  return formed(
    'arch',
    `${alternatives(known)}, or several of them, separated by commas`,
    new RegExp(`^${one}(?:,${one})*$`, 'u'),
  );
}

/** Options that not every back end takes. */
function special({ devices }: BackEnd) {
  const known = [...new Set(devices.map(({ target }) => target))].sort((a, b) => numberIn(a) - numberIn(b));
  return defineOptions({
    subgroups: {
      type: flag,
      doc: 'use subgroup sums where there are few rows (not every browser has subgroups)',
    },
    subgroupMatrix: {
      type: word('shape', MATRIX_SHAPES),
      doc: 'multiply matrices of this shape in subgroups where widths and ranks are multiples of 4 (experimental; the device has to list it)',
    },
    segments: {
      type: flag,
      doc: 'also write the rest of the model, in segments for ONNX Runtime Web, and a module that runs all of it (--for serve)',
    },
    maxRank: {
      type: whole(1),
      doc: 'each row of a batch has an adapter of its own, of any rank up to this and with its own scale (--for serve; with --adapters)',
    },
    accumulate: {
      type: word('type', ['f32', 'f16']),
      doc: 'f16: add up 8 or 16 products at a time in float16, which may be off by 1 % of their magnitudes (--dtype f16; default: f32)',
    },
    arch: {
      type: narrowed(text('arch'), architectures(known)),
      doc: `${known.join(', ')} instead of --device; several: ${someArchitectures(devices)}`,
    },
    tf32: {
      type: flag,
      doc: 'run float32 products over tokens on matrix units, with operands rounded to 10 bits',
    },
    tf32x3: {
      type: flag,
      doc: 'the same with three products for each, which keeps 21 bits or more: nearly float32',
    },
  }) satisfies OptionSet;
}

/** Two architectures as --arch takes them, the usual one first. */
export const someArchitectures = (devices: BackEnd['devices']): string =>
  [...new Set(devices.map(({ target }) => target))].slice(0, 2).join(',');

/** The number of `sm_90a`. */
const numberIn = (arch: string): number => Number(/\d+/.exec(arch)?.[0] ?? 0);

/** Options of `lotrc emit NAME`: kernels for the adapted layers. Those that the back end does not take are left out. */
export function gpuOptions(backEnd: BackEnd) {
  const { devices, flags } = backEnd;
  const [dtypes, forms] = [dtypesOf(backEnd), formsOf(backEnd)];
  const names = devices.map(({ name }) => name);
  const some = special(backEnd);
  const set = defineOptions({
    output: { type: folder('dir'), short: 'o', doc: 'folder for the kernels' },
    explain: { type: flag, default: false, doc: 'print the plan and write nothing' },
    device: {
      // configs name profiles
      type: narrowed(text('name'), word('name', names)),
      doc: `profile of the device: ${names.join(', ')}${backEnd.records ? '; or a device record of `lotrc doctor` (.json)' : ''}`,
    },
    tokens: {
      type: list(whole(1), 'separated'),
      default: [1024],
      doc: 'rows of every input (batch times sequence); several: 1,1024',
    },
    dtype: {
      type: word('type', dtypes),
      doc: `${alternatives(dtypes)} (default: that of the layers)`,
    },
    for: {
      type: word('purpose', ['train', 'serve']),
      default: 'train',
      doc: 'train, or serve (forward only, adapters can be exchanged)',
    },
    optimizer: {
      type: narrowed(word('kind', OPTIMIZER_KINDS), word('kind', STEP_KINDS)),
      doc: `what a step does: ${alternatives(STEP_KINDS)} (--for train; default: ${DEFAULT_OPTIMIZER.kind})`,
    },
    adapters: { type: whole(1), default: 1, doc: 'adapters in one batch (--for serve)' },
    strategy: {
      flag: 'form',
      type: word('form', forms),
      doc: `${alternatives(forms)} (default: the cheapest)`,
    },
    merge: {
      type: flag,
      default: false,
      doc: 'also write kernels that merge the adapter into the weights and unmerge it (--for serve)',
    },
    schedules: {
      type: file,
      doc: 'tile sizes to try before the built-in ones (JSON, docs/kernels.md)',
    },
    ...CLOBBER,
    ...WATCH,
    json: { type: flag, default: false, doc: 'print JSON (version 1)' },
    ...some,
  });
  const taken = Object.entries(set).filter(
    ([key]) => !Object.hasOwn(some, key) || flags.some((name) => name === key),
  );
  return Object.fromEntries(taken) as unknown as typeof set;
}

/** The options of one back end. */
export type GpuOptions = ReturnType<typeof gpuOptions>;
