import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../src/backends/onnx-train/options.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { parseModel } from '../../src/ir/text/index.js';
import { rewrite } from '../../src/rewrite.js';
import { writeCheckpoint } from '../../src/train/checkpoint.js';
import { FIELDS } from '../../src/train/data/fields.js';
import type { LabelMap } from '../../src/train/data/labels.js';
import { TrainingRun } from '../../src/train/run.js';
import type { RunSettings } from '../../src/train/settings.js';
import type { Signature } from '../../src/train/signature.js';
import { JsonTree } from './mutate-json.js';
import type { Workspace } from './workspace.js';

/** A training folder that lotrc wrote, a run of it, and data for it. */
export interface TrainingSeed {
  readonly name: string;
  readonly signature: Signature;
  readonly signatureTree: JsonTree;
  /** the other files of the folder but the graphs, by name */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly graphs: ReadonlyMap<string, Uint8Array>;
  /** data files by name */
  readonly data: ReadonlyMap<string, Uint8Array>;
  /** run.json, for the first of the data files */
  readonly settings: JsonTree;
  /** the other files of the run, by name */
  readonly run: ReadonlyMap<string, Uint8Array>;
}

const IDS = 'int64[batch, seq] input_ids, float[batch, seq] attention_mask';
const EMBED =
  'float[7,3] "embed.weight" = {0.5, -1, 2, 0.25, 1, -0.5, 3, 1, -2, 0.5, 0.75, 1, -1, 2, 1, 0.5, 1, 1, 2, -3, 1}';
const HEAD = 'float[3,4] "head.weight" = {1, -0.5, 2, 0.25, 0.5, -1, 1, 3, -2, 1, 0.5, -1}';
const model = (inputs: string, outputs: string, weights: string, body: string) =>
  `<ir_version: 9, opset_import: ["" : 17]>\nnet (${inputs}) => (${outputs})\n<\n  ${weights}\n>\n{\n${body}\n}\n`;

const MEAN = `  rows = Gather ("embed.weight", input_ids)
  flat = ReduceMean <axes = [1], keepdims = 0> (rows)
  ["/head/MatMul"] logits = MatMul (flat, "head.weight")`;
const EACH = `  rows = Gather ("embed.weight", input_ids)
  ["/head/MatMul"] logits = MatMul (rows, "head.weight")`;
const DECODER = `  read = Gather ("embed.weight", input_ids)
  seen = ReduceMean <axes = [1], keepdims = 1> (read)
  rows = Gather ("embed.weight", decoder_input_ids)
  both = Add (rows, seen)
  ["/head/MatMul"] logits = MatMul (both, "head.weight")`;

interface Variant {
  readonly name: string;
  readonly text: string;
  readonly options: Partial<TrainOptions>;
  readonly data: Readonly<Record<string, string | ((path: string) => void)>>;
  /** the field with a second text, and what the labels of the first data file mean */
  readonly pair?: string;
  readonly labels?: LabelMap;
}

