import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { CACHE, compiled, runs } from './compilers.js';

/** Where Debian's packages clang-19, libamdhip64-dev and rocm-device-libs put what compiles HIP. */
const [COMPILER, HEADER, LIBRARIES] = [
  'clang++-19',
  '/usr/include/hip/hip_runtime.h',
  '/usr/lib/x86_64-linux-gnu/amdgcn/bitcode',
] as const;

/** Whether HIP can be compiled here, for a device that need not be there. Continuous integration does without. */
export function hasHip(): boolean {
  if (runs(COMPILER) && existsSync(HEADER) && existsSync(LIBRARIES)) return true;
  console.warn(
    'HIP tests are skipped: clang-19, libamdhip64-dev and rocm-device-libs of Debian are not all there',
  );
  return false;
}

/** Architectures that are younger than these packages, and one that is there: which of the two matters to functions of the library alone. */
const YOUNGER = { '942': '940', '1100': '1036' } as const;

/** The libraries of the device with those of younger architectures. */
function libraries(): string {
  const folder = join(CACHE, 'amdgcn');
  mkdirSync(folder, { recursive: true });
  const link = (from: string, to: string) => {
    if (!existsSync(join(folder, to))) symlinkSync(join(LIBRARIES, from), join(folder, to));
  };
  for (const name of readdirSync(LIBRARIES)) link(name, name);
  for (const [young, old] of Object.entries(YOUNGER))
    link(`oclc_isa_version_${old}.bc`, `oclc_isa_version_${young}.bc`);
  return folder;
}

export interface HipKernel {
  readonly name: string;
  /** vector registers of a lane, and bytes of memory that replace those that it lacks */
  readonly registers: number;
  readonly scratch: number;
  readonly sharedBytes: number;
  /** its instructions */
  readonly text: string;
}

const flags = (arch: string) => [
  ...['-x', 'hip', '-std=c++17', `--offload-arch=${arch}`, '--rocm-path=/usr', '--hip-version=5.2'],
  ...[`--rocm-device-lib-path=${libraries()}`, '-Wall', '-Wextra', '-Werror', '-I.'],
];

/** Compiles kernels, all warnings as errors, and reads what the compiler made of each. */
export function compileKernels(
  files: readonly EmittedFile[],
  sources: readonly string[],
  arch: string,
): readonly HipKernel[] {
  const all = { path: 'all.hip', text: sources.map((path) => `#include "${path}"\n`).join('') };
  const device = ['--cuda-device-only', '--no-gpu-bundle-output', '-O3', '-S'];
  const text = readFileSync(
    compiled(COMPILER, [...files, all], [...flags(arch), ...device, all.path]).path,
    'utf8',
  );
  return [...text.matchAll(/^ +\.name: +(\w+)\n(?: +\.(?!name).*\n)*/gm)].flatMap(([row, name]) => {
    const number = (key: string) => /^\d+/.exec(row.split(`.${key}:`)[1]?.trim() ?? '');
    const scratch = number('private_segment_fixed_size');
    if (!scratch) return [];
    const body = text.slice(text.indexOf(`\n${name}:`), text.indexOf(`.size\t${name},`));
    const shared = /\.amdhsa_group_segment_fixed_size (\d+)/.exec(
      text.slice(text.indexOf(`.amdhsa_kernel ${name}\n`)),
    );
    return [
      {
        name: name!,
        registers: Number(number('vgpr_count')),
        scratch: Number(scratch),
        sharedBytes: Number(shared?.[1]),
        text: body,
      },
    ];
  });
}

/** Compiles the part of a source that runs on the host, with all warnings as errors. Throws with what the compiler says. */
export function compileHost(files: readonly EmittedFile[], source: string, arch: string): void {
  compiled(COMPILER, files, [...flags(arch), '--cuda-host-only', '-O0', '-c', source]);
}
