import { statSync } from 'node:fs';
import type * as Ort from 'onnxruntime-node';
import { ortRefused } from '../../ir/codes/cli.js';
import { fail } from '../../ir/diagnostics.js';
import type { DType } from '../../ir/dtype.js';
import { bare } from '../../ir/keys.js';
import { answerRequests } from './answer.js';
import { nested } from './config.js';
import { type Feeds, type HostRequest, type HostTensor, ORT_TYPES } from './messages.js';
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

let loaded: Promise<typeof Ort> | null = null;
/** the session of the last request: runs of one model come in a row */
let held: { readonly key: string; readonly session: Ort.InferenceSession } | null = null;

async function answer(request: HostRequest): Promise<Feeds> {
  const { feeds, outputs: wanted, label } = request;
  loaded ??= loadRuntime();
  const ort = await loaded;
  const refuse = (doing: 'load' | 'run') => (error: unknown) =>
    fail(ortRefused({ file: label, doing, why: firstLine(error) }));
  const session = await sessionOf(ort, request).catch(refuse('load'));
  if (!feeds) return {};
  const run = async (): Promise<Feeds> => {
    const inputs = bare<Ort.Tensor>();
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toOrt(ort, tensor);
    const outputs = bare<HostTensor>();
    const results = await (wanted ? session.run(inputs, wanted) : session.run(inputs));
    for (const [name, tensor] of Object.entries(results)) outputs[name] = fromOrt(tensor);
    return outputs;
  };
  return run().catch(refuse('run'));
}

/** ONNX Runtime repeats the path and adds lines about its own sources. */
function firstLine(error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return why.split('\n')[0]!.replace(/^Load model from .*? failed:\s*/, '');
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

answerRequests(answer);
