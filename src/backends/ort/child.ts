import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type * as Ort from 'onnxruntime-node';
import type { DType } from '../../ir/dtype.js';
import { bare } from '../../ir/keys.js';
import { nested } from './config.js';
import { type Feeds, type HostReply, type HostRequest, type HostTensor, ORT_TYPES } from './messages.js';
import { loadRuntime } from './runtime.js';

/** The program of the process that runs ONNX Runtime; see process.ts. */

const DTYPES = new Map([...ORT_TYPES].map(([dtype, name]) => [name, dtype]));

const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

class Failure extends Error {
  constructor(
    readonly doing: 'start' | 'load' | 'run',
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

let loaded: Promise<typeof Ort> | null = null;
/** the session of the last request: runs of one model come in a row */
let held: { readonly key: string; readonly session: Ort.InferenceSession } | null = null;

async function answer(request: HostRequest): Promise<Feeds> {
  const { feeds, outputs: wanted } = request;
  loaded ??= loadRuntime();
  const ort = await attempt('start', () => loaded!);
  const session = await attempt('load', () => sessionOf(ort, request));
  if (!feeds) return {};
  return attempt('run', async () => {
    const inputs = bare<Ort.Tensor>();
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toOrt(ort, tensor);
    const outputs = bare<HostTensor>();
    const results = await (wanted ? session.run(inputs, wanted) : session.run(inputs));
    for (const [name, tensor] of Object.entries(results)) outputs[name] = fromOrt(tensor);
    return outputs;
  });
}

async function sessionOf(
  ort: typeof Ort,
  { path, optimization, provider, onCpu, config }: HostRequest,
): Promise<Ort.InferenceSession> {
  const { mtimeMs, size, ino } = statSync(path);
  const key = [path, optimization, provider, ...onCpu, JSON.stringify(config), mtimeMs, size, ino].join('|');
  if (held?.key === key) return held.session;
  const former = held;
  held = null;
  // a WebGPU device is freed with its last session, together with its compiled shaders: keep it for the next one
  if (provider !== 'webgpu') await former?.session.release();
  const session = await ort.InferenceSession.create(path, {
    executionProviders: [onCpu.length > 0 ? { name: 'webgpu', forceCpuNodeNames: onCpu } : provider],
    graphOptimizationLevel: optimization,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: nested(config),
  });
  if (provider === 'webgpu') await former?.session.release();
  held = { key, session };
  return session;
}

async function attempt<T>(doing: Failure['doing'], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Failure(doing, error);
  }
}

function toOrt(ort: typeof Ort, { dtype, shape, data }: HostTensor): Ort.Tensor {
  const type = ORT_TYPES.get(dtype) as keyof typeof ARRAYS | 'string' | undefined;
  if (!type) throw new Error(`onnxruntime-node takes no ${dtype} tensors`);
  if (type === 'string') return new ort.Tensor('string', data as string[], shape);
  const bytes = Uint8Array.from(data as Uint8Array).buffer;
  const elements = new ARRAYS[type](bytes);
  return new ort.Tensor(type as 'float32', elements as Float32Array, shape);
}

function fromOrt(tensor: Ort.Tensor): HostTensor {
  const dtype: DType | undefined = DTYPES.get(tensor.type);
  if (!dtype) throw new Error(`an output has element type ${tensor.type}`);
  if (dtype === 'string') return { dtype, shape: tensor.dims, data: tensor.data as string[] };
  const { buffer, byteOffset, byteLength } = tensor.data as Float32Array;
  return { dtype, shape: tensor.dims, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

// the process that started this one gives its id: it may have ended before this line runs
new Worker(new URL('./watchdog.js', import.meta.url), { workerData: Number(process.argv[2]) }).unref();

process.on('message', (request: HostRequest) => {
  const { id } = request;
  answer(request).then(
    (outputs) => reply({ id, ok: true, outputs }),
    (error: unknown) => {
      const failure = error instanceof Failure ? error : new Failure('run', error);
      reply({ id, ok: false, doing: failure.doing, why: failure.message });
    },
  );
});

function reply(message: HostReply): void {
  process.send!(message);
}
