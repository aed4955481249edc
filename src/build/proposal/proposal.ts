import { LOTR } from '../../adapter/methods/lotr.js';
import type { SavedPlan } from '../../adapter/saved-plan.js';
import { parseInit } from '../../init/index.js';
import { LotrcError } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import { countLora, countTrainable } from '../../passes/sites/counts.js';
import { findLinears, type Linears } from '../../passes/sites/find.js';
import { headSites } from '../../passes/sites/heads.js';
import type { Site } from '../../passes/sites/site.js';
import { unpackLayers } from '../../passes/unpack/unpack.js';
import { rewrite } from '../../rewrite.js';
import type { ModelConfig } from '../config.js';
import { type Purpose, type PurposeKind, purposeOf } from './purpose.js';

/** An option that is proposed, by its key in a config. */
export interface ProposedOption<V = unknown> {
  readonly key: string;
  readonly value: V;
  /** sentences that say why; none where the key says it */
  readonly why: readonly string[];
}

/** What is proposed for a model: the options of each step. */
export interface Proposal {
  readonly purpose: Purpose;
  readonly rewrite: readonly ProposedOption[];
  /** null: no training is proposed */
  readonly training: readonly ProposedOption[] | null;
  readonly train: readonly ProposedOption[] | null;
}

/** Paths of layers that are often adapted alone: queries, values, or both in one matrix. */
const ATTENTION = /^(query|value|[qv]_proj|[qv]_lin|[qv]|query_proj|value_proj|c_attn|qkv|in_proj|qkv_proj)$/;
/** The largest rank for layers of that width or more. */
const RANKS = [
  [2048, 32],
  [512, 16],
  [16, 8],
] as const;
/** Rows are cut to this length, unless the model knows fewer positions. */
const LENGTH = 128;
/** Kinds whose last layer says what the classes are. */
const HAS_HEAD: ReadonlySet<PurposeKind> = new Set(['classes', 'number', 'tags']);

/** Options that fit a model. `open` reads it. Reads the layers as `lotrc inspect` does. Throws what `rewrite` throws. */
export function proposalOf(open: () => Model): Proposal {
  const model = open();
  const purpose = purposeOf(model);
  unpackLayers(model, () => true);
  const linears = findLinears(model);
  const heads = headSites(
    linears.sites,
    linears.candidates.map(({ node }) => node),
  );
  const { section, all } = rewriteOf(open, linears, heads);
  return {
    purpose,
    rewrite: section,
    training: trainingOf(purpose, all ? [] : [...heads]),
    train: trainOf(purpose),
  };
}

