import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { EVERYTHING } from './everything.js';

export type Compiler = 'g++' | 'nvcc' | 'clang++-19';

const versions = new Map<Compiler, string | null>();
function versionOf(name: Compiler): string | null {
  if (!versions.has(name)) {
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
    versions.set(name, status === 0 ? stdout : null);
  }
  return versions.get(name)!;
}

/** Whether a compiler can be called. */
export const runs = (name: Compiler): boolean => versionOf(name) !== null;

/** Whether a compiler can be called. In CI it must. */
export function hasCompiler(name: Compiler): boolean {
  if (runs(name)) return true;
  if (process.env.CI === 'true') throw new Error(`CI needs ${name}`);
  console.warn(`CUDA tests are skipped: there is no ${name}`);
  return false;
}

/** The headers that replace CUDA's on the CPU. */
export const SHIM = join(import.meta.dirname, 'cuda-cpu');

/** Whether a program says what undefined behaviour it met. It is compiled for a third longer than one that only ends there. */
const SAYS = process.env.LOTRC_UNDEFINED === 'say';

/**
 * How g++ compiles what runs on the CPU. Programs run once and for a moment, so the time goes into compiling them, and they
 * are not optimised. Undefined behaviour ends them (SIGILL) where `checked`, and in CI.
 */
export const cppFlags = (checked: boolean): readonly string[] => [
  '-std=c++17',
  '-O0',
  ...(checked || EVERYTHING
    ? ['-fsanitize=undefined', SAYS ? '-fno-sanitize-recover=all' : '-fsanitize-undefined-trap-on-error']
    : []),
  '-I',
  SHIM,
  '-I',
  join(SHIM, 'blas'),
  '-I',
  join(import.meta.dirname, 'hip-cpu'),
];

/** Compiled files are kept here, by their content; a clean checkout has none. */
export const CACHE = join(import.meta.dirname, '../../node_modules/.cache/lotrc-compiled');
const KEPT_DAYS = 14;

export interface Compiled {
  /** the file that the compiler wrote */
  readonly path: string;
  /** its standard error */
  readonly said: string;
}

/**
 * Compiles files of a folder of their own; `args` are relative to it, `-o` is added. A result that was made before of the same
 * files, headers, arguments and compiler is used again. What replaces CUDA's headers is compiled once for many programs, and read once.
 * Throws with what the compiler says.
 */
export function compiled(name: Compiler, files: readonly EmittedFile[], args: readonly string[]): Compiled {
  if (!args.includes(SHIM)) return made(name, files, args);
  // what is compiled in the same way
  const way = args.filter((word) => /^-(std=|O|f)/.test(word));
  const folder = declared();
  const program = [...args.map((word) => word.replace(import.meta.dirname, folder)), shimFor(way)];
  // compiled headers cost as much as ten programs save
  const often = !way.includes('-fsanitize=thread') && (EVERYTHING || !way.includes('-fsanitize=undefined'));
  return made(name, files, often ? ['-include', headersFor(way), ...program] : program);
}

/**
 * Path of the object with all that the headers that replace CUDA's define (cuda-cpu/once.h). It is optimised, for here the kernels' units
 * and fibers are, and fits programs and libraries.
 */
function shimFor(way: readonly string[]): string {
  const file = { path: 'shim.cpp', text: '#define SHIM_OBJECT\n#include <cublasLt.h>\n' };
  // threads are looked for in what is emitted alone
  const checks = way.filter((word) => word.startsWith('-std=') || word.includes('undefined'));
  const folders = ['-I', SHIM, '-I', join(SHIM, 'blas')];
  const flags = ['-c', '-O2', '-fPIC', '-fno-strict-aliasing', ...checks, ...folders];
  return made('g++', [file], [...flags, file.path], '.o').path;
}

/** Path of a header next to which lies what g++ makes of all headers that replace CUDA's. */
function headersFor(way: readonly string[]): string {
  const file = { path: 'first.h', text: '#include <cuda_runtime.h>\n' };
  const folder = join(declared(), 'cuda-cpu');
  const { path } = made('g++', [file], ['-x', 'c++-header', ...way, '-I', folder, file.path], '.gch');
  const header = path.slice(0, -'.gch'.length);
  if (!existsSync(header)) writeFileSync(header, file.text);
  return header;
}

