import { fail } from '../../../../ir/diagnostics.js';
import { f32Text } from '../../../../ir/text/numbers.js';
import { cannotSpell } from '../../../codes/kernel-ir.js';
import type { ArrayDecl, BufferParam, Kernel } from '../../ir/kir.js';
import { legalise } from '../../ir/legalise.js';
import { usesSubgroups } from '../../ir/subgroups.js';
import { WARP } from '../../ir/units.js';
import { CFamily, type Spelling } from '../c-family.js';
import { betweenLaunches, LAUNCHES, overlaps } from './launches.js';
import {
  EIGHT_NUMBERS,
  MATRIX_UNITS,
  PACKED_TILES,
  PACKED_WEIGHTS,
  STAGED_TILES,
  unitText,
  unpacksWords,
} from './matrix-units.js';
import { launchBytes, sharedPlaces } from './shared-memory.js';
import { PAIR, WARPGROUP_UNITS, warpgroupText } from './warpgroup-units.js';

const AXES = ['x', 'y', 'z'] as const;
const TYPES = {
  f32: 'float',
  f32x4: 'float4',
  f16x4: '__half4',
  u32: 'unsigned',
  u32x4: 'uint4',
  bool: 'bool',
} as const;
const ELEMENTS = {
  f32: 'float',
  f16: '__half',
  bf16: '__nv_bfloat16',
  u32: 'unsigned',
  u8: 'unsigned char',
} as const;
const HEADERS = { f16: 'cuda_fp16.h', bf16: 'cuda_bf16.h' } as const;
/** How an element of a narrow type is widened and rounded. */
const CONVERSIONS = {
  f16: ['__half2float', '__float2half_rn'],
  bf16: ['__bfloat162float', '__float2bfloat16_rn'],
} as const;
/** Two elements in one word, and what makes them of two floats. */
const PAIRS: Readonly<Record<string, readonly [type: string, make: string]>> = {
  f32: ['float2', 'make_float2'],
  f16: ['__half2', '__floats2half2_rn'],
  bf16: ['__nv_bfloat162', '__floats2bfloat162_rn'],
};
const CALLS: Readonly<Record<string, string>> = { exp: 'expf', sqrt: 'sqrtf', abs: 'fabsf' };

const WARP_SUM = [
  '// The sum over a warp, the same in all of its threads.',
  'static __device__ __forceinline__ float warp_sum(float value) {',
  `  for (unsigned step = ${WARP / 2}u; step > 0u; step /= 2u) value += __shfl_xor_sync(0xffffffffu, value, step);`,
  '  return value;',
  '}',
  '',
];

/**
 * Kernels as one CUDA C++ source file: an `extern "C"` kernel each, of which the parameters are the maps and the buffers in
 * order and then the uniforms. A launch gives them `launchBytes` of shared memory; where that is nothing they declare what they use. A
 * subgroup is a warp; throws LOTR6103 for a kernel with subgroups of which the last warp would not be full.
 */
export function printCuda(kernels: readonly Kernel[]): string {
  const elems = new Set(kernels.flatMap(({ buffers }) => buffers.map(({ elem }) => elem)));
  const headers = (['f16', 'bf16'] as const).filter((elem) => elems.has(elem));
  const includes = headers.map((elem) => `#include <${HEADERS[elem]}>`);
  if (kernels.some(({ fragments }) => fragments)) includes.push(`#include "${MATRIX_UNITS}"`);
  if (kernels.some(({ eights }) => eights)) includes.push(`#include "${EIGHT_NUMBERS}"`);
  if (kernels.some(({ staged }) => staged)) includes.push(`#include "${STAGED_TILES}"`);
  if (kernels.some(unpacksWords)) includes.push(`#include "${PACKED_WEIGHTS}"`);
  if (kernels.some(overlaps)) includes.push(`#include "${LAUNCHES}"`);
  if (kernels.some(({ ring }) => ring)) includes.push(`#include "${WARPGROUP_UNITS}"`);
  if (kernels.some(({ ring }) => ring?.unpacks)) includes.push(`#include "${PACKED_TILES}"`);
  const lines = [...includes, ...(includes.length > 0 ? [''] : [])];
  if (kernels.some(usesSubgroups)) lines.push(...WARP_SUM);
  return `${[...lines, ...kernels.flatMap(cudaKernel)].join('\n')}`;
}

/** The declaration of a kernel, for another source file that launches it. */
export function cudaPrototype(kernel: Kernel): string {
  return `extern "C" __global__ void ${kernel.name}(${parameters(kernel).join(', ')});`;
}

function parameters({ buffers, uniforms, maps = [], settles }: Kernel): string[] {
  const pointers = buffers.filter(({ mapped }) => !mapped);
  return [
    ...maps.map(({ name }) => `const __grid_constant__ CUtensorMap ${name}`),
    // what a launch that has not ended may write is read after the wait: no compiler may take it for constant
    ...pointers.map((param) => pointer(param, !settles)),
    ...uniforms.map((uniform) => `${TYPES[uniform.type]} ${uniform.name}`),
  ];
}

