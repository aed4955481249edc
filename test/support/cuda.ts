import { readFileSync } from 'node:fs';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { gridOf, kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import type { Kernel, Storage } from '../../src/backends/kernel/ir/kir.js';
import { BOX, type MapParam, mapLengths, type RingDecl } from '../../src/backends/kernel/ir/warpgroups.js';
import type { Launch } from '../../src/backends/kernel/model/types.js';
import { LAUNCHES, LAUNCHES_TEXT } from '../../src/backends/kernel/print/cuda/launches.js';
import {
  MATRIX_UNITS,
  MATRIX_UNITS_TEXT,
  PACKED_TILES,
  PACKED_TILES_TEXT,
  PACKED_WEIGHTS,
  PACKED_WEIGHTS_TEXT,
} from '../../src/backends/kernel/print/cuda/matrix-units.js';
import { printCuda } from '../../src/backends/kernel/print/cuda/print.js';
import { launchBytes } from '../../src/backends/kernel/print/cuda/shared-memory.js';
import { WARPGROUP_UNITS, warpgroupUnitsText } from '../../src/backends/kernel/print/cuda/warpgroup-units.js';
import { inHip } from '../../src/backends/kernel/print/hip/names.js';
import { HIP_HEADERS, printHip } from '../../src/backends/kernel/print/hip/print.js';
import { compiled, cppFlags, runProgram } from './compilers.js';
import type { KernelCase } from './kernel-cases.js';
import { type MainLoop, machineCode, type Occurrences } from './sass.js';

/** The files that kernels include. */
function included(kernels: readonly Kernel[], change: Change = (text) => text): readonly EmittedFile[] {
  const rings = kernels.flatMap(({ ring }) => (ring ? [ring] : []));
  return [
    { path: MATRIX_UNITS, text: change(MATRIX_UNITS_TEXT) },
    { path: LAUNCHES, text: change(LAUNCHES_TEXT) },
    { path: PACKED_WEIGHTS, text: change(PACKED_WEIGHTS_TEXT) },
    { path: WARPGROUP_UNITS, text: change(warpgroupUnitsText(rings)) },
    { path: PACKED_TILES, text: change(PACKED_TILES_TEXT) },
  ];
}

/** What is done to the files that kernels include before they are compiled. */
type Change = (text: string) => string;

/** Kernels in one source file, and what they include. */
const sources = (kernels: readonly Kernel[]): readonly EmittedFile[] => [
  { path: 'kernels.cu', text: printCuda(kernels) },
  ...included(kernels),
];

export interface CompiledKernel extends Occurrences {
  readonly kernel: string;
  readonly registers: number;
  /** bytes spilled to memory */
  readonly spills: number;
  readonly sharedBytes: number;
  /** fences of registers that ptxas has put between products of warpgroups */
  readonly injected: number;
  /** what ptxas made of its main loop; null where it has none */
  readonly loop: MainLoop | null;
}

/** What nvcc makes of kernels for a virtual architecture (compute_80). */
export function ptxOf(kernels: readonly Kernel[], arch: string): string {
  return readFileSync(
    compiled('nvcc', sources(kernels), ['-ptx', `-arch=${arch}`, 'kernels.cu']).path,
    'utf8',
  );
}

/** Compiles kernels for an architecture with nvcc and reads what ptxas says of each. */
export function compileCuda(kernels: readonly Kernel[], arch: string): readonly CompiledKernel[] {
  const warnings = ['-Xptxas', '-v', '-Werror', 'all-warnings'];
  const args = ['-cubin', `-arch=${arch}`, ...warnings, 'kernels.cu'];
  const { said, path } = compiled('nvcc', sources(kernels), args);
  const code = machineCode(path, arch);
  return said
    .split(/Compiling entry function '/)
    .slice(1)
    .map((text) => {
      const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
      const kernel = text.slice(0, text.indexOf("'"));
      return {
        kernel,
        ...code.get(kernel)!,
        registers: number(/Used (\d+) registers/),
        spills: number(/(\d+) bytes spill stores/),
        sharedBytes: number(/(\d+) bytes smem/),
        injected: said.match(new RegExp(`warpgroup.arrive is injected.*'${kernel}'`, 'g'))?.length ?? 0,
      };
    });
}

const TYPES: Readonly<Record<Storage, string>> = {
  f32: 'float',
  u32: 'unsigned',
  f16: '__half',
  bf16: '__nv_bfloat16',
  u8: 'unsigned char',
};

/** Buffers come and go as numbers of 32 bits, whatever their elements are. */
const CONVERSIONS = `
static std::FILE *in, *out;
static void narrow(float from, float& to) { to = from; }
static void narrow(float from, __half& to) { to = __float2half_rn(from); }
static void narrow(float from, __nv_bfloat16& to) { to = __float2bfloat16_rn(from); }
static float widen(float from) { return from; }
static float widen(__half from) { return __half2float(from); }
static float widen(__nv_bfloat16 from) { return __bfloat162float(from); }
template <class T> T* load(unsigned n) {
  T* p = static_cast<T*>(std::aligned_alloc(256, (n * sizeof(T) + 255) / 256 * 256));
  for (unsigned i = 0; i < n; i++) {
    float number;
    if (std::fread(&number, 4, 1, in) != 1) std::abort();
    narrow(number, p[i]);
  }
  return p;
}
template <> unsigned* load<unsigned>(unsigned n) {
  unsigned* p = static_cast<unsigned*>(std::aligned_alloc(256, (n * 4 + 255) / 256 * 256));
  if (std::fread(p, 4, n, in) != n) std::abort();
  return p;
}
template <> unsigned char* load<unsigned char>(unsigned n) {
  const unsigned* words = load<unsigned>(n);
  unsigned char* p = new unsigned char[n];
  for (unsigned i = 0; i < n; i++) p[i] = static_cast<unsigned char>(words[i]);
  return p;
}
template <class T> void save(T* p, unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    const float number = widen(p[i]);
    std::fwrite(&number, 4, 1, out);
  }
}
`;

/** The tensor map of a case, made as a host makes it. */
function mapText(
  name: string,
  map: MapParam,
  pointer: string,
  elem: Storage,
  bound: Readonly<Record<string, number>>,
): string {
  const type = elem === 'f16' ? 'FLOAT16' : 'BFLOAT16';
  const { offset, rows, cols, pitch, box } = mapLengths(map, bound);
  return `  CUtensorMap ${name};
  {
    const cuuint64_t dims[] = {${cols}, ${rows}}, pitches[] = {${2 * pitch}};
    const cuuint32_t box[] = {${BOX}, ${box}}, steps[] = {1, 1};
    if (cuTensorMapEncodeTiled(&${name}, CU_TENSOR_MAP_DATA_TYPE_${type}, 2, ${pointer} + ${offset}, dims, pitches, box, steps,
        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS) std::abort();
  }`;
}

/** Few, so that blocks of warpgroups, or two pairs of them, compute several tiles each. */
const groupBlocks = ({ pair }: RingDecl, across: number, down: number): number =>
  pair ? 2 * Math.min(2, across * Math.ceil(down / 2)) : Math.min(2, across * down);

/** Launches that run one after another on the same buffers. */
export interface Sequence {
  readonly launches: readonly Launch[];
  readonly bound: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, Float32Array | Uint32Array>>;
  /** buffers to read in the end */
  readonly outs: readonly string[];
}

/** Runs the CUDA kernels of launches on the CPU, see `runPrograms`. Returns the requested buffers of each sequence. */
export function runSequences(
  sequences: readonly Sequence[],
  checked = false,
): readonly Readonly<Record<string, Float32Array>>[] {
  return runPrograms(
    sequences.map(({ launches, ...rest }, index) => ({
      ...rest,
      // names are unique in a plan only
      calls: launches.map((launch) => {
        const kernel = kernelOf(launch);
        return { launch, kernel: { ...kernel, name: `s${index}_${kernel.name}` } };
      }),
    })),
    { checked },
  );
}

/**
 * Runs CUDA kernels on the CPU: threads are fibers, shared memory is static; where `checked`, undefined behaviour ends the
 * run. Gives the written buffer of each case.
 */
export function runOnCpu(
  cases: readonly (KernelCase & { readonly kernel: Kernel })[],
  { change, checked = false, hip = false }: Running = {},
): readonly Float32Array[] {
  const results = runPrograms(
    cases.map(({ kernel, launch, bound, buffers, out }) => ({
      bound,
      buffers,
      outs: [out],
      calls: [{ kernel, launch }],
    })),
    { checked, hip, ...(change ? { change } : {}) },
  );
  return results.map((result, index) => result[cases[index]!.out]!);
}

interface Running {
  /** what is done to the sources of a HIP program, or to what those of CUDA include */
  readonly change?: Change;
  readonly checked?: boolean;
  /** printed as HIP */
  readonly hip?: boolean;
}

export interface Program extends Omit<Sequence, 'launches'> {
  /** `early`: it begins before the call before it has ended */
  readonly calls: readonly { readonly kernel: Kernel; readonly launch: Launch; readonly early?: boolean }[];
}

/** Runs programs of kernels, of which some may begin before those before them have ended. */
export function runPrograms(
  programs: readonly Program[],
  { change = (text) => text, checked = false, hip = false }: Running = {},
): readonly Readonly<Record<string, Float32Array>>[] {
  const inputs: (Float32Array | Uint32Array)[] = [];
  const outputs: { readonly program: number; readonly name: string; readonly count: number }[] = [];
  const main = programs.flatMap(({ calls, bound, buffers, outs }, index) => {
    const elems = new Map(
      calls.flatMap(({ kernel }) => kernel.buffers).map(({ name, elem }) => [name, elem]),
    );
    const pointers = new Map([...elems.keys()].map((name, at) => [name, `b${index}_${at}`]));
    const loads = [...elems].map(([name, elem]) => {
      inputs.push(buffers[name]!);
      return `  auto* ${pointers.get(name)} = load<${TYPES[elem]}>(${buffers[name]!.length});`;
    });
    const launched = calls.flatMap(({ kernel, launch, early = false }, call) => {
      const maps = (kernel.maps ?? []).map((map, at) => ({ name: `m${index}_${call}_${at}`, map }));
      const uniforms = kernel.uniforms.map(({ name, type }) => `${bound[name]!}${type === 'u32' ? 'u' : ''}`);
      const plain = kernel.buffers.filter(({ mapped }) => !mapped).map(({ name }) => pointers.get(name)!);
      const given = [...maps.map(({ name }) => name), ...plain, ...uniforms].join(', ');
      const [x, y, z] = gridOf(launch, bound);
      const grid = (kernel.ring ? [groupBlocks(kernel.ring, x, y), 1, 1] : [x, y, z]).join(', ');
      return [
        ...maps.map(({ name, map }) => {
          const { buffer } = map.view;
          return mapText(name, map, pointers.get(buffer)!, elems.get(buffer)!, bound);
        }),
        `  shim::queue({${grid}}, ${kernel.workgroup[0]}, shim::work_of([=] { ${kernel.name}(${given}); }), ${launchBytes(kernel)}, ${early});`,
      ];
    });
    const saves = outs.map((name) => {
      outputs.push({ program: index, name, count: buffers[name]!.length });
      return `  save(${pointers.get(name)}, ${buffers[name]!.length});`;
    });
    return [...loads, ...launched, '  shim::settle();', ...saves];
  });
  const kernels = programs.flatMap(({ calls }) => calls.map(({ kernel }) => kernel));
  const rest = [
    CONVERSIONS,
    'int main(int, char** argv) {',
    '  in = std::fopen(argv[1], "rb");',
    '  out = std::fopen(argv[2], "wb");',
    ...main,
    '  std::fclose(out);',
    '}',
    '',
  ].join('\n');
  const files = hip
    ? [
        {
          path: 'k.cpp',
          text: `${change(printHip(kernels))}\n#include "bfloat16.h"\n#include <hip/hip_fp16.h>\n${inHip(rest)}`,
        },
        ...Object.entries(HIP_HEADERS).map(([path, text]) => ({ path, text: change(text) })),
      ]
    : [
        {
          path: 'k.cpp',
          text: ['#include "instructions.h"', '#include "warpgroups.h"', printCuda(kernels), rest].join('\n'),
        },
        ...included(kernels, change),
      ];
  const { path } = compiled('g++', files, [...cppFlags(checked), 'k.cpp']);
  const bytes = Buffer.concat(
    inputs.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
  const { written } = runProgram(path, bytes);
  const results = programs.map((): Record<string, Float32Array> => ({}));
  let at = 0;
  for (const { program: index, name, count } of outputs) {
    results[index]![name] = new Float32Array(written.buffer, at, count);
    at += 4 * count;
  }
  return results;
}
