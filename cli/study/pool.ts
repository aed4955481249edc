import { type ChildProcess, fork } from 'node:child_process';
import { compiledProgram } from '../../src/backends/ort/worker-process.js';

/** How the command line of a run ended. */
export interface RunAnswer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One process for each run. */
export class RunPool {
  readonly #folder: string;
  readonly #running = new Set<ChildProcess>();

  /** `folder`: in which they run. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs a command line of lotrc; a text says how the process ended that gave no answer. */
  run(argv: readonly string[]): Promise<RunAnswer | string> {
    return new Promise((done) => {
      const child = fork(compiledProgram(import.meta.url, 'worker.js'), [], {
        cwd: this.#folder,
        execArgv: [],
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        // the signals of a terminal reach this process, which ends the others
        detached: true,
      });
      this.#running.add(child);
      let answer: RunAnswer | null = null;
      const end = (how: string): void => {
        this.#running.delete(child);
        done(answer ?? `its process ended ${how}`);
      };
      child.on('message', (given: RunAnswer) => {
        answer = given;
      });
      child.on('error', (error) => end(`with an error: ${error.message}`));
      child.on('exit', (code, signal) => end(signal ? `by signal ${signal}` : `with exit code ${code}`));
      child.send(argv, (error) => error && child.kill('SIGKILL'));
    });
  }

  /** Ends all processes. */
  stop(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}