function cudaKernel(kernel: Kernel): string[] {
  const legal = legalise(kernel);
  const { name, about, workgroup, body, arrays, atOnce } = legal;
  // a ring of warpgroups takes most of the shared memory: one block at a time, whose warpgroups may exchange registers
  const blocks = legal.ring ? 1 : atOnce;
  const [x, y, z] = workgroup;
  if (usesSubgroups(kernel) && (x * y * z) % WARP !== 0)
    fail(cannotSpell({ kernel: name, target: 'CUDA', what: `a subgroup of fewer than ${WARP} threads` }));
  if (kernel.buffers.some(({ vector }) => vector))
    fail(cannotSpell({ kernel: name, target: 'CUDA', what: 'buffers of vectors' }));
  const elems = new Map(kernel.buffers.map((param) => [param.name, param.elem]));
  const params = parameters(kernel);
  return [
    ...about.map((line) => `// ${line}`),
    `extern "C" __global__ void ${legal.ring?.pair ? `${PAIR} ` : ''}__launch_bounds__(${x * y * z}${blocks === undefined ? '' : `, ${blocks}`})`,
    `${name}(${params.join(', ')}) {`,
    ...(legal.ring ? ['#ifdef LOTRC_WARPGROUPS'] : []),
    ...betweenLaunches(legal),
    ...arrays.map((array) => arrayText(array, legal)),
    ...(legal.fragments ?? []).map(
      ({ name, part, type, count }) =>
        `  unsigned ${name}[${count}][${(part === 'a' ? 4 : 2) * (type === 'tf32x3' ? 2 : 1)}];`,
    ),
    ...new CFamily(spelling(legal, elems)).block(body, 1),
    // the host launches it on devices that have warpgroups
    ...(legal.ring ? ['#else', '  __trap();', '#endif'] : []),
    '}',
    '',
  ];
}

/** An array of a kernel. What is copied 16 bytes at once begins at a multiple of that. */
function arrayText({ name, space, size, elem = 'f32' }: ArrayDecl, kernel: Kernel): string {
  const type = ELEMENTS[elem];
  if (space === 'register') return `  ${type} ${name}[${size}] = {};`;
  // a ring takes all that a launch gives
  const bytes = kernel.ring ? 0 : launchBytes(kernel);
  if (bytes > 0) {
    const first = sharedPlaces(kernel.arrays).first.get(name);
    return `  ${type} *const ${name} = reinterpret_cast<${type} *>(shared_memory<${bytes}>() + ${first});`;
  }
  return `  __shared__ ${kernel.fragments || kernel.staged ? '__align__(16) ' : ''}${type} ${name}[${size}];`;
}

function pointer({ name, elem, access }: BufferParam, alone: boolean): string {
  return `${access === 'read' ? 'const ' : ''}${ELEMENTS[elem]}* ${alone ? '__restrict__ ' : ''}${name}`;
}

function spelling(kernel: Kernel, elems: ReadonlyMap<string, BufferParam['elem']>): Spelling {
  const arrays = new Map(kernel.arrays.map(({ name, elem = 'f32' }) => [name, elem]));
  const conversion = (buffer: string) => {
    const elem = elems.get(buffer);
    return elem === 'f16' || elem === 'bf16' ? CONVERSIONS[elem] : null;
  };
  return {
    literal: (type, value) => {
      if (type === 'bool') return value ? 'true' : 'false';
      return type === 'u32' ? `${value}u` : `${f32Text(value)}f`;
    },
    type: (type) => TYPES[type],
    // blocks of a ring compute several tiles each
    id: (of, axis) => {
      if (of === 'local') return `threadIdx.${AXES[axis]}`;
      return kernel.ring ? `tile.${AXES[axis]}` : `blockIdx.${AXES[axis]}`;
    },
    each: [
      'for (unsigned n = blockIdx.x; n < tiles.count(); n += gridDim.x) {',
      '  const Tile tile = tiles.at(n);',
    ],
    uniform: (name) => name,
    fma: (a, b, c) => `fmaf(${a}, ${b}, ${c})`,
    call: (fn, of) => `${CALLS[fn]}(${of})`,
    minMax: (op, type, a, b) => `${type === 'f32' ? `f${op}f` : op}(${a}, ${b})`,
    // only the chosen one is evaluated
    select: (cond, whenTrue, whenFalse) => `(${cond} ? ${whenTrue} : ${whenFalse})`,
    read: (buffer, index) => {
      const widen = conversion(buffer)?.[0];
      return widen ? `${widen}(${buffer}[${index}])` : `${buffer}[${index}]`;
    },
    peek: (array, index) => `${array}[${index}]`,
    // kernels with vectors are refused
    vector: (of) => `make_float4(${of.join(', ')})`,
    turned: (of) => `make_uint4(${[...'yzwx'].map((at) => `${of}.${at}`).join(', ')})`,
    halves: (of) => `make_half4(${of})`,
    write: (buffer, index, value, next) => {
      if (next !== undefined) {
        const [type, make] = PAIRS[elems.get(buffer)!]!;
        return `*reinterpret_cast<${type}*>(&${buffer}[${index}]) = ${make}(${value}, ${next});`;
      }
      const round = conversion(buffer)?.[1];
      return `${buffer}[${index}] = ${round ? `${round}(${value})` : value};`;
    },
    declare: (kind, type, name, init) => `${kind === 'let' ? 'const ' : ''}${TYPES[type]} ${name} = ${init};`,
    poke: (array, index, value) => {
      const elem = arrays.get(array);
      const round = elem === 'f16' || elem === 'bf16' ? CONVERSIONS[elem][1] : null;
      return `${array}[${index}] = ${round ? `${round}(${value})` : value};`;
    },
    subgroup: (of) => (of === 'peers' ? `${WARP}u` : `threadIdx.x ${of === 'peer' ? '%' : '/'} ${WARP}u`),
    subgroupAdd: (of) => `warp_sum(${of})`,
    unit: (stmt, text) => unitText(stmt, kernel, text),
    group: (stmt, text) => warpgroupText(stmt, kernel, text),
    unroll: '#pragma unroll',
    // a compiler that writes out loops over tiles runs out of registers
    ...(kernel.staged ? { rolled: '#pragma unroll 1' } : {}),
    counter: 'unsigned',
    barrier: '__syncthreads();',
  };
}
