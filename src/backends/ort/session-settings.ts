import type { GraphOptimization } from '../../options/words.js';
import type { TrainingEp } from '../execution-providers.js';
import { type Config, nested } from './config.js';
import type { OrtFeeds } from './tensor.js';

/** How a graph is run, whoever loads it. */
export interface GraphSettings {
  readonly ep: TrainingEp;
  readonly threads?: number;
  readonly optimization?: GraphOptimization;
  /** weights stay where they are mapped: products pack a part at a time, and no copies are packed in advance; default false */
  readonly lowMemory?: boolean;
  /**
   * one block is laid out for all tensors of a run, by the sizes of the first; it adds to the memory of the first, and
   * it gains no time for large models; default true
   */
  readonly memoryPattern?: boolean;
  /** entries of ONNX Runtime's session configuration */
  readonly config?: Config;
  /** number of the GPU, for the CUDA provider; default 0 */
  readonly device?: number;
  /** names of nodes that the WebGPU provider leaves to the CPU */
  readonly onCpu?: readonly string[] | undefined;
}

/** The setting of `--threads N`; 0: one for each core that the process may use. */
export const threadsOf = (threads: number): Pick<GraphSettings, 'threads'> =>
  threads > 0 ? { threads } : {};

/** The options of ONNX Runtime's JavaScript interface for them. */
export function sessionSettings({
  ep,
  threads,
  optimization = 'all',
  lowMemory = false,
  memoryPattern = true,
  config = {},
  device,
  onCpu = [],
}: GraphSettings) {
  const low: Config = lowMemory ? { 'session.disable_prepacking': '1' } : {};
  const provider =
    ep === 'cuda' && device !== undefined
      ? { name: ep, deviceId: device }
      : // the option must not be empty
        ep === 'webgpu' && onCpu.length > 0
        ? { name: ep, forceCpuNodeNames: onCpu }
        : ep;
  return {
    executionProviders: [provider],
    graphOptimizationLevel: optimization,
    // what goes wrong is reported as a diagnostic
    logSeverityLevel: 4 as const,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(memoryPattern ? {} : { enableMemPattern: false }),
    extra: nested({ ...low, ...config }),
  };
}

/** The shapes of a batch, for messages about it. */
export function shapesText(feeds: OrtFeeds): string {
  const batch = Object.entries(feeds).filter(([, { type, data }]) => type !== 'float32' && data.length > 1);
  return batch.map(([name, { dims }]) => `${name}[${dims.join(',')}]`).join(', ');
}
