// #if EMIT_SOURCE
import { createAdapters } from './adapters.js';
import {
  type Adapters,
  BUFFERS,
  type BufferLayout,
  type BufferName,
  FACTORS,
  type NumbersName,
  PACKED,
  type Places,
  REGIONS,
  type RegionIndex,
  WEIGHTS,
} from './plan.js';
import { AGREED, INPUTS, OUTPUTS, SEGMENTS, type Segment, TRAINED, WEIGHTS_FILE } from './segments.js';
// #else
//- /** The whole model: segments in ONNX Runtime Web, and between them the kernels of index.ts. Written by lotrc. */
//- import {
//-   type Adapters,
//-   BUFFERS,
//-   type BufferLayout,
//-   type BufferName,
//-   createAdapters,
//-   FACTORS,
//-   type NumbersName,
// #if EMIT_PACKED
//-   PACKED,
// #endif
//-   type Places,
//-   REGIONS,
//-   type RegionIndex,
//-   WEIGHTS,
//- } from './index.js';
// #endif
// #if !EMIT_SOURCE
// #insert tables
// #endif

/** What is used of ONNX Runtime: the module `onnxruntime-web/webgpu` has it. */
export interface Ort {
  readonly env: { readonly webgpu: unknown };
  readonly InferenceSession: { create(model: never, options: never): Promise<OrtSession> };
  readonly Tensor: (new (
    type: never,
    data: never,
    dims: readonly number[],
  ) => OrtTensor) & { fromGpuBuffer(buffer: never, options: never): OrtTensor };
}

export interface OrtSession {
  run(feeds: never): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly location: string;
  readonly data: unknown;
  readonly gpuBuffer: unknown;
  getData(): Promise<unknown>;
  dispose(): void;
}

/** How the model is opened. */
export interface ModelOptions {
  /** the module `onnxruntime-web/webgpu` */
  readonly ort: Ort;
  /** gives a file of the folder that lotrc wrote, by its path in it */
  readonly read: (path: string) => Promise<ArrayBuffer | Uint8Array>;
  /** most rows of the input of a layer (batch times sequence); that of the plan unless given */
  readonly tokens?: number;
  /** the device of all sessions, with what requirements() of index.ts lists; one that ONNX Runtime requests unless given */
  readonly device?: GPUDevice;
  /** further options of ONNX Runtime's sessions */
  readonly session?: Readonly<Record<string, unknown>>;
}

/** A model whose adapted layers are kernels of index.ts. */
export interface Model {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** the kernels, for programs that set factors themselves */
  readonly adapters: Adapters;
  /**
   * Uses an adapter file (.safetensors) of lotrc from the next run on; null: none, and the model computes what its base does. Throws
   * for a file of another method, rank, scale or seed, and says which.
   */
  use(file: ArrayBuffer | Uint8Array | null): void;
  /** Runs the model. Outputs lie in memory, all else stays on the device. */
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>>;
  /** Ends the sessions and frees the buffers. */
  close(): Promise<void>;
}

/** Loads all segments, makes the kernels, and gives them the weights and factors that the model holds. */
export async function openModel({ ort, read, tokens, device, session: more }: ModelOptions): Promise<Model> {
  const provider = device ? { name: 'webgpu', device } : 'webgpu';
  const sessions: (OrtSession | null)[] = [];
  let adapters: Adapters | null = null;
  const release = async () => {
    adapters?.destroy();
    for (const session of sessions) await session?.release();
  };
  try {
    for (const { file, kept } of SEGMENTS) {
      const preferredOutputLocation = Object.fromEntries(kept.map((name) => [name, 'gpu-buffer']));
      const options = { executionProviders: [provider], preferredOutputLocation, ...more };
      const bytes = file === null ? null : bytesOf(await read(file));
      sessions.push(bytes && (await ort.InferenceSession.create(bytes as never, options as never)));
    }
    const shared =
      device ?? ((await (ort.env.webgpu as { device?: unknown }).device) as GPUDevice | undefined);
    if (!shared)
      throw new Error('ONNX Runtime has no WebGPU device: import onnxruntime-web/webgpu, or give a device');
    adapters = await createAdapters(shared, tokens === undefined ? {} : { tokens });
    return modelOn(shared, ort, adapters, sessions, await read(WEIGHTS_FILE), release);
  } catch (error) {
    await release();
    throw error;
  }
}

