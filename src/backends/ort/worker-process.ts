import { type ChildProcess, type ForkOptions, fork, type SpawnOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, parse, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';
import type { WorkerReply } from './answer.js';
import { modelEnvironment } from './environment.js';

export interface WorkerOptions {
  /** added to the environment of the process: graphics drivers are found through variables read at start */
  readonly environment?: Readonly<Record<string, string>>;
  /** whether a request after the end of the process starts another: not where the process held what requests need */
  readonly again: boolean;
}

/** What becomes of a request that is not answered. */
export interface Unanswered {
  /** the diagnostic of a process that ended; `how`: `by signal SIGSEGV`, `with exit code 1` */
  ended(how: string): Diagnostic;
  /** seconds until the process is ended; default no limit */
  readonly limit?: { readonly seconds: number; readonly diagnostic: Diagnostic } | null;
}

/** The error of a request whose process ended before it was answered. */
export class WorkerEnded extends LotrcError {
  constructor(
    diagnostic: Diagnostic,
    readonly how: string,
  ) {
    super(diagnostic);
  }
}

interface Waiting extends Unanswered {
  /** the process that was asked */
  readonly child: ChildProcess;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * A Node process that runs models: ONNX Runtime may crash on damaged ones. It starts with the first request, and answers them
 * one after another. It gets no input, no files of this process and little of its environment, runs in the root folder,
 * and ends with this process, whatever ends that one.
 */
export class WorkerProcess {
  readonly #program: string;
  readonly #options: WorkerOptions;
  #child: ChildProcess | null = null;
  #how: string | null = null;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();
  #last: Promise<unknown> = Promise.resolve();

  /** `program`: a compiled module that calls `answerRequests`; see `compiledProgram`. */
  constructor(program: string, options: WorkerOptions) {
    this.#program = program;
    this.#options = options;
  }

  /** process id while it runs: for limits and supervision from outside */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * The answer to a request. Throws the LotrcError that the answer to it ends in, or of `unanswered`; a plain Error, with the
   * stack of the other process, for a bug in lotrc.
   */
  ask(request: unknown, unanswered: Unanswered): Promise<unknown> {
    const id = this.#next++;
    // one at a time, so that a crash can be laid to one of them
    const turn = this.#last.then(
      () =>
        new Promise<unknown>((done, reject) => {
          if (this.#how !== null && !this.#options.again) {
            reject(new WorkerEnded(unanswered.ended(this.#how), this.#how));
            return;
          }
          const child = this.#start();
          const timer = unanswered.limit ? this.#limit(id, unanswered.limit) : null;
          const settled =
            <T>(settle: (value: T) => void) =>
            (value: T) => {
              if (timer) clearTimeout(timer);
              settle(value);
            };
          this.#waiting.set(id, { ...unanswered, child, resolve: settled(done), reject: settled(reject) });
          hold(child);
          // a pipe that breaks tells of a death before the end does: the end says how, and only then is there a new process
          child.send({ id, request }, (error) => error && child.kill('SIGKILL'));
        }),
    );
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  close(): void {
    if (this.#child?.connected) this.#child.disconnect();
    this.#child = null;
  }

  /** Ends the process when a request is not answered in time; the next request starts another. */
  #limit(id: number, { seconds, diagnostic }: NonNullable<Unanswered['limit']>): NodeJS.Timeout {
    return setTimeout(() => {
      const waiting = this.#take(id);
      if (!waiting) return;
      if (this.#child === waiting.child) this.#child = null;
      waiting.child.kill('SIGKILL');
      waiting.reject(new LotrcError(diagnostic));
    }, seconds * 1000);
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    const options: ForkOptions & Pick<SpawnOptions, 'windowsHide'> = {
      serialization: 'advanced',
      // what ONNX Runtime prints goes nowhere: refusals come back as messages
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      env: { ...modelEnvironment(process.env), ...this.#options.environment },
      cwd: parse(process.execPath).root,
      // out of reach of the signals that a terminal sends to all processes of a command
      detached: true,
      windowsHide: true,
    };
    const child = fork(this.#program, [String(process.pid)], options);
    child.on('message', (reply: WorkerReply) => this.#settle(reply));
    child.on('error', (error) => this.#abandon(child, error.message));
    child.on('exit', (code, signal) =>
      this.#abandon(child, signal ? `by signal ${signal}` : `with exit code ${code}`),
    );
    this.#child = child;
    return child;
  }

  /** The request of that number, which waits no longer. */
  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    // a process that is not asked keeps this one from ending no more
    if (waiting && this.#waiting.size === 0) release(waiting.child);
    return waiting;
  }

  #settle(reply: WorkerReply): void {
    const waiting = this.#take(reply.id);
    if (!waiting) return;
    if (reply.kind === 'value') waiting.resolve(reply.value);
    else if (reply.kind === 'refused') waiting.reject(new LotrcError(reply.diagnostics));
    else waiting.reject(new Error(reply.what));
  }

  #abandon(child: ChildProcess, how: string): void {
    if (this.#child === child) {
      this.#child = null;
      this.#how = how;
    }
    for (const [id, { child: asked }] of this.#waiting) {
      if (asked !== child) continue;
      const { ended, reject } = this.#take(id)!;
      reject(new WorkerEnded(ended(how), how));
    }
  }
}

function hold(child: ChildProcess): void {
  child.ref();
  child.channel?.ref();
}

function release(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

/** A program next to a module of the build; tests run modules from the sources and use the programs of the build. */
export function compiledProgram(module: string, name: string): string {
  const folder = dirname(fileURLToPath(module));
  const sibling = join(folder, name);
  if (existsSync(sibling)) return sibling;
  const root = resolve(import.meta.dirname, '../../..');
  const built = join(root, 'dist', relative(root, folder), name);
  if (!existsSync(built))
    throw new Error('run `npm run build` first: the processes that run models run compiled code');
  return built;
}
