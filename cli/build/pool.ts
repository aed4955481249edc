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
        child.removeAllListeners('message').removeAllListeners('exit').removeAllListeners('error');
        done(answer);
      };
      const ended = (how: string): void => {
        this.#all.delete(child);
        settle({ kind: 'failed', diagnostics: [stepEnded({ step: task.step.id, how })], exitCode: 1 });
      };
      child.on('message', (reply: Reply) => {
        if (reply.kind === 'line') {
          line(reply.text);
          return;
        }
        settle(reply);
        this.#free.push(child);
      });
      child.on('error', (error) => ended(`with an error: ${error.message}`));
      child.on('exit', (code, signal) => ended(signal ? `by signal ${signal}` : `with exit code ${code}`));
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
    return child;
  }
}
