import { availableParallelism, cpus } from 'node:os';
import type * as Ort from 'onnxruntime-node';
import { fail } from '../../ir/diagnostics.js';
import { bare } from '../../ir/keys.js';
import { cannotRun, stepFails } from '../codes/host.js';
import type { NodeEp } from '../execution-providers.js';
import { loadRuntime } from './runtime.js';
import { type GraphSettings, sessionSettings, shapesText } from './session-settings.js';
import type { OrtFeeds, OrtTensor } from './tensor.js';

export interface SessionOptions extends Partial<GraphSettings> {
  readonly ep?: NodeEp;
  /** writes ONNX Runtime's profile to a file of this prefix when the session is closed */
  readonly profile?: string;
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
    const { ep = 'cpu', label = path, profile, ...settings } = options;
    try {
      const session = await ort.InferenceSession.create(path, {
        ...sessionSettings({ ep, ...pinnedThreads(), ...settings }),
        ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      });
      return new OrtSession(ort, session, label, profile !== undefined);
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
      return fail(stepFails({ file: this.#file, shapes: shapesText(feeds), why: (error as Error).message }));
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

/**
 * A thread for each core of a process that may not use all of them. ONNX Runtime's own default has one for each core of the
 * machine and binds them to these, also to those that the process is kept from.
 */
function pinnedThreads(): Pick<GraphSettings, 'threads'> {
  const threads = availableParallelism();
  return threads < cpus().length ? { threads } : {};
}
