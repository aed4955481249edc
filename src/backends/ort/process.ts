import { resolve } from 'node:path';
import { hostCrashed, hostTimeout } from '../../ir/codes/cli.js';
import type { NodeEp } from '../execution-providers.js';
import type { Config } from './config.js';
import type { Feeds, GraphOptimization, HostRequest } from './messages.js';
import { compiledProgram, WorkerProcess } from './worker-process.js';

export interface HostOptions {
  /** ONNX Runtime's graph optimisation; default 'all' */
  readonly optimization?: GraphOptimization | undefined;
  /** outputs to compute, by name; default all, which must be tensors */
  readonly outputs?: readonly string[] | undefined;
  /** what messages call the model; default its path */
  readonly label?: string | undefined;
  /** execution provider; default 'cpu' */
  readonly provider?: NodeEp | undefined;
  /** names of nodes that the WebGPU provider leaves to the CPU */
  readonly onCpu?: readonly string[] | undefined;
  /** entries of ONNX Runtime's session configuration */
  readonly config?: Config | undefined;
  /** seconds that loading and running may take together; default no limit */
  readonly timeout?: number | undefined;
}

/**
 * ONNX Runtime in a process of its own, which is started by the first request and again after a crash. Requests are
 * answered one after another. Call `close` when done.
 */
export class OrtProcess {
  readonly #worker: WorkerProcess;

  /** `environment` is added to that of the process: graphics drivers are found through variables read at start. */
  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.#worker = new WorkerProcess(compiledProgram(import.meta.url, 'child.js'), {
      environment,
      again: true,
    });
  }

  /** Loads a model. Throws LOTR8004 when ONNX Runtime refuses it, LOTR8003 and LOTR8005 as `run`. */
  async load(path: string, options: HostOptions = {}): Promise<void> {
    await this.#ask(path, null, options);
  }

  /**
   * Runs a model (a path: external data is found next to it), on the CPU with one thread. Throws LOTR8003 when
   * onnxruntime-node cannot be loaded, LOTR8004 when it refuses the model or the inputs, LOTR8005 when it crashes, LOTR8013 when
   * it takes longer than `timeout`.
   */
  run(path: string, feeds: Feeds, options: HostOptions = {}): Promise<Feeds> {
    return this.#ask(path, feeds, options);
  }

  /** process id while it runs: for limits and supervision from outside */
  get pid(): number | null {
    return this.#worker.pid;
  }

  close(): void {
    this.#worker.close();
  }

  async #ask(path: string, feeds: Feeds | null, options: HostOptions): Promise<Feeds> {
    const { optimization = 'all', label = path, provider = 'cpu', onCpu = [], config = {} } = options;
    const outputs = options.outputs ?? null;
    const request: HostRequest = {
      path: resolve(path),
      label,
      feeds,
      outputs,
      optimization,
      provider,
      onCpu,
      config,
    };
    const seconds = options.timeout;
    const answer = await this.#worker.ask(request, {
      ended: (how) => hostCrashed({ file: label, how }),
      limit: seconds === undefined ? null : { seconds, diagnostic: hostTimeout({ file: label, seconds }) },
    });
    return answer as Feeds;
  }
}
