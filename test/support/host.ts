import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';

type Numbers = readonly number[];

/** What to do with a module: `read` takes a buffer and, if the name is taken, another name for the result. */
export interface HostJob {
  readonly tokens: number;
  readonly weights: Readonly<Record<string, Numbers>>;
  readonly factors: Readonly<Record<string, Numbers>>;
  readonly calls: readonly (readonly [
    method: string,
    argument?: unknown,
    data?: unknown,
    options?: unknown,
  ])[];
}

export interface HostAnswer {
  /** methods that the module offers */
  readonly names: readonly string[];
  /** errors thrown by calls, and those of the device */
  readonly messages: readonly string[];
  readonly reads: Readonly<Record<string, Numbers>>;
}

const TSC = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');

/**
 * Writes the files of each module to a folder of its own below one folder, and compiles them as a user would, with all
 * checks, together. Throws with the complaints of the compiler.
 */
export function compileHosts(modules: readonly (readonly EmittedFile[])[]): {
  /** holds the others, to be removed */
  readonly folder: string;
  readonly modules: readonly string[];
} {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-host-'));
  const files = modules.flatMap((own, n) => own.map(({ path, text }) => ({ path: `m${n}/${path}`, text })));
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    target: 'ES2022',
    module: 'NodeNext',
    lib: ['ES2023', 'DOM'],
    types: [],
    // TypeScript's own libraries are not what is compiled here
    skipDefaultLibCheck: true,
    rootDir: '.',
  };
  const include = files.filter(({ path }) => path.endsWith('.ts')).map(({ path }) => path);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: include }));
  try {
    execFileSync(process.execPath, [TSC, '-p', folder], { stdio: 'pipe', encoding: 'utf8' });
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw new Error((error as { stdout?: string }).stdout ?? String(error));
  }
  return { folder, modules: modules.map((_, n) => join(folder, `m${n}`)) };
}

/** Runs a compiled module with Dawn, or with another program that has WebGPU. */
export function runHost(
  folder: string,
  environment: Record<string, string>,
  job: HostJob,
  program: readonly [string, ...string[]] = [process.execPath],
): HostAnswer {
  const [input, output] = [join(folder, 'job.json'), join(folder, 'result.json')];
  writeFileSync(input, JSON.stringify(job));
  const child = join(import.meta.dirname, 'host-child.mjs');
  const [file, ...flags] = program;
  execFileSync(file, [...flags, child, join(folder, 'index.js'), input, output], {
    env: { ...process.env, ...environment },
    stdio: 'pipe',
  });
  return JSON.parse(readFileSync(output, 'utf8')) as HostAnswer;
}