/** The settings as an object. */
export function proposedValues(section: readonly ProposedOption[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(section.map(({ key, value }) => [key, value]));
}

function rewriteOf(open: () => Model, linears: Linears, heads: ReadonlySet<Site>) {
  const inner = linears.sites.filter((site) => !heads.has(site));
  const sites = inner.length > 0 ? inner : linears.sites;
  const widths = sites.map((site) => Math.min(site.in, site.out)).sort((a, b) => a - b);
  const width = widths[Math.floor(widths.length / 2)] ?? 0;
  let rank = RANKS.find(([least]) => width >= least)?.[1] ?? Math.max(1, Math.floor(width / 2));
  const planned = (targets?: readonly string[]): SavedPlan =>
    rewrite(open(), {
      rank,
      spec: parseInit('fan-in', { ...LOTR, scale: rank }),
      withoutData: true,
      ...(targets ? { targets } : {}),
    }).plan;
  let all = false;
  let plan: SavedPlan;
  try {
    plan = planned();
  } catch (error) {
    // every layer is a head or a convolution: those must be named
    if (!(error instanceof LotrcError) || linears.sites.length === 0) throw error;
    all = true;
    rank = Math.min(rank, ...linears.sites.map((site) => Math.min(site.in, site.out)));
    plan = planned(['.*']);
  }
  const layers = plan.plans.reduce((sum, row) => sum + row.sites.length, 0);
  const paths = plan.plans.flatMap((row) =>
    row.sites.map((site) => (site.modulePath ?? '').split('.').at(-1)!),
  );
  const attention = [...new Set(paths)].filter((name) => ATTENTION.test(name));
  const few = attention.length === 0 ? [] : [`For fewer: targets: ${listText(attention)}`];
  const n = (value: number) => value.toLocaleString('en-US');
  const counts = `${n(layers)} linear layers get adapters: ${n(countTrainable(plan.plans))} trainable parameters. LoRA at this rank has ${n(plan.plans.reduce((sum, row) => sum + countLora(row), 0))}.`;
  const section: ProposedOption[] = [
    { key: 'rank', value: rank, why: [counts, ...few] },
    ...(all
      ? [
          {
            key: 'targets',
            value: ['.*'],
            why: ['Its layers are output heads and convolutions, which must be named.'],
          },
        ]
      : []),
    { key: 'init', value: 'fan-in', why: ['Trains best with a scale near the rank.'] },
    { key: 'scale', value: rank, why: [] },
  ];
  return { section, all };
}

function trainingOf(purpose: Purpose, heads: readonly Site[]): readonly ProposedOption[] | null {
  const { kind, outputs, others, mask } = purpose;
  const [first] = outputs;
  const of = (loss: string) => [{ key: 'loss', value: [{ kind: loss }], why: [`It ${purpose.about}.`] }];
  const logits = others && first !== undefined ? [{ key: 'logits', value: first, why: [] }] : [];
  const head = HAS_HEAD.has(kind) ? alsoTrain(heads) : [];
  switch (kind) {
    case 'classes':
    case 'tags':
      return [...of('cross-entropy'), ...logits, ...head];
    case 'number':
      return [...of('mse'), ...logits, ...head];
    case 'seq2seq':
      return [...of('cross-entropy'), ...logits];
    case 'language':
      return [
        ...of('cross-entropy'),
        ...logits,
        { key: 'shift', value: true, why: ['Each position predicts the next token.'] },
      ];
    case 'embedding': {
      const masks =
        mask !== null
          ? [{ key: 'mask', value: mask, why: ['Its vectors are averaged where this is 1.'] }]
          : [];
      return [
        ...of('contrastive'),
        ...(first === undefined ? [] : [{ key: 'logits', value: first, why: [] }]),
        ...masks,
      ];
    }
    case 'span': {
      const value = outputs.map((output) => ({ output, kind: 'cross-entropy', weight: 1 / outputs.length }));
      return [{ key: 'loss', value, why: [`It ${purpose.about}.`] }];
    }
    default:
      return null;
  }
}

/** The head in full, where its weights are numbers that training can change. */
function alsoTrain(heads: readonly Site[]): readonly ProposedOption[] {
  const paths = heads.flatMap(({ modulePath, dtype }) =>
    modulePath !== null && dtype === 'f32' ? [modulePath] : [],
  );
  if (paths.length === 0) return [];
  const value = paths.map(
    (path) => `(^|\\.)${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(\\.(weight|bias))?$`,
  );
  return [
    {
      key: 'alsoTrain',
      value,
      why: ['The output head is trained in full: it is small, and says what the classes are.'],
    },
  ];
}

function trainOf({ kind, text, longest }: Purpose): readonly ProposedOption[] | null {
  if (kind === 'unknown' || kind === 'masked') return null;
  const split = {
    key: 'evalSplit',
    value: 0.1,
    why: ['A tenth of the data is for evaluation: the best parameters are kept.'],
  };
  const cut =
    text && longest !== null && longest < LENGTH
      ? [{ key: 'maxLength', value: longest, why: [`The model knows ${longest} positions.`] }]
      : [];
  return [split, ...cut];
}

/** `['a', 'b']`. */
export const listText = (names: readonly string[]): string =>
  `[${names.map((name) => `'${name}'`).join(', ')}]`;

/** Outputs of a build that are proposed. `trains`: whether there is data to train on. */
export function outputsOf({ training }: Proposal, trains: boolean): NonNullable<ModelConfig['outputs']> {
  if (training === null) return ['onnx', 'adapter'];
  return trains ? ['onnx', 'adapter', 'training', 'merged'] : ['onnx', 'adapter', 'training'];
}
