import type { HostTensor } from '../backends/ort/messages.js';
import { ORT_TYPES } from '../backends/ort/messages.js';
import { calibrationData } from '../ir/codes/calibration.js';
import { fail } from '../ir/diagnostics.js';
import { bare } from '../ir/keys.js';
import type { Model } from '../ir/model.js';
import { shapeOf } from '../ir/shape.js';
import { batchesInOrder } from './batches.js';
import { type DataBatch, type Dataset, subset } from './data/dataset.js';
import { openData } from './data/open.js';
import type { DataOptions } from './data/read-data.js';
import type { Watch } from './data/source.js';
import { predicts } from './data/tasks.js';
import { extensionOf } from './data/unpack.js';
import { feedsOf, fixedExtents, mapInputs } from './feeds.js';
import type { GraphSignature, Port, Signature } from './signature.js';

/** What a model is run on so that its layers show what they read. */
interface Calibration {
  readonly file: string;
  readonly examples: number;
  /** Inputs of the model, batch by batch, the same each time. Throws LOTR3031 and as `feedsOf`. */
  batches(): Iterable<Readonly<Record<string, HostTensor>>>;
}

export interface CalibrationRequest {
  readonly file: string;
  readonly tokenizer: string | null;
  /** at most so many, the first of the file */
  readonly examples: number;
  readonly watch?: Watch;
}

const BATCH = 16;
/** A field that no record has: texts are read whether or not they have a label. */
const NO_FIELD = '\0';

/**
 * Opens calibration data: what `lotrc train` reads as running text, prompts, conversations, words or sources and targets, texts with labels (whose labels do not
 * matter), plain text, or ready tensors. Texts are in batches of equal length, so that nothing is padded. Throws as `openData` and `mapInputs`, LOTR3031 for an
 * empty choice.
 */
export async function openCalibration(model: Model, request: CalibrationRequest): Promise<Calibration> {
  const { file } = request;
  const ready = extensionOf(file) === '.safetensors';
  const signature = signatureFor(model, !ready);
  const graph: GraphSignature = {
    ...signature.graphs.eval!,
    inputs: signature.graphs.eval!.inputs.filter(({ role }) => role === 'batch'),
  };
  const { dataset: all } = await openData(
    file,
    signature,
    readingFor(request),
    null,
    new Map(),
    request.watch,
  );
  const dataset = subset(
    all,
    Array.from({ length: Math.min(all.size, request.examples) }, (_, k) => k),
  );
  const inputs = mapInputs(graph, dataset, new Map());
  const { rows } = fixedExtents(graph);
  // the targets of sources of equal length differ in theirs
  const size = !ready && predicts(signature) === 'target' ? 1 : BATCH;
  const cut = { inputs, batchSize: size, rows, dropShort: rows !== null, bucket: true };
  const batches = batchesInOrder(dataset, cut);
  if (batches.length === 0)
    fail(
      calibrationData({
        file,
        why: `the model takes batches of exactly ${rows} rows of one length, and there are too few of them`,
        hint: 'export the model with a dynamic batch dimension, or give more examples',
      }),
    );
  return {
    file,
    examples: batches.reduce((sum, own) => sum + own.length, 0),
    *batches() {
      for (const own of batches) {
        const batch = dataset.batch(own);
        requireFull(batch, dataset, file);
        const feeds = bare<HostTensor>();
        for (const [name, { type, dims, data }] of Object.entries(
          feedsOf(graph, inputs, batch, [], file).inputs,
        )) {
          const { buffer, byteOffset, byteLength } = data;
          feeds[name] = {
            dtype: DTYPES.get(type)!,
            shape: dims,
            data: new Uint8Array(buffer, byteOffset, byteLength),
          };
        }
        yield feeds;
      }
    },
  };
}

const DTYPES = new Map([...ORT_TYPES].map(([dtype, name]) => [name, dtype]));

/** Throws LOTR3031 where a row is padded: a layer reads padding too, and it would count. */
function requireFull({ columns }: DataBatch, { columns: names }: Dataset, file: string): void {
  const padded = names.find((name) => {
    const column = /attention_mask$/.test(name) ? columns.get(name) : undefined;
    return column?.shape.length === 2 && column.data.includes(0);
  });
  if (padded === undefined) return;
  fail(
    calibrationData({
      file,
      why: `rows are padded ("${padded}" holds zeros)`,
      hint: 'export the model with a dynamic length, give texts that fill its rows, or tensors without padding',
    }),
  );
}

function readingFor({ tokenizer }: CalibrationRequest): DataOptions {
  return {
    tokenizer,
    fields: {
      ...{ text: 'text', pair: null, label: NO_FIELD, prompt: 'prompt', completion: 'completion' },
      ...{ source: 'source', target: 'target', messages: 'messages', tokens: 'tokens', tags: 'tags' },
    },
    ...{ badLines: 'stop', maxLength: 128, padTo: 1, task: null, quote: null, labels: null, bucket: true },
    ...{ bos: null, eos: 'none', pack: false, lossOn: 'all', decoderStart: null, subwords: 'all' },
  };
}

/** What data is read for: all inputs of a model, and for texts tokens that it would predict. */
function signatureFor(model: Model, texts: boolean): Signature {
  const inputs = model.graph.inputs.flatMap((value): Port[] => {
    if (value.constant || value.type?.kind !== 'tensor') return [];
    const shape = (shapeOf(value) ?? []).map((extent, axis) => extent ?? `axis_${axis}`);
    return [{ name: value.name, role: 'batch', dtype: value.type.dtype, shape }];
  });
  const label: Port = { name: 'labels', role: 'label', dtype: 'i64', shape: ['batch', 'length'] };
  const numbers = { ignoreIndex: -100, labelSmoothing: 0, reduction: 'mean', shift: false } as const;
  return {
    version: 1,
    opset: model.opsets.get('') ?? 0,
    ep: ['cpu'],
    graphs: { eval: { file: '', inputs: texts ? [...inputs, label] : inputs, outputs: [] } },
    params: [],
    sites: [],
    optimizer: { kind: 'sgd', constants: {}, slots: [] },
    loss: { kind: texts ? 'cross-entropy' : 'kl-base', ...numbers },
    session: {},
    base: [],
  };
}
