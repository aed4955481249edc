import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { TextFile } from '../../src/backends/host/text-file.js';

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

const SHIM = join(import.meta.dirname, 'cuda-cpu');

/** The library of ONNX Runtime that the Node package brings, wherever it lies in the package. */
function runtimeLibrary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const folder = join(root, 'bin');
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(join('linux', process.arch, 'libonnxruntime.so.1')),
  );
  if (!found) throw new Error('onnxruntime-node has no library for this machine');
  return join(folder, found);
}

/** The emitted operators with a source that holds them all: one run of the compiler instead of many. */
export function asOneSource(files: readonly TextFile[]): {
  readonly all: TextFile;
  readonly files: readonly TextFile[];
} {
  const own = files.filter(({ path }) => path.startsWith('ort/'));
  const sources = own.filter(({ path }) => path.endsWith('.cu'));
  const text = sources.map(({ path }) => `#include "${path.slice('ort/'.length)}"\n`).join('');
  const all = { path: 'ort/all.cu', text };
  return { all, files: [...own, all] };
}

/** Builds the emitted operators as a library whose kernels run on the CPU, and a program that runs models with it. */
export function buildOperators(files: readonly TextFile[], folder: string): string {
  mkdirSync(join(folder, 'ort'), { recursive: true });
  const own = files.filter(({ path }) => path.startsWith('ort/'));
  for (const { path, text } of own) writeFileSync(join(folder, path), text);
  const sources = own.flatMap(({ path }) => (path.endsWith('.cu') ? [`#include "${path}"`] : []));
  const main = join(folder, 'all.cpp');
  writeFileSync(main, ['#include <cuda_runtime.h>', ...sources, ''].join('\n'));
  const [library, program] = [join(folder, 'operators.so'), join(folder, 'host')];
  const flags = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-I', folder, '-I', SHIM];
  const undefinedBehaviour = ['-fsanitize=undefined', '-fno-sanitize-recover=all', '-static-libubsan'];
  const shared = ['-shared', '-fPIC', '-DLOTRC_ORT_CPU', '-Wno-unused-function', ...undefinedBehaviour];
  execFileSync('g++', [...flags, ...shared, '-o', library, main], { stdio: 'pipe' });
  const host = join(import.meta.dirname, 'ort-op-host.cpp');
  execFileSync('g++', [...flags, '-I', join(folder, 'ort'), '-o', program, host, '-ldl'], { stdio: 'pipe' });
  return folder;
}

/** Runs a model in ONNX Runtime, with the operators of a folder or without; the outputs' numbers one after another, or what went wrong. */
export function runWith(
  folder: string,
  registered: boolean,
  model: string,
  feeds: Readonly<Record<string, Feed>>,
  outputs: readonly string[],
): Float32Array | string {
  const words = Object.entries(feeds).flatMap(([name, feed]) => [
    Int32Array.of(Buffer.byteLength(name)),
    Buffer.from(name),
    Int32Array.of(typeOf(feed), feed.data.BYTES_PER_ELEMENT, feed.extents.length, ...feed.extents),
    feed.data,
  ]);
  const [input, output] = [join(folder, 'in'), join(folder, 'out')];
  const bytes = [Int32Array.of(Object.keys(feeds).length), ...words];
  writeFileSync(
    input,
    Buffer.concat(bytes.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))),
  );
  const library = registered ? join(folder, 'operators.so') : '-';
  const args = [runtimeLibrary(), library, model, input, output, ...outputs];
  const { status, stdout, stderr } = spawnSync(join(folder, 'host'), args, { encoding: 'utf8' });
  return status === 0 ? new Float32Array(Uint8Array.from(readFileSync(output)).buffer) : stdout + stderr;
}
