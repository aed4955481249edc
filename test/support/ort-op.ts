import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { compiled, cppFlags } from './compilers.js';

/** An input of a model: float32, int32, int64, or the bits of float16. */
export interface Feed {
  readonly extents: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint16Array;
}

/** ONNX's numbers of element types. */
function typeOf({ data }: Feed): number {
  if (data instanceof Float32Array) return 1;
  if (data instanceof Uint16Array) return 10;
  return data instanceof Int32Array ? 6 : 7;
}

/** The library of ONNX Runtime that the Node package brings, wherever it lies in the package. */
export function runtimeLibrary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const folder = join(root, 'bin');
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(join('linux', process.arch, 'libonnxruntime.so.1')),
  );
  if (!found) throw new Error('onnxruntime-node has no library for this machine');
  return join(folder, found);
}

/** The emitted operators without the other files of a library, and the paths of their sources. */
export function operatorFiles(files: readonly EmittedFile[]): {
  readonly files: readonly EmittedFile[];
  readonly sources: readonly string[];
} {
  const own = files.filter(({ path }) => path.startsWith('ort/'));
  return { files: own, sources: own.map(({ path }) => path).filter((path) => path.endsWith('.cu')) };
}

/** Operators whose kernels run on the CPU, and a program that runs models with them. */
export interface BuiltOperators {
  readonly library: string;
  readonly host: string;
}

const WARNINGS = ['-Wall', '-Wextra', '-I', '.'];

/**
 * Builds the emitted operators as a library for the CPU, under the checks for undefined behaviour where `checked`, with the kernels
 * for `warpgroups`, or without them.
 */
export function buildOperators(
  all: readonly EmittedFile[],
  { checked = false, warpgroups = false }: { readonly checked?: boolean; readonly warpgroups?: boolean } = {},
): BuiltOperators {
  const { files, sources: written } = operatorFiles(all);
  const sources = written.filter((path) => warpgroups || !path.endsWith('_warpgroups.cu'));
  const text = [
    '#include <cuda_runtime.h>',
    ...sources.map((path) => `#include "${path}"`),
    'LOTRC_EXPORT long launches() { return shim_launches; }',
    'LOTRC_EXPORT long grouped() { return shim_rings; }',
    'LOTRC_EXPORT long early() { return shim_early; }',
    // launches that may begin early do
    ...(warpgroups ? ['static const bool later = shim_later = true;'] : []),
    '',
  ].join('\n');
  const defined = ['-DLOTRC_ORT_CPU', ...(warpgroups ? ['-DLOTRC_SM90A'] : [])];
  const shared = ['-shared', '-fPIC', '-static-libubsan', ...defined, '-Wno-unused-function'];
  const library = compiled(
    'g++',
    [...files, { path: 'all.cpp', text }],
    [...cppFlags(checked), ...WARNINGS, ...shared, 'all.cpp'],
  );
  const abi = files.find(({ path }) => path === 'ort/ort_abi.h')!;
  const program = {
    path: 'host.cpp',
    text: readFileSync(join(import.meta.dirname, 'ort-op-host.cpp'), 'utf8'),
  };
  const host = compiled(
    'g++',
    [abi, program],
    ['-std=c++17', '-O0', ...WARNINGS, '-I', 'ort', 'host.cpp', '-ldl'],
  );
  return { library: library.path, host: host.path };
}

/**
 * Runs a model in ONNX Runtime, with operators registered or without; the outputs' numbers one after another, or what went
 * wrong.
 */
export function runWith(
  built: BuiltOperators,
  registered: boolean,
  model: string,
  feeds: Readonly<Record<string, Feed>>,
  outputs: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Float32Array | string {
  const { status, said, values } = run(built, registered, model, feeds, outputs, { ...process.env, ...env });
  return status === 0 ? values() : said;
}

/**
 * Runs a model with operators registered twice, first on other numbers in other memory; how many kernels are launched by making the
 * session and in each run, whether warpgroups ran some, and how many began early.
 */
export function runTwice(
  built: BuiltOperators,
  model: string,
  feeds: Readonly<Record<string, Feed>>,
  outputs: readonly string[],
  env: Readonly<Record<string, string>> = {},
): {
  readonly values: Float32Array;
  readonly launches: readonly number[];
  readonly warpgroups: boolean;
  readonly early: number;
} {
  const own = { ...process.env, ...env, TWICE: '1' };
  const { status, said, values } = run(built, true, model, feeds, outputs, own);
  if (status !== 0) throw new Error(said);
  const [early, grouped, ...launches] = said.trim().split(' ').map(Number).reverse() as [number, number];
  return { values: values(), launches: launches.reverse(), warpgroups: grouped > 0, early };
}

function run(
  { library, host }: BuiltOperators,
  registered: boolean,
  model: string,
  feeds: Readonly<Record<string, Feed>>,
  outputs: readonly string[],
  env: NodeJS.ProcessEnv,
) {
  const words = Object.entries(feeds).flatMap(([name, feed]) => [
    Int32Array.of(Buffer.byteLength(name)),
    Buffer.from(name),
    Int32Array.of(typeOf(feed), feed.data.BYTES_PER_ELEMENT, feed.extents.length, ...feed.extents),
    feed.data,
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-ort-'));
  try {
    const [input, output] = [join(folder, 'in'), join(folder, 'out')];
    const parts = [Int32Array.of(Object.keys(feeds).length), ...words];
    writeFileSync(
      input,
      Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))),
    );
    const args = [runtimeLibrary(), registered ? library : '-', model, input, output, ...outputs];
    const { status, signal, stdout, stderr } = spawnSync(host, args, { encoding: 'utf8', env });
    const bytes = status === 0 ? readFileSync(output) : Buffer.of();
    const values = () => new Float32Array(Uint8Array.from(bytes).buffer);
    return { status, said: [stdout, stderr, signal ?? ''].join(''), values };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A library whose faults are switched on by a number in the environment, so that it is compiled once. */
export function withFaults(
  library: readonly EmittedFile[],
  faults: readonly (readonly [from: string, to: string])[],
): readonly EmittedFile[] {
  for (const [from] of faults)
    if (!library.some(({ text }) => text.includes(from))) throw new Error(`no text has ${from}`);
  return library.map(({ path, text }) => {
    if (!path.startsWith('ort/')) return { path, text };
    const switched = faults.reduce(
      (all, [from, to], index) => all.replaceAll(from, to.replaceAll('FAULT', `fault(${index})`)),
      text,
    );
    if (path !== 'ort/operators.cu') return { path, text: switched };
    const fault = `#include <cstdlib>
static bool fault(int number) {
  const char *on = std::getenv("FAULT");
  return on && std::atoi(on) == number;
}
`;
    return { path, text: fault + switched };
  });
}