const lines = (...rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const ids = (rows: number) =>
  i64Tensor(
    [rows, 3],
    Array.from({ length: rows * 3 }, (_, i) => i % 7),
  );
const ones = (rows: number) => f32Tensor([rows, 3], new Float32Array(rows * 3).fill(1));

const LABELLED = [
  { text: 'a bad film', label: 'no', other: 'it is bad' },
  { text: 'Good! \u00e9t\u00e9 2', label: 'yes', other: 'so good' },
  { text: 'it is', label: 'no', other: 'was it' },
  { text: 'the end', label: 'yes', other: 'the start' },
];
const table = (separator: string) =>
  ['text', 'label', 'other']
    .join(separator)
    .concat(
      '\n',
      LABELLED.map(({ text, label, other }) => [text, label, other].join(separator)).join('\n'),
      '\n"q, ""x""",no,\n'.replaceAll(',', separator),
    );
const CHAT = [
  { role: 'system', content: 'be short' },
  { role: 'user', content: 'hello' },
  { role: 'assistant', content: 'yes' },
];

const VARIANTS: readonly Variant[] = [
  {
    name: 'classes',
    text: model(IDS, 'float[batch, 4] logits', `${EMBED},\n  ${HEAD}`, MEAN),
    options: { alsoTrain: ['^embed'] },
    labels: { kind: 'names', names: ['no', 'yes'], order: 'data' },
    data: {
      'd.jsonl': lines(...LABELLED),
      'd.csv': table(','),
      'd.tsv': table('\t'),
      'd.safetensors': (path) =>
        writeSafetensors(
          path,
          new Map([
            ['input_ids', ids(4)],
            ['attention_mask', ones(4)],
            ['labels', i64Tensor([4], [0, 3, 1, 2])],
          ]),
        ),
    },
  },
  {
    name: 'language',
    text: model(IDS, 'float[batch, seq, 4] logits', `${EMBED},\n  ${HEAD}`, EACH),
    options: { shift: true },
    data: {
      'd.jsonl': lines({ text: 'hello there' }, { text: 'yes yes' }),
      'p.jsonl': lines(
        { prompt: 'hello', completion: ' there' },
        { prompt: CHAT.slice(0, 2), completion: CHAT.slice(2) },
      ),
      'c.jsonl': lines(
        { messages: CHAT, tools: [{ name: 'f' }] },
        { messages: CHAT, chat_template_kwargs: { x: 1 } },
      ),
      'd.csv': 'text\nhello there\n"two\nlines"\n',
      'd.txt': 'hello there\nyes yes\n\nyes there hello\n',
    },
  },
  {
    name: 'tags',
    text: model(IDS, 'float[batch, seq, 4] logits', `${EMBED},\n  ${HEAD}`, EACH),
    options: { names: 'ort' },
    labels: { kind: 'names', names: ['A', 'B'], order: 'data' },
    data: {
      'd.jsonl': lines({ tokens: ['hello', 'there'], tags: ['A', 'B'] }, { tokens: ['yes'], tags: ['B'] }),
      'd.safetensors': (path) =>
        writeSafetensors(
          path,
          new Map([
            ['input_ids', ids(2)],
            ['attention_mask', ones(2)],
            ['labels', ids(2)],
          ]),
        ),
    },
  },
  {
    name: 'values',
    text: model(
      'float[2, 3] x',
      'float[2, 4] y, float[2, 4] z',
      HEAD,
      '  ["/head/MatMul"] y = MatMul (x, "head.weight")\n  z = Tanh (y)',
    ),
    options: {
      terms: [
        { kind: 'mse', output: 'y', weight: 1 },
        { kind: 'bce', output: 'z', weight: 0.5 },
      ],
      loop: 2,
    },
    data: {
      'd.safetensors': (path) =>
        writeSafetensors(
          path,
          new Map([
            ['x', ones(4)],
            ['labels', f32Tensor([4, 4], new Float32Array(16).fill(0.5))],
            ['labels/z', f32Tensor([4, 4], new Float32Array(16).fill(1))],
          ]),
        ),
    },
  },
  {
    name: 'pairs',
    text: model(IDS, 'float[batch, 4] logits', `${EMBED},\n  ${HEAD}`, MEAN),
    options: { loss: 'cosine' },
    pair: 'other',
    labels: { kind: 'values' },
    data: { 'd.jsonl': lines(...LABELLED.map((row, i) => ({ ...row, label: i / 4 }))), 'd.csv': table(',') },
  },
  {
    name: 'seq2seq',
    text: model(
      `${IDS}, int64[batch, tgt] decoder_input_ids`,
      'float[batch, tgt, 4] logits',
      `${EMBED},\n  ${HEAD}`,
      DECODER,
    ),
    options: {},
    data: {
      'd.jsonl': lines({ source: 'hello', target: 'there' }, { source: 'yes', target: 'hello there' }),
      'd.tsv': 'source\ttarget\nhello\tyes\nyes\tthere\n',
    },
  },
];

const GRAPHS = /^(step|grad|apply|eval|infer|step-loop)\.onnx$/;

/** The training folders, made by lotrc in a folder of the workspace. */
export function trainingSeeds(workspace: Workspace): readonly TrainingSeed[] {
  return VARIANTS.map((variant) => {
    const folder = workspace.path(`seed-${variant.name}`);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'model.lotr.onnx');
    const adapted = parseModel(variant.text, join(folder, 'model.onnxtxt'));
    rewrite(adapted, { rank: 1, targets: ['head'] });
    writeModel(adapted, path);
    const options: TrainOptions = { ...TRAIN_DEFAULTS, ...variant.options };
    const { signature } = emitTraining({ open: () => readModel(path), folder, options });
    const all = readdirSync(folder).map(
      (name) => [name, new Uint8Array(readFileSync(join(folder, name)))] as const,
    );
    const signatureTree = JsonTree.parse(readFileSync(join(folder, 'signature.json'), 'utf8'));
    const data = new Map(
      Object.entries(variant.data).map(([name, made]) => {
        if (typeof made === 'string') return [name, new Uint8Array(Buffer.from(made))] as const;
        made(join(folder, name));
        return [name, new Uint8Array(readFileSync(join(folder, name)))] as const;
      }),
    );
    return {
      name: variant.name,
      signature,
      signatureTree,
      files: new Map(all.filter(([name]) => name !== 'signature.json' && !GRAPHS.test(name))),
      graphs: new Map(all.filter(([name]) => GRAPHS.test(name))),
      data,
      settings: JsonTree.of(settingsFor(signatureTree.text, data, variant)),
      run: runOf(folder),
    };
  });
}

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

