import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { hostCrashed, hostMissing, hostRefused, hostTimeout } from '../../ir/codes/cli.js';
import { LotrcError } from '../../ir/diagnostics.js';
import type { Config } from './config.js';
import type { Feeds, HostReply, HostRequest, Optimization, Provider } from './messages.js';

export interface HostOptions {
  /** ONNX Runtime's graph optimisation; default 'all' */
  readonly optimization?: Optimization | undefined;
  /** outputs to compute, by name; default all, which must be tensors */
  readonly outputs?: readonly string[] | undefined;
  /** what messages call the model; default its path */
  readonly label?: string | undefined;
  /** execution provider; default 'cpu' */
  readonly provider?: Provider | undefined;
  /** names of nodes that the WebGPU provider leaves to the CPU */
  readonly onCpu?: readonly string[] | undefined;
  /** entries of ONNX Runtime's session configuration */
  readonly config?: Config | undefined;
  /** seconds that loading and running may take together; default no limit */
  readonly timeout?: number | undefined;
}

interface Waiting {
  readonly label: string;
  /** the process that was asked */
  readonly child: ChildProcess;
  resolve(outputs: Feeds): void;
  reject(error: Error): void;
}

/**
 * ONNX Runtime in a process of its own, which is started by the first request and again after a crash. Requests are
 * answered one after another. Call `close` when done, or the process keeps this one alive.
 */
export class OrtProcess {
  #child: ChildProcess | null = null;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();
  #last: Promise<unknown> = Promise.resolve();

  /** `environment` is added to this process's: graphics drivers are found through variables read at start. */
  constructor(readonly environment: Readonly<Record<string, string>> = {}) {}

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
    return this.#child?.pid ?? null;
  }

  close(): void {
    if (this.#child?.connected) this.#child.disconnect();
    this.#child = null;
  }

  #ask(path: string, feeds: Feeds | null, options: HostOptions): Promise<Feeds> {
    const { optimization = 'all', label = path, provider = 'cpu', onCpu = [], config = {} } = options;
    const id = this.#next++;
    const outputs = options.outputs ?? null;
    const request: HostRequest = {
      id,
      path: resolve(path),
      feeds,
      outputs,
      optimization,
      provider,
      onCpu,
      config,
    };
    // one at a time, so that a crash can be laid to one model
    const turn = this.#last.then(
      () =>
        new Promise<Feeds>((done, reject) => {
          const child = this.#start();
          const limit = options.timeout === undefined ? null : this.#limit(id, options.timeout);
          const settled =
            <T>(settle: (value: T) => void) =>
            (value: T) => {
              if (limit) clearTimeout(limit);
              settle(value);
            };
          this.#waiting.set(id, { label, child, resolve: settled(done), reject: settled(reject) });
          // a pipe that breaks tells of a death before the end does: the end says how, and only then is there a new process
          child.send(request, (error) => error && child.kill('SIGKILL'));
        }),
    );
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Ends the process when a request is not answered in time; the next request starts another. */
  #limit(id: number, seconds: number): NodeJS.Timeout {
    return setTimeout(() => {
      const waiting = this.#waiting.get(id);
      if (!waiting) return;
      this.#waiting.delete(id);
      if (this.#child === waiting.child) this.#child = null;
      waiting.child.kill('SIGKILL');
      waiting.reject(new LotrcError(hostTimeout({ file: waiting.label, seconds })));
    }, seconds * 1000);
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    // what ONNX Runtime prints goes nowhere: refusals come back as messages
    const child = fork(childProgram(), [String(process.pid)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      env: { ...process.env, ...this.environment },
    });
    child.on('message', (reply: HostReply) => this.#settle(reply));
    child.on('error', (error) => this.#abandon(child, error.message));
    child.on('exit', (code, signal) =>
      this.#abandon(child, signal ? `by signal ${signal}` : `with exit code ${code}`),
    );
    this.#child = child;
    return child;
  }

  #settle(reply: HostReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (!waiting) return;
    if (reply.ok) {
      waiting.resolve(reply.outputs);
      return;
    }
    const { doing, why } = reply;
    // ONNX Runtime repeats the path and adds lines about its own sources
    const first = why.split('\n')[0]!.replace(/^Load model from .*? failed:\s*/, '');
    const file = waiting.label;
    const diagnostic =
      doing === 'start' ? hostMissing({ why: first }) : hostRefused({ file, doing, why: first });
    waiting.reject(new LotrcError(diagnostic));
  }

  #abandon(child: ChildProcess, how: string): void {
    if (this.#child === child) this.#child = null;
    for (const [id, { label, child: asked, reject }] of this.#waiting) {
      if (asked !== child) continue;
      this.#waiting.delete(id);
      reject(new LotrcError(hostCrashed({ file: label, how })));
    }
  }
}

/** The compiled child: next to this file in the build; tests run from the sources and use the build's. */
function childProgram(): string {
  const sibling = join(import.meta.dirname, 'child.js');
  if (existsSync(sibling)) return sibling;
  const root = resolve(import.meta.dirname, '../../..');
  const built = join(root, 'dist', relative(root, import.meta.dirname), 'child.js');
  if (!existsSync(built))
    throw new Error('run `npm run build` first: the process of ONNX Runtime runs compiled code');
  return built;
}
