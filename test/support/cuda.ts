import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gridOf } from '../../src/backends/kernel/families/kernels.js';
import type { Kernel } from '../../src/backends/kernel/ir/kir.js';
import { printCuda } from '../../src/backends/kernel/print/cuda.js';
import type { KernelCase } from './kernel-cases.js';

/** Whether a compiler can be called. In CI it must. */
export function hasCompiler(name: 'g++' | 'nvcc'): boolean {
  if (spawnSync(name, ['--version']).status === 0) return true;
  if (process.env.CI === 'true') throw new Error(`CI needs ${name}`);
  console.warn(`CUDA tests are skipped: there is no ${name}`);
  return false;
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-cuda-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface Compiled {
  readonly kernel: string;
  readonly registers: number;
  /** bytes spilled to memory */
  readonly spills: number;
  readonly sharedBytes: number;
}

/** Compiles kernels for an architecture with nvcc and reads what ptxas says of each. */
export function compileCuda(kernels: readonly Kernel[], arch: string): readonly Compiled[] {
  return inFolder((folder) => {
    const source = join(folder, 'kernels.cu');
    writeFileSync(source, printCuda(kernels));
    const args = [
      '-cubin',
      `-arch=${arch}`,
      '-Xptxas',
      '-v',
      '-Werror',
      'all-warnings',
      '-o',
      join(folder, 'k.cubin'),
      source,
    ];
    const { status, stderr } = spawnSync('nvcc', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stderr
      .split(/Compiling entry function '/)
      .slice(1)
      .map((text) => {
        const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
        return {
          kernel: text.slice(0, text.indexOf("'")),
          registers: number(/Used (\d+) registers/),
          spills: number(/(\d+) bytes spill stores/),
          sharedBytes: number(/(\d+) bytes smem/),
        };
      });
  });
}

/**
 * Runs CUDA kernels on the CPU: threads are fibers, shared memory is static, undefined behaviour ends the run. Gives the
 * written buffer of each case.
 */
export function runOnCpu(
  cases: readonly (KernelCase & { readonly kernel: Kernel })[],
): readonly Float32Array[] {
  return inFolder((folder) => {
    const main = cases.flatMap(({ kernel, launch, bound, buffers }, index) => [
      ...kernel.buffers.map(
        ({ name, elem }, at) =>
          `  auto* b${index}_${at} = load<${elem === 'u32' ? 'unsigned' : 'float'}>(${buffers[name]!.length});`,
      ),
      `  shim::launch({${gridOf(launch, bound).join(', ')}}, ${kernel.workgroup[0]}, [&] { ${kernel.name}(${[
        ...kernel.buffers.map((_, at) => `b${index}_${at}`),
        ...kernel.uniforms.map(({ name, type }) => `${bound[name]!}${type === 'u32' ? 'u' : ''}`),
      ].join(', ')}); });`,
      ...kernel.buffers.flatMap(({ name }, at) =>
        name === cases[index]!.out
          ? [`  std::fwrite(b${index}_${at}, 4, ${buffers[name]!.length}, out);`]
          : [],
      ),
    ]);
    const source = [
      `#include "${join(import.meta.dirname, 'cuda-shim.h')}"`,
      printCuda(cases.map(({ kernel }) => kernel)),
      'static std::FILE* in;',
      'template <class T> T* load(unsigned n) {',
      '  T* p = new T[n];',
      '  if (std::fread(p, 4, n, in) != n) std::abort();',
      '  return p;',
      '}',
      'int main(int, char** argv) {',
      '  in = std::fopen(argv[1], "rb");',
      '  std::FILE* out = std::fopen(argv[2], "wb");',
      ...main,
      '  std::fclose(out);',
      '}',
      '',
    ].join('\n');
    const [file, program, input, output] = ['k.cpp', 'k', 'in', 'out'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    writeFileSync(file, source);
    const data = cases.flatMap(({ kernel, buffers }) => kernel.buffers.map(({ name }) => buffers[name]!));
    const bytes = data.map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    );
    writeFileSync(input, Buffer.concat(bytes));
    const flags = ['-std=c++17', '-O1', '-fsanitize=undefined', '-fno-sanitize-recover=all'];
    execFileSync('g++', [...flags, '-o', program, file], { stdio: 'pipe' });
    execFileSync(program, [input, output], { stdio: 'pipe' });
    const result = Uint8Array.from(readFileSync(output));
    let at = 0;
    return cases.map(({ buffers, out }) => {
      const part = new Float32Array(result.buffer, at, buffers[out]!.length);
      at += part.byteLength;
      return part;
    });
  });
}
