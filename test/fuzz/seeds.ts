import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LORA } from '../../src/adapter/methods/lora.js';
import { H100 } from '../../src/backends/kernel/device/h100.js';
import { WEBGPU_LAPTOP } from '../../src/backends/kernel/device/webgpu-laptop.js';
import { schedulesJson } from '../../src/backends/kernel/plan/schedule-file.js';
import { convertAdapter } from '../../src/interop/convert.js';
import { ggufAdapter } from '../../src/interop/gguf-write.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { onnxAdapterOutput } from '../../src/ir/files/onnx-adapter.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { rewrite } from '../../src/rewrite.js';
import { eventSeeds } from './logs.js';
import { JsonTree } from './mutate-json.js';
import { type TrainingSeed, trainingSeeds } from './training-seeds.js';
import type { Workspace } from './workspace.js';

/** Well-formed files of every format that mutations start from. */
export interface Seeds {
  readonly models: readonly Uint8Array[];
  readonly texts: readonly string[];
  /** models with adapters */
  readonly adapted: readonly Uint8Array[];
  /** adapter files, each with the model that it was made for */
  readonly adapters: readonly { readonly model: Uint8Array; readonly file: Uint8Array }[];
  readonly flat: readonly Uint8Array[];
  readonly peft: readonly { readonly config: JsonTree; readonly weights: Uint8Array }[];
  readonly training: readonly TrainingSeed[];
  readonly tokenizers: readonly JsonTree[];
  /** files next to a tokenizer, by name: JSON, or text */
  readonly configs: ReadonlyMap<string, JsonTree | string>;
  /** event files, by their records */
  readonly events: readonly (readonly Uint8Array[])[];
  readonly schedules: readonly JsonTree[];
  readonly ggufs: readonly Uint8Array[];
}

type Growing = {
  readonly [Key in 'models' | 'texts' | 'adapted' | 'adapters' | 'flat' | 'peft']: Seeds[Key][number][];
};

/**
 * The seeds: models as text and as ONNX in `folder`, tokenizers of the tests in `data`. To them come models with adapters,
 * adapter files of each format, and training folders with runs, made by lotrc itself.
 */
export function loadSeeds(folder: string, data: string, workspace: Workspace): Seeds {
  const made: Growing = { models: [], texts: [], adapted: [], adapters: [], flat: [], peft: [] };
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const isText = name.endsWith('.onnxtxt');
    if (!isText && !name.endsWith('.onnx')) continue;
    const text = isText ? readFileSync(path, 'utf8') : printModel(readModel(path));
    const bytes = isText ? encoded(text, workspace) : readFileSync(path);
    made.texts.push(text);
    made.models.push(bytes);
    for (const method of ['lotr', 'lora'] as const) derive(bytes, method, workspace, made);
  }
  const json = (path: string) => JsonTree.parse(readFileSync(join(data, path), 'utf8'));
  const names = readdirSync(join(data, 'tokenizers')).filter(
    (name) => /^\w+\.json$/.test(name) && name !== 'texts.json',
  );
  return {
    ...made,
    training: trainingSeeds(workspace),
    tokenizers: [
      json('language/tokenizer.json'),
      JsonTree.of({ type: 'character', chars: ' abcdefghijklmnopqrstuvwxyz' }),
      ...names.sort().map((name) => json(`tokenizers/${name}`)),
    ],
    configs: new Map<string, JsonTree | string>([
      ['tokenizer_config.json', json('language/tokenizer_config.json')],
      [
        'special_tokens_map.json',
        JsonTree.of({ bos_token: '<s>', eos_token: { content: '</s>', lstrip: false } }),
      ],
      ['chat_template.jinja', readFileSync(join(data, 'language/marked.jinja'), 'utf8')],
      [
        'config.json',
        JsonTree.of({ id2label: { 0: 'no', 1: 'yes', 2: 'a', 3: 'b' }, decoder_start_token_id: 0 }),
      ],
      ['generation_config.json', JsonTree.of({ decoder_start_token_id: 1, eos_token_id: [2] })],
    ]),
    events: eventSeeds(),
    schedules: [
      JsonTree.parse(schedulesJson(WEBGPU_LAPTOP.tiles.slice(0, 6))),
      JsonTree.parse(schedulesJson(H100.tiles.slice(0, 6))),
    ],
    ggufs: [gguf(), ...ggufAdapters(workspace)],
  };
}

