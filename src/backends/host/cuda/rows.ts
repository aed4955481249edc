import type { Kernel } from '../../kernel/ir/kir.js';
import type { BufferPlan } from '../../kernel/model/types.js';
import { launchBytes } from '../../kernel/print/cuda/shared-memory.js';
import type { OperatorFiles } from '../ort/operators.js';
import type { TensorPlace } from '../shared/tables.js';

/** Rows of the tables of an emitted CUDA library, and its CMakeLists.txt. */

/** Numbers of buffers by name. */
export type BufferNumbers = ReadonlyMap<string, number>;

const TYPES = {
  f32: 'LOTRC_FLOAT32',
  f16: 'LOTRC_FLOAT16',
  bf16: 'LOTRC_BFLOAT16',
  u32: 'LOTRC_UINT32',
  u8: 'LOTRC_UINT8',
} as const;

/** `rowBlock`: number of rows for each element of a table of row blocks; `library`: rows may have borders; `later`: allocated when it is used. */
export function bufferText(
  { name, shape, dtype, border = 0 }: BufferPlan,
  rowBlock: number,
  library: boolean,
  later: boolean,
): string {
  const fixed = shape.reduce<number>((size, extent) => size * (typeof extent === 'string' ? 1 : extent), 1);
  const per = shape.includes('M') ? 1 : shape.includes('rowBlocks') ? rowBlock : 0;
  const row = [cString(name), TYPES[dtype], fixed, per, later, ...(library ? [border] : [])];
  return `    {${row.join(', ')}},`;
}

/** `factor`: the tensor belongs to an adapter; `library`: it may be stored transposed. */
export function placeText(
  tensor: string,
  place: TensorPlace,
  factor: boolean,
  number: BufferNumbers,
  library: boolean,
): string {
  const { buffer, offset, rows, cols, rowStride, transposed = false } = place;
  const row = [cString(tensor), factor, number.get(buffer)!, offset, rows, cols, rowStride];
  return `    {${[...row, ...(library ? [transposed] : [])].join(', ')}},`;
}

/** Threads of a kernel's block, which is a line of them. */
export function blockThreads({ name, workgroup: [x, y, z] }: Kernel): number {
  if (y !== 1 || z !== 1) throw new Error(`the block of ${name} is not a line`);
  return x;
}

/** Allows the launches of a kernel as much shared memory as they give. */
export const allowText = (kernel: Kernel): string =>
  `  LOTRC_TRY(cudaFuncSetAttribute(${kernel.name}, cudaFuncAttributeMaxDynamicSharedMemorySize, ${launchBytes(kernel)}));`;

/** A C string of any text; other characters than plain ASCII as octal escapes, which end after three digits. */
export function cString(text: string): string {
  const bytes = [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') return `\\${char}`;
    return byte >= 32 && byte < 127 && char !== '?' ? char : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `"${bytes.join('')}"`;
}

/**
 * `grouped`: kernels for sm_90a alone; `operators`: the library for ONNX Runtime, empty without one;
 * `library`: cuBLASLt is called.
 */
export function cmakeText(
  kernels: readonly Kernel[],
  grouped: readonly Kernel[],
  operators: OperatorFiles,
  architectures: readonly string[],
  library: boolean,
): string {
  const target = (name: string) => [
    `target_compile_features(${name} PUBLIC cxx_std_17 cuda_std_17)`,
    `set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)`,
  ];
  const onlyFor90a = (name: string, paths: readonly string[]) =>
    paths.length === 0
      ? []
      : [
          '# kernels for warpgroups and the copy engine, which devices of that architecture run',
          'if("90a" IN_LIST CMAKE_CUDA_ARCHITECTURES)',
          `  target_sources(${name} PRIVATE`,
          ...paths.map((path) => `    ${path}`),
          '  )',
          `  target_compile_definitions(${name} PRIVATE LOTRC_SM90A)`,
          'endif()',
        ];
  return [
    '# A library of the kernels and adapters.h, static or, with -DBUILD_SHARED_LIBS=ON, shared. CMake 3.24, CUDA 11.8 or newer; 12.0 for 90a.',
    'cmake_minimum_required(VERSION 3.24)',
    '# before project(), which would set what the compiler takes by default',
    'if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)',
    `  set(CMAKE_CUDA_ARCHITECTURES ${architectures.map((arch) => arch.replace('sm_', '')).join(' ')})`,
    'endif()',
    ...(grouped.length + operators.grouped.length === 0
      ? []
      : [
          '# warpgroups are features of 90a alone: a build for 90 would leave them out',
          'list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^90(-real)?$" "90a")',
          'if(CMAKE_CUDA_ARCHITECTURES MATCHES "native|all")',
          '  message(WARNING "kernels for warpgroups are left out: for an H100 or H200 set CMAKE_CUDA_ARCHITECTURES=90a")',
          'endif()',
        ]),
    'project(lotrc_adapters LANGUAGES CXX CUDA)',
    'add_library(lotrc_adapters',
    '  adapters.cu',
    ...kernels.map(({ name }) => `  kernels/${name}.cu`),
    ')',
    'target_include_directories(lotrc_adapters PUBLIC .)',
    ...(library || operators.library ? ['find_package(CUDAToolkit REQUIRED)'] : []),
    ...(library ? ['target_link_libraries(lotrc_adapters PRIVATE CUDA::cublasLt)'] : []),
    ...target('lotrc_adapters'),
    ...onlyFor90a(
      'lotrc_adapters',
      grouped.map(({ name }) => `kernels/${name}.cu`),
    ),
    ...(operators.files.length === 0
      ? []
      : [
          '',
          '# operators for ONNX Runtime: session options register this library',
          'add_library(lotrc_ort SHARED',
          ...operators.files.flatMap(({ path }) =>
            path.endsWith('.cu') && !operators.grouped.includes(path) ? [`  ${path}`] : [],
          ),
          ')',
          ...(operators.library ? ['target_link_libraries(lotrc_ort PRIVATE CUDA::cublasLt)'] : []),
          ...target('lotrc_ort'),
          ...onlyFor90a('lotrc_ort', operators.grouped),
        ]),
    '',
  ].join('\n');
}