function made(name: Compiler, files: readonly EmittedFile[], args: readonly string[], end = ''): Compiled {
  const hash = createHash('sha256').update(JSON.stringify([versionOf(name), args, files, headers()]));
  const folder = join(CACHE, hash.digest('hex').slice(0, 40));
  const [path, log] = [join(folder, `out${end}`), join(folder, 'said')];
  mkdirSync(CACHE, { recursive: true });
  const lock = `${folder}.lock`;
  // of those that need the same file one makes it; after two minutes the others do not rely on that
  for (let waits = 0; waits < 2400 && !existsSync(log) && !taken(lock); waits++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  if (existsSync(log)) {
    const now = new Date();
    utimesSync(folder, now, now);
    release(lock);
    return { path, said: readFileSync(log, 'utf8') };
  }
  const scratch = mkdtempSync(join(tmpdir(), 'lotrc-compile-'));
  try {
    for (const file of files) {
      mkdirSync(dirname(join(scratch, file.path)), { recursive: true });
      writeFileSync(join(scratch, file.path), file.text);
    }
    const own = `${folder}.${randomUUID()}`;
    mkdirSync(own);
    const { status, stderr } = spawnSync(name, [...args, '-o', join(own, `out${end}`)], {
      cwd: scratch,
      encoding: 'utf8',
    });
    if (status !== 0) {
      rmSync(own, { recursive: true });
      throw new Error(stderr);
    }
    writeFileSync(join(own, 'said'), stderr);
    try {
      renameSync(own, folder);
    } catch {
      rmSync(own, { recursive: true }); // another process made the same meanwhile
    }
    return { path, said: stderr };
  } finally {
    release(lock);
    rmSync(scratch, { recursive: true });
  }
}

/** Takes a lock, unless a process that lives has it. */
function taken(lock: string): boolean {
  const own = `${lock}.${randomUUID()}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, lock);
    return true;
  } catch {
    try {
      process.kill(Number(readFileSync(lock, 'utf8')), 0);
    } catch {
      rmSync(lock, { force: true });
    }
    return false;
  } finally {
    rmSync(own);
  }
}

/** Gives a lock back, if this process has it. */
function release(lock: string): void {
  try {
    if (readFileSync(lock, 'utf8') === String(process.pid)) rmSync(lock, { force: true });
  } catch {
    // nobody has it
  }
}

/** Runs a program that reads the file of its first argument and writes that of its second. */
export function runProgram(
  program: string,
  input: Buffer,
): { readonly written: Uint8Array<ArrayBuffer>; readonly said: string } {
  const scratch = mkdtempSync(join(tmpdir(), 'lotrc-run-'));
  try {
    const [given, taken] = [join(scratch, 'in'), join(scratch, 'out')];
    writeFileSync(given, input);
    const said = execFileSync(program, [given, taken], { encoding: 'utf8', stdio: 'pipe' });
    return { written: Uint8Array.from(readFileSync(taken)), said };
  } catch (cause) {
    if ((cause as { readonly signal?: string }).signal !== 'SIGILL') throw cause;
    throw new Error('undefined behaviour; with LOTRC_UNDEFINED=say the program says what it met', { cause });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

let shim: readonly EmittedFile[] | undefined;
/** The headers on which every result may depend. */
function headers(): readonly EmittedFile[] {
  shim ??= (readdirSync(join(import.meta.dirname), { recursive: true, encoding: 'utf8' }) as string[])
    .filter((path) => path.endsWith('.h'))
    .sort()
    .map((path) => {
      const text = readFileSync(join(import.meta.dirname, path), 'utf8');
      const twice =
        /^cuda-(?:cpu|shim)/.test(path) && /^(?:alignas\(.*?\) )?static [^(\n]*[;=].*/m.exec(text);
      if (twice)
        throw new Error(`${path}: programs and the object would each have one (once.h): ${twice[0]}`);
      return { path, text };
    });
  return shim;
}

/** A function of SHIM_CODE: a body ends on the line on which it begins, or with the next line that begins with a brace. */
const SHIM_FUNCTION = /^((?:\[\[noreturn\]\] )?SHIM_CODE [^{;]*?) \{(?:.*\}|.*\n[\s\S]*?\n\})$/gm;

/**
 * Folder of the headers as programs read them: with declarations for the functions of the object (once.h), on the same lines.
 * To read and instantiate their bodies again is a third of what a program costs.
 */
function declared(): string {
  const hash = createHash('sha256').update(JSON.stringify(headers())).digest('hex');
  const folder = join(CACHE, `headers-${hash.slice(0, 40)}`);
  if (existsSync(folder)) return folder;
  const own = `${folder}.${randomUUID()}`;
  for (const { path, text } of headers()) {
    mkdirSync(dirname(join(own, path)), { recursive: true });
    writeFileSync(
      join(own, path),
      text.replace(
        SHIM_FUNCTION,
        (all, head: string) => `${head};${all.slice(head.length).replace(/[^\n]/g, '')}`,
      ),
    );
  }
  try {
    renameSync(own, folder);
  } catch {
    rmSync(own, { recursive: true }); // another process made the same meanwhile
  }
  return folder;
}

/** Removes results that nothing has used for some days. */
export function pruneCompiled(): void {
  if (!existsSync(CACHE)) return;
  const oldest = Date.now() - KEPT_DAYS * 24 * 3600 * 1000;
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name);
    if (statSync(folder).mtimeMs < oldest) rmSync(folder, { recursive: true, force: true });
  }
}