/** The settings of a run with the options that `train` has by default, in the folder where inputs are placed. */
function settingsFor(
  signatureText: string,
  data: ReadonlyMap<string, Uint8Array>,
  { pair, labels }: Variant,
): RunSettings {
  const [[file, bytes]] = [...data] as unknown as [[string, Uint8Array]];
  return {
    version: 1,
    training: sha256(signatureText),
    data: { file, sha256: sha256(bytes) },
    evalData: null,
    evalSplit: 0,
    reading: {
      tokenizer: file.endsWith('.safetensors') ? null : 'k/tokenizer.json',
      fields: { ...FIELDS, pair: pair ?? null },
      badLines: 'stop',
      maxLength: 128,
      padTo: 8,
      task: null,
      quote: null,
      labels: null,
      bucket: false,
      bos: 'none',
      eos: 'none',
      pack: false,
      lossOn: 'answers',
      subwords: 'first',
      decoderStart: null,
    },
    tokenizer: file.endsWith('.safetensors') ? null : { file: 'k/tokenizer.json', sha256: sha256('') },
    batchSize: 2,
    plan: {
      epochs: 3,
      maxSteps: 4,
      accumulate: 1,
      schedule: { kind: 'linear', peak: 0.002, floor: 0, power: 1, warmup: 0 },
      seed: 0,
      lossScale: 1,
      evalEvery: null,
      checkpointEvery: 100,
      best: 'loss',
      patience: null,
      warmupSteps: null,
    },
    ep: 'cpu',
    threads: 1,
    lowMemory: false,
    ranks: 1,
    stream: null,
    inputs: {},
    labels: labels ?? null,
  };
}

/** Checkpoint and adapter of a run, after two steps that changed nothing. */
function runOf(folder: string): ReadonlyMap<string, Uint8Array> {
  const run = TrainingRun.open(folder, { inProcess: true, threads: 1 });
  const { tensors } = readSafetensors(join(folder, 'state.safetensors'));
  const names = new Set(run.signature.params.map(({ name }) => name));
  const parameters = new Map([...tensors].filter(([name]) => names.has(name)));
  const into = join(folder, 'run');
  mkdirSync(into, { recursive: true });
  const position = {
    step: 2,
    updates: 2,
    scale: { value: 1, steady: 2, skipped: 0 },
    best: { step: 1, loss: 0.5, value: 0.5 },
    stale: 1,
  };
  writeCheckpoint(into, run, tensors, position);
  writeSafetensors(join(into, 'adapter.safetensors'), parameters, run.metadata);
  return new Map(
    readdirSync(into).map((name) => [name, new Uint8Array(readFileSync(join(into, name)))] as const),
  );
}
