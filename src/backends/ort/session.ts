import type * as Ort from 'onnxruntime-node';
import { fail } from '../../ir/diagnostics.js';
import { bare } from '../../ir/keys.js';
import { cannotRun, stepFails } from '../codes/host.js';
import { type Config, nested } from './config.js';
import type { GraphOptimization } from './messages.js';
import { loadRuntime } from './runtime.js';
import type { OrtFeeds, OrtTensor } from './tensor.js';

export interface SessionOptions {
  readonly ep?: 'cpu' | 'cuda' | 'webgpu';
  readonly threads?: number;
  readonly optimization?: GraphOptimization;
  /** weights stay where they are mapped: products pack a part at a time, and no copies are packed in advance; default false */
  readonly lowMemory?: boolean;
  /**
   * one block is laid out for all tensors of a run, by the sizes of the first; it adds to the memory of the first, and
   * it gains no time for large models; default true
   */
  readonly memoryPattern?: boolean;
  /** writes ONNX Runtime's profile to a file of this prefix when the session is closed */
  readonly profile?: string;
  /** entries of ONNX Runtime's session configuration */
  readonly config?: Config;
  /** names of nodes that the WebGPU provider leaves to the CPU */
  readonly onCpu?: readonly string[] | undefined;
  /** what messages call the file; default its path */
  readonly label?: string | undefined;
}

/** One graph, loaded in this process. Files that are not trusted are loaded by a process of their own: see worker-process.ts. */
export class OrtSession {
  readonly #session: Ort.InferenceSession;
  readonly #ort: typeof Ort;
  readonly #profiled: boolean;
  readonly #file: string;

  private constructor(ort: typeof Ort, session: Ort.InferenceSession, file: string, profiled: boolean) {
    this.#ort = ort;
    this.#file = file;
    this.#profiled = profiled;
    this.#session = session;
  }

  /** Loads a file; a path, so that external data is found. Throws LOTR8110 with ONNX Runtime's reason. */
  static async open(path: string, options: SessionOptions = {}): Promise<OrtSession> {
    const ort = await loadRuntime();
    ort.env.logLevel = 'fatal';
    const { ep = 'cpu', onCpu = [], label = path } = options;
    const low: Config = options.lowMemory ? { 'session.disable_prepacking': '1' } : {};
    const config: Config = { ...low, ...options.config };
    try {
      const session = await ort.InferenceSession.create(path, {
        // the option must not be empty
        executionProviders: [
          ep === 'webgpu' && onCpu.length > 0 ? { name: ep, forceCpuNodeNames: onCpu } : ep,
        ],
        graphOptimizationLevel: options.optimization ?? 'all',
        // what goes wrong is reported as a diagnostic
        logSeverityLevel: 4,
        ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
        ...(options.memoryPattern === false ? { enableMemPattern: false } : {}),
        ...(options.profile === undefined
          ? {}
          : { enableProfiling: true, profileFilePrefix: options.profile }),
        extra: nested(config),
      });
      return new OrtSession(ort, session, label, options.profile !== undefined);
    } catch (error) {
      return fail(cannotRun({ file: label, why: (error as Error).message, ep }));
    }
  }

  /** Runs the graph for some of its outputs; default all. Results are copies: no input is ever aliased. */
  async run(feeds: OrtFeeds, outputs?: readonly string[]): Promise<OrtFeeds> {
    const inputs = bare<Ort.Tensor>();
    for (const [name, { type, dims, data }] of Object.entries(feeds)) {
      inputs[name] = new this.#ort.Tensor(type as 'float32', data as Float32Array, dims as number[]);
    }
    const running = outputs ? this.#session.run(inputs, outputs) : this.#session.run(inputs);
    const results = await running.catch((error: unknown) => {
      const batch = Object.entries(feeds).filter(
        ([, { type, data }]) => type !== 'float32' && data.length > 1,
      );
      const shapes = batch.map(([name, { dims }]) => `${name}[${dims.join(',')}]`).join(', ');
      return fail(stepFails({ file: this.#file, shapes, why: (error as Error).message }));
    });
    const out = bare<OrtTensor>();
    for (const [name, tensor] of Object.entries(results)) {
      out[name] = { type: tensor.type, dims: tensor.dims, data: tensor.data as OrtTensor['data'] };
    }
    return out;
  }

  /** Names of the graph's inputs. */
  get inputs(): readonly string[] {
    return this.#session.inputNames;
  }

  /** Names of the graph's outputs. */
  get outputs(): readonly string[] {
    return this.#session.outputNames;
  }

  async close(): Promise<void> {
    if (this.#profiled) this.#session.endProfiling();
    await this.#session.release();
  }
}
