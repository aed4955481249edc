import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const BUILT = ['cli/main.js', 'dist/cli/main.js'].map((file) => join(ROOT, file));
// this file is also run from `dist`, where the command is too
const MAIN = BUILT.find((file) => existsSync(file))!;

/** A command that has not ended by then hangs, also on a busy machine. */
const HANGS_MS = 300_000;
/** So soon after its end every process that it started must have ended too. */
const LEFT_MS = 30_000;
const MARK = 'LOTRC_KILLED_BY_TEST';

/** When a command is killed: some time after its start, or at the n-th change that is seen in the folder. */
export type Moment = ({ readonly ms: number } | { readonly change: number }) & {
  /** whether every process that it started is killed with it */
  readonly others: boolean;
};

export interface Ending {
  /** null: it was killed */
  readonly ended: number | null;
  readonly ms: number;
  readonly changes: number;
  /** the end of what it wrote to stderr */
  readonly errors: string;
  /** processes of it that stayed, and what they left in the folder for temporary files */
  readonly left: readonly string[];
}

/** Variables that change what ONNX Runtime leaves behind. */
const AS_USERS = { CI: undefined, ORT_DISABLE_TELEMETRY: undefined };

let commands = 0;

/** Runs one command, whose outputs go to a folder that exists, until its end or until it is killed. */
export async function runCommand(
  words: readonly string[],
  out: string,
  moment: Moment | null,
): Promise<Ending> {
  const mark = `${process.pid}-${commands++}`;
  const temporary = `${out}.tmpdir`;
  mkdirSync(temporary, { recursive: true });
  const start = performance.now();
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...AS_USERS, TMPDIR: temporary, [MARK]: mark },
  });
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  let hung = false;
  const kill = () => {
    child.kill('SIGKILL');
    for (const { pid } of moment?.others ? processesWith(`${MARK}=${mark}`) : []) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended meanwhile
      }
    }
  };
  let changes = 0;
  const watcher = watch(out, () => {
    if (++changes === (moment && 'change' in moment ? moment.change : -1)) kill();
  });
  const timers = [
    setTimeout(() => {
      hung = true;
      kill();
    }, HANGS_MS),
    ...(moment && 'ms' in moment ? [setTimeout(kill, moment.ms)] : []),
  ];
  const code = await new Promise<number | null>((settle) => {
    child.on('exit', (status) => settle(status));
  });
  const ms = performance.now() - start;
  for (const timer of timers) clearTimeout(timer);
  watcher.close();
  child.stderr!.destroy();
  const left = hung ? [`it did not end within ${HANGS_MS} ms`] : [];
  left.push(...(await leftOf(mark)).map((command) => `a process stayed: ${command}`));
  left.push(...readdirSync(temporary).map((name) => `${name} stayed in the folder for temporary files`));
  rmSync(temporary, { recursive: true });
  return { ended: code, ms, changes, errors, left };
}

/** Processes with the mark that do not end in time. Their environment is in /proc, where there is one. */
async function leftOf(mark: string): Promise<readonly string[]> {
  const end = performance.now() + LEFT_MS;
  for (;;) {
    const found = processesWith(`${MARK}=${mark}`);
    if (found.length === 0 || performance.now() > end) return found.map(({ pid, line }) => `${pid} ${line}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

function processesWith(entry: string): readonly { readonly pid: number; readonly line: string }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(entry)) return [];
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // its parent has not asked after it yet
      return line === '' ? [] : [{ pid: Number(pid), line }];
    } catch {
      return []; // it has ended meanwhile, or is another user's
    }
  });
}
