import { type ChildProcess, fork } from 'node:child_process';
import { compiledProgram } from '../../src/backends/ort/worker-process.js';
import { stepEnded } from '../../src/ir/codes/build.js';
import type { Reply, Task } from './task.js';

type Answer = Exclude<Reply, { readonly kind: 'line' }>;

/** Processes that do the tasks of a build: at most so many at a time, each started when it is needed and used again. */
export class Pool {
  readonly #folder: string;
  readonly #free: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();

  /** `folder`: in which they run. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Has a task done by a process that has none. `line`: what it tells on the way. */
  run(task: Task, line: (text: string) => void): Promise<Answer> {
    const child = this.#free.pop() ?? this.#start();
    return new Promise((done) => {
      const settle = (answer: Answer): void => {
        child.off('message', replied).off('exit', exited).off('error', failed);
        done(answer);
      };
      const ended = (how: string): void =>
        settle({ kind: 'failed', diagnostics: [stepEnded({ step: task.step.id, how })], exitCode: 1 });
      const replied = (reply: Reply): void => {
        if (reply.kind === 'line') {
          line(reply.text);
          return;
        }
        settle(reply);
        this.#free.push(child);
      };
      const failed = (error: Error): void => ended(`with an error: ${error.message}`);
      const exited = (code: number | null, signal: string | null): void =>
        ended(signal ? `by signal ${signal}` : `with exit code ${code}`);
      child.on('message', replied).on('exit', exited).on('error', failed);
      child.send(task, (error) => error && child.kill('SIGKILL'));
    });
  }

  /** Asks the processes that work to end: a training run writes a checkpoint first. */
  interrupt(): void {
    for (const child of this.#all) child.kill('SIGINT');
  }

  close(): void {
    for (const child of this.#all) if (child.connected) child.disconnect();
  }

  #start(): ChildProcess {
    const child = fork(compiledProgram(import.meta.url, 'worker.js'), [], {
      cwd: this.#folder,
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // the signals of a terminal reach this process, which passes them on once
      detached: true,
    });
    this.#all.add(child);
    // also one that has nothing to do: the next task gets another
    const gone = (): void => {
      this.#all.delete(child);
      const at = this.#free.indexOf(child);
      if (at >= 0) this.#free.splice(at, 1);
    };
    child.on('exit', gone).on('error', gone);
    return child;
  }
}