/** A text as ONNX; its external data stay external. */
function encoded(text: string, workspace: Workspace): Uint8Array {
  const model = parseModel(text, workspace.path('seed.onnxtxt'));
  if (!text.includes('"location"')) return encodeModel(model);
  writeModel(model, workspace.path('seed.onnx'), { weights: 'link' });
  return readFileSync(workspace.path('seed.onnx'));
}

function derive(bytes: Uint8Array, method: 'lotr' | 'lora', workspace: Workspace, into: Growing): void {
  const path = workspace.path('seed.onnx');
  writeFileSync(path, bytes);
  const model = readModel(path);
  const read = (name: string) => new Uint8Array(readFileSync(workspace.path(name)));
  try {
    const { adapter } = rewrite(model, {
      rank: 1,
      targets: ['.*'],
      ...(method === 'lora' ? { spec: LORA } : {}),
    });
    writeModel(model, workspace.path('adapted.onnx'));
    const adapted = read('adapted.onnx');
    into.models.push(adapted);
    into.adapted.push(adapted);
    into.texts.push(printModel(model));
    writeSafetensors(workspace.path('seed.safetensors'), adapter.tensors, adapter.metadata);
    into.adapters.push({ model: bytes, file: read('seed.safetensors') });
    writeAtomically([onnxAdapterOutput(workspace.path('seed.onnx_adapter'), adapter.tensors)]);
    into.flat.push(read('seed.onnx_adapter'));
    mkdirSync(workspace.path('peft'), { recursive: true });
    const as = { kind: 'own', adapter } as const;
    writeAtomically(convertAdapter(as, 'seed', 'peft', workspace.path('peft')).outputs);
    const weights = read('peft/adapter_model.safetensors');
    const config = Buffer.from(read('peft/adapter_config.json')).toString();
    into.peft.push({ config: JsonTree.parse(config), weights });
    into.adapters.push({ model: bytes, file: weights });
  } catch (error) {
    // a seed without a layer to adapt has no adapted form, and not every adapter has each file format
    if (!(error instanceof LotrcError)) throw error;
  }
}

/** Adapters of llama.cpp: one whose rows are interleaved, one whose are not. */
function ggufAdapters(workspace: Workspace): readonly Uint8Array[] {
  return (['llama', 'bert'] as const).map((arch) => {
    const path = workspace.path('seed.gguf');
    const ends = { llama: 'layers.0.self_attn.q_proj', bert: 'layer.0.attention.self.query' };
    const layer = { module: ends[arch], rank: 2, alpha: 3, scaling: 'rank', error: null } as const;
    const a = f32Tensor(
      [2, 4],
      Float32Array.from({ length: 8 }, (_, k) => k - 3),
    );
    const b = f32Tensor(
      [8, 2],
      Float32Array.from({ length: 16 }, (_, k) => k / 4),
    );
    writeAtomically([ggufAdapter(path, [{ ...layer, a, b }], [], { arch, headSize: 4 })]);
    return new Uint8Array(readFileSync(path));
  });
}

/** A file of llama.cpp, version 3: no tensors, one text in its metadata. */
function gguf(): Uint8Array {
  const text = (value: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(value.length));
    return [length, Buffer.from(value)];
  };
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32LE(3);
  numbers.writeBigUInt64LE(1n, 12);
  const STRING = Buffer.from([8, 0, 0, 0]);
  return Buffer.concat([
    ...[Buffer.from('GGUF'), numbers, ...text('general.architecture'), STRING, ...text('llama')],
  ]);
}
