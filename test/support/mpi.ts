import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Programs that start the ranks of a job. */

/** The command line of the build, for tests from their sources and for programs of the build itself. */
const MAIN = ['../../dist/cli/main.js', '../../cli/main.js']
  .map((path) => resolve(import.meta.dirname, path))
  .find((path) => existsSync(path))!;
const COMPILER = 'g++';
const SHIM = join(import.meta.dirname, 'mpi-abi-shim.c');

export interface Launcher {
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** What each kind of MPI calls its program, and how it says what it is. */
const KINDS = {
  open: {
    programs: ['mpirun.openmpi', 'mpirun'],
    says: /Open MPI/,
    words: ['--oversubscribe', '--bind-to', 'none'],
    environment: { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
  },
  mpich: { programs: ['mpirun.mpich', 'mpiexec.hydra'], says: /HYDRA/, words: [], environment: {} },
} as const;

export type MpiKind = keyof typeof KINDS;

/** The launcher of a kind of MPI; null where it is not installed. In CI it must be. */
export function launcherOf(kind: MpiKind): Launcher | null {
  const { programs, says, words, environment } = KINDS[kind];
  const program = programs.find((name) =>
    says.test(spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout ?? ''),
  );
  if (program !== undefined) return { program, words, environment };
  if (process.env.CI === 'true') throw new Error(`CI needs ${programs[0]}`);
  console.warn(`tests of several ranks are skipped: there is no ${programs[0]}`);
  return null;
}

export interface Job {
  readonly process: ChildProcess;
  /** what it wrote so far, to both streams */
  text(): string;
  /** the exit code, null after a signal */
  readonly ended: Promise<number | null>;
}

/** Starts lotrc in `ranks` processes. */
export function startRanks(
  { program, words, environment }: Launcher,
  ranks: number,
  command: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Job {
  const argv = [...words, '-n', `${ranks}`, process.execPath, MAIN, ...command];
  const child = spawn(program, argv, { env: { ...process.env, ...environment, ...more } });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const ended = new Promise<number | null>((done) => child.on('close', (code) => done(code)));
  return { process: child, text: () => text, ended };
}

/** The process of a rank of Open MPI that has `word` in its command line; null when there is none (yet). */
export function processOfRank(rank: number, word: string): number | null {
  const marks = (pid: string): boolean => {
    try {
      const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0');
      const command = read('cmdline');
      return (
        command.includes(MAIN) &&
        command.includes(word) &&
        read('environ').includes(`OMPI_COMM_WORLD_RANK=${rank}`)
      );
    } catch {
      // it has ended
      return false;
    }
  };
  const found = readdirSync('/proc').find((name) => /^\d+$/.test(name) && marks(name));
  return found === undefined ? null : Number(found);
}

/** Compiles a library with the handles of the MPI 5 standard on top of Open MPI; its path. */
export function standardLibrary(folder: string): string {
  const file = join(folder, 'libmpi_abi.so.0');
  const { status, stderr } = spawnSync(
    COMPILER,
    ['-x', 'c', '-shared', '-fPIC', '-Wall', '-Werror', '-o', file, SHIM, '-ldl'],
    {
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(stderr);
  return file;
}

/** Runs lotrc in one process, with further variables in its environment. */
export function runMain(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  nodeWords: readonly string[] = [],
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeWords, MAIN, ...command], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return { code: status, text: stdout + stderr };
}
