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
import { feedOf } from './tensor.js';

/** The program of the process that runs ONNX Runtime; see process.ts. */

const DTYPES = new Map([...ORT_TYPES].map(([dtype, name]) => [name, dtype]));

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

function toOrt(ort: typeof Ort, tensor: HostTensor): Ort.Tensor {
  if (tensor.dtype === 'string') return new ort.Tensor('string', tensor.data as string[], tensor.shape);
  const { type, dims, data } = feedOf(tensor);
  return new ort.Tensor(type as 'float32', data as Float32Array, dims);
}

function fromOrt(tensor: Ort.Tensor): HostTensor {
  const dtype: DType | undefined = DTYPES.get(tensor.type);
  if (!dtype) throw new Error(`an output has element type ${tensor.type}`);
  if (dtype === 'string') return { dtype, shape: tensor.dims, data: tensor.data as string[] };
  const { buffer, byteOffset, byteLength } = tensor.data as Float32Array;
  return { dtype, shape: tensor.dims, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

answerRequests(answer);