function modelOn(
  device: GPUDevice,
  ort: Ort,
  adapters: Adapters,
  sessions: readonly (OrtSession | null)[],
  weightsFile: ArrayBuffer | Uint8Array,
  release: () => Promise<void>,
): Model {
  // #if EMIT_PACKED
  const { tensors: held, bytes } = tensorsIn(bytesOf(weightsFile), WEIGHTS_FILE, Object.keys(PACKED));
  adapters.setPacked(bytes);
  // #else
  //-   const held = tensorsIn(bytesOf(weightsFile), WEIGHTS_FILE).tensors;
  // #endif
  const ofPlaces = (places: Places) =>
    Object.fromEntries(Object.entries(held).filter(([name]) => Object.hasOwn(places, name)));
  adapters.setWeights(ofPlaces(WEIGHTS));
  adapters.setAdapter(ofPlaces(FACTORS));

  const run = async (feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>> => {
    const values = new Map<string, OrtTensor>();
    const dispose: OrtTensor[] = [];
    for (const name of INPUTS) {
      const feed = feeds[name];
      if (!feed) throw new Error(`the input ${name} is missing; the model reads ${INPUTS.join(', ')}`);
      values.set(name, feed);
    }
    try {
      for (const [n, { inputs, regions }] of SEGMENTS.entries()) {
        const own = Object.fromEntries(inputs.map((name) => [name, values.get(name)]));
        for (const [name, tensor] of Object.entries((await sessions[n]?.run(own as never)) ?? {})) {
          values.set(name, tensor);
          if (tensor.location === 'gpu-buffer') dispose.push(tensor);
        }
        if (regions.length > 0) layers(regions, values);
      }
      const outputs: Record<string, OrtTensor> = {};
      for (const name of OUTPUTS) outputs[name] = await inMemory(name, values.get(name)!);
      return outputs;
    } finally {
      for (const tensor of dispose) tensor.dispose();
    }
  };

  /** Runs the kernels of regions: x is copied on the device, y are the buffers that kernels write. */
  const layers = (regions: Segment['regions'], values: Map<string, OrtTensor>): void => {
    const encoder = device.createCommandEncoder();
    const filled = new Set<BufferName>();
    for (const { index, x, y } of regions) {
      const region = REGIONS[index as RegionIndex]!;
      const tensor = values.get(x)!;
      const { dims, location } = tensor;
      const rows = dims.slice(0, -1).reduce((all, extent) => all * extent, 1);
      if (rows > adapters.tokens) {
        throw new RangeError(`${region.label} reads ${rows} rows: open the model with tokens: ${rows}`);
      }
      const buffer = adapters.buffers[region.x];
      if (!filled.has(region.x)) {
        if (location === 'gpu-buffer') {
          const bytes = 4 * rows * dims[dims.length - 1]!;
          encoder.copyBufferToBuffer(tensor.gpuBuffer as GPUBuffer, 0, buffer, 0, bytes);
        } else device.queue.writeBuffer(buffer, 0, tensor.data as Float32Array<ArrayBuffer>);
        filled.add(region.x);
      }
      for (const [at, name] of y.entries()) {
        const own = region.y[at]!;
        const given = { dataType: 'float32', dims: [...dims.slice(0, -1), widthOf(own)] };
        values.set(name, ort.Tensor.fromGpuBuffer(adapters.buffers[own] as never, given as never));
      }
    }
    const pass = encoder.beginComputePass();
    for (const { index } of regions) adapters.encode(pass, index as RegionIndex);
    pass.end();
    device.queue.submit([encoder.finish()]);
  };

  /** An output with its numbers. What kernels write stays theirs, and is copied. */
  const inMemory = async (name: string, tensor: OrtTensor): Promise<OrtTensor> => {
    if (tensor.location !== 'gpu-buffer') return tensor;
    const { type, dims } = tensor;
    const own = BUFFER_OF.get(name);
    const count = dims.reduce((all, extent) => all * extent, 1);
    const data = own ? (await adapters.read(own)).slice(0, count) : await tensor.getData();
    return new ort.Tensor(type as never, data as never, dims);
  };

  // runs share the buffers of the kernels
  let last: Promise<unknown> = Promise.resolve();
  return {
    inputNames: INPUTS,
    outputNames: OUTPUTS,
    adapters,
    use(file) {
      if (file === null) adapters.setAdapter(switchedOff());
      else adapters.setAdapter(fitting(bytesOf(file)));
    },
    run(feeds) {
      const turn = last.then(() => run(feeds));
      last = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      await last;
      await release();
    },
  };
}

/** The buffers of the values that kernels write. */
const BUFFER_OF: ReadonlyMap<string, NumbersName> = new Map(
  SEGMENTS.flatMap(({ regions }) =>
    regions.flatMap(({ index, y }) =>
      y.map((name, at) => [name, REGIONS[index as RegionIndex]!.y[at]!] as const),
    ),
  ),
);

/** Columns of a buffer of rows. */
function widthOf(name: BufferName): number {
  const { shape }: BufferLayout = BUFFERS[name];
  return Number(shape[1]);
}

/** Factors that add nothing. */
function switchedOff(): Record<string, Float32Array<ArrayBuffer>> {
  const places: Places = FACTORS;
  return Object.fromEntries(
    TRAINED.map((name) => {
      const [{ rows, cols } = { rows: 0, cols: 0 }] = places[name] ?? [];
      return [name, new Float32Array(rows * cols)];
    }),
  );
}

/** The factors of an adapter file. Throws for a file of other adapters than the model has. */
function fitting(file: Uint8Array): Record<string, Float32Array<ArrayBuffer>> {
  const { tensors, metadata } = tensorsIn(file, 'the adapter');
  const remedy = 'convert it: lotrc convert ADAPTER OUT --model MODEL';
  const others = othersThan(metadata['lotrc.adapters']);
  if (others.length > 0) {
    throw new Error(`the adapter has another ${others.join(' and ')} than the model: ${remedy}`);
  }
  const missing = TRAINED.find((name) => !Object.hasOwn(tensors, name));
  if (missing !== undefined) throw new Error(`the adapter has no factor ${missing}: ${remedy}`);
  return tensors;
}

/** In what the plan of an adapter file does not agree with the model: in everything where there is none. */
function othersThan(plan: string | undefined): readonly string[] {
  const saysSame = ({ at, is }: (typeof AGREED)[number]): boolean => {
    try {
      const { plans } = JSON.parse(plan ?? '') as { readonly plans: readonly unknown[] };
      return JSON.stringify(plans.map((row) => at.map((path) => said(row, path)))) === JSON.stringify(is);
    } catch {
      return false;
    }
  };
  return AGREED.filter((one) => !saysSame(one)).map(({ name }) => name);
}

function said(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value;
  if (key === '*') return (value as readonly unknown[]).map((one) => said(one, rest));
  return said((value as Readonly<Record<string, unknown>>)[key], rest);
}

const bytesOf = (given: ArrayBuffer | Uint8Array): Uint8Array =>
  given instanceof Uint8Array ? given : new Uint8Array(given);

/** What is read of a safetensors file. */
interface FileTensors {
  // #if EMIT_PACKED
  readonly bytes: Record<string, Uint8Array<ArrayBuffer>>;
  // #endif
  readonly tensors: Record<string, Float32Array<ArrayBuffer>>;
  readonly metadata: Readonly<Record<string, string>>;
}

// #if EMIT_PACKED
/** The float32 tensors of a safetensors file, and those of `packed` as bytes. Throws for another file. */
function tensorsIn(file: Uint8Array, label: string, packed: readonly string[] = []): FileTensors {
  // #else
  //- /** The float32 tensors of a safetensors file. Throws for another file. */
  //- function tensorsIn(file: Uint8Array, label: string): FileTensors {
  // #endif
  const refuse = (why: string): never => {
    throw new Error(`${label} is not a safetensors file of float32: ${why}`);
  };
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = file.byteLength < 8 ? 0 : Number(view.getBigUint64(0, true));
  const start = 8 + length;
  if (length === 0 || start > file.byteLength) refuse('its header is not whole');
  let header: Record<string, { dtype: string; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  } catch {
    return refuse('its header is not JSON');
  }
  const { __metadata__: metadata, ...rows } = header;
  const tensors: Record<string, Float32Array<ArrayBuffer>> = {};
  // #if EMIT_PACKED
  const bytes: Record<string, Uint8Array<ArrayBuffer>> = {};
  // #endif
  for (const [name, { dtype, data_offsets }] of Object.entries(rows)) {
    const [begin, end] = data_offsets;
    // #if EMIT_PACKED
    const isPacked = dtype === 'U8' && packed.includes(name);
    if (dtype !== 'F32' && !isPacked) refuse(`${name} is ${dtype}`);
    // #else
    //-     if (dtype !== 'F32') refuse(`${name} is ${dtype}`);
    // #endif
    if (start + end > file.byteLength) refuse(`${name} is not whole`);
    // #if EMIT_PACKED
    if (isPacked) {
      bytes[name] = file.slice(start + begin, start + end) as Uint8Array<ArrayBuffer>;
      continue;
    }
    // #endif
    // a copy of its own: in the file it may lie anywhere
    tensors[name] = new Float32Array(file.slice(start + begin, start + end).buffer as ArrayBuffer);
  }
  // #if EMIT_PACKED
  return { tensors, bytes, metadata: (metadata ?? {}) as unknown as Record<string, string> };
  // #else
  //-   return { tensors, metadata: (metadata ?? {}) as unknown as Record<string, string> };
  // #endif
}
