import { hostRefused } from '../../ir/codes/kernels.js';
import { fail } from '../../ir/diagnostics.js';
import { ADAMW_WIDTH } from '../kernel/families/adamw.js';
import { scalarSchedule } from '../kernel/families/kernels.js';
import type { Kernel } from '../kernel/ir/kir.js';
import { verifyKernel } from '../kernel/ir/verify.js';
import { cudaPrototype, printCuda } from '../kernel/print/cuda.js';
import type { KernelPlan, Launch } from '../kernel/types.js';
import { FUNCTIONS, headerText, OPENING, STATE, TRAINING_FUNCTIONS } from './cuda-runtime.js';
import { type GridExtent, gridFor, kernelsOf, type Place, placesOf, regionRow } from './tables.js';
import { type TextFile, type Trained, trainedOf } from './text-file.js';
import { torchText } from './torch.js';

/** Blocks along the second and third axis of a CUDA grid. */
const MOST_BLOCKS = 65535;
/** Static shared memory of a block on every device. */
const SHARED_BYTES = 48 << 10;

/**
 * The files of a plan for CUDA: kernels/NAME.cu of every launch, adapters.h and adapters.cu, a C library that runs them
 * (create, set, forward and, in a plan for training, backward, gradients and step), CMakeLists.txt and, for training,
 * adapters_torch.py, a PyTorch module over the library. `architectures`
 * as nvcc spells them: sm_80. Kernels use CUDA cores: schedules for matrix units are replaced by their nearest scalar ones.
 * Throws LOTR6008 for a plan that the library cannot serve, LOTR6101 to LOTR6104 for a kernel that cannot be.
 */
export function cudaHost(plan: KernelPlan, architectures: readonly string[]): readonly TextFile[] {
  refuse(plan);
  const scalar = scalarPlan(plan);
  const kernels = kernelsOf(scalar);
  const trained = trainedOf(scalar);
  const all = [...[...kernels.values()].map(({ kernel }) => kernel), ...trained.map(({ kernel }) => kernel)];
  for (const kernel of all) {
    const [problem] = verifyKernel(kernel, plan.device);
    if (problem) fail(problem);
  }
  return [
    { path: 'adapters.h', text: header(scalar) },
    { path: 'adapters.cu', text: source(scalar, kernels, trained) },
    { path: 'CMakeLists.txt', text: cmakeText(all, architectures) },
    ...(plan.purpose === 'train' ? [{ path: 'adapters_torch.py', text: torchText(scalar) }] : []),
    ...all.map((kernel) => ({ path: `kernels/${kernel.name}.cu`, text: printCuda([kernel]) })),
  ];
}

function refuse({ device, dtype, adapters, regions }: KernelPlan): void {
  if (device.api !== 'cuda') throw new Error('the CUDA host is for CUDA');
  if (dtype !== 'f32') fail(hostRefused({ why: `its operands are ${dtype}`, hint: 'add --dtype f32' }));
  if (adapters > 1) {
    fail(hostRefused({ why: `it has ${adapters} adapters in a batch`, hint: 'leave --adapters out' }));
  }
  const library = regions.some(({ forward, backward }) =>
    [...forward, ...backward].some(({ family }) => family === 'blas'),
  );
  if (library) fail(hostRefused({ why: "it calls the vendor's library", hint: 'add --form split' }));
}

/** The plan with tiles for CUDA cores: what is written of it. */
export function scalarPlan(plan: KernelPlan): KernelPlan {
  const scalar = (launches: readonly Launch[]) =>
    launches.map((launch) => ({ ...launch, schedule: scalarSchedule(launch.schedule, SHARED_BYTES) }));
  return {
    ...plan,
    prologue: scalar(plan.prologue),
    regions: plan.regions.map((region) => ({
      ...region,
      forward: scalar(region.forward),
      backward: scalar(region.backward),
    })),
    epilogue: scalar(plan.epilogue),
  };
}

function header(plan: KernelPlan): string {
  const training = plan.purpose === 'train';
  const summary = [
    `Adapted layers on CUDA, ${training ? 'for training' : 'for serving'}. Written by lotrc from a plan for ${plan.device.name}: see plan.txt.`,
    'All buffers are float32 and row-major; their names and shapes (M: tokens):',
    ...plan.buffers.map(({ name, shape }) => `  ${name} [${shape.join(', ')}]`),
  ];
  const regions = plan.regions.map((region, index) => {
    const { label, x, y, layers } = regionRow(region, plan);
    return `  ${index}: ${label}: ${x} -> ${y.join(', ')} (${layers.join(', ')})`;
  });
  return headerText(training, summary.map(plain), regions.map(plain)).replace(
    'typedef struct lotrc_adapters lotrc_adapters;',
    `#define LOTRC_MAX_TOKENS ${mostTokens(plan)}u\n\ntypedef struct lotrc_adapters lotrc_adapters;`,
  );
}

/** Names of a model may end a comment. */
const plain = (text: string): string => text.replaceAll('*/', '* /');

/** Rows that the second axis of every grid reaches. */
function mostTokens(plan: KernelPlan): number {
  const per = [...kernelsOf(plan).values()].flatMap(({ launch }) =>
    gridFor(launch, plan.tokens).flatMap((extent) => (typeof extent === 'number' ? [] : [extent.per])),
  );
  return Math.min(2 ** 31 - 1, MOST_BLOCKS * Math.min(...per));
}

function source(
  plan: KernelPlan,
  kernels: ReturnType<typeof kernelsOf>,
  trained: readonly Trained[],
): string {
  const training = plan.purpose === 'train';
  const number = new Map(plan.buffers.map(({ name }, index) => [name, index]));
  const rows = plan.regions.map((region) => regionRow(region, plan));
  const calls = (launches: readonly Launch[], indent = '  ') =>
    launches.map(
      (launch) => `${indent}LOTRC_TRY(${callText(kernels.get(launch.name)!, number, plan.tokens)});`,
    );
  const cleared = plan.buffers.flatMap(({ name, cleared: yes }) => (yes ? [number.get(name)!] : []));
  return [
    '// The library over the kernels of this folder; see adapters.h.',
    '#include "adapters.h"',
    '',
    '#include <cuda_runtime.h>',
    '',
    '#include <cmath>',
    '#include <cstring>',
    '#include <new>',
    '#include <string>',
    '#include <utility>',
    '',
    ...[...kernels.values()].map(({ kernel }) => cudaPrototype(kernel)),
    ...trained.map(({ kernel }) => cudaPrototype(kernel)),
    OPENING,
    `static constexpr int BUFFER_COUNT = ${plan.buffers.length};`,
    `static constexpr int TRAINED_COUNT = ${trained.length};`,
    `static constexpr uint32_t REGION_COUNT = ${plan.regions.length};`,
    '',
    'static const BufferRow BUFFERS[BUFFER_COUNT] = {',
    ...plan.buffers.map(({ name, shape }) => {
      const fixed = shape.reduce<number>(
        (size, extent) => size * (typeof extent === 'string' ? 1 : extent),
        1,
      );
      return `    {${quoted(name)}, ${fixed}, ${shape.some((extent) => typeof extent === 'string')}},`;
    }),
    '};',
    '',
    'static const Place PLACES[] = {',
    ...[placesOf(plan.buffers, 'weight'), placesOf(plan.buffers, 'step')].flatMap((places) =>
      Object.entries(places).flatMap(([tensor, list]) =>
        list.map((place) => placeText(tensor, place, number)),
      ),
    ),
    '};',
    ...(training
      ? [
          '',
          '// the gradient of its input that a region writes (-1: none), and whether it adds to it',
          `static const int DX[] = {${rows.map(({ dx }) => (dx ? number.get(dx)! : -1)).join(', ')}};`,
          `static const bool ADDS_TO_DX[] = {${rows.map(({ addsToDx }) => addsToDx === true).join(', ')}};`,
        ]
      : []),
    STATE,
    'static cudaError_t allocate(lotrc_adapters *a) {',
    '  for (int i = 0; i < BUFFER_COUNT; i++) {',
    '    const size_t bytes = elements_of(a, i) * sizeof(float);',
    '    LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->buffer[i]), bytes));',
    '    LOTRC_TRY(cudaMemsetAsync(a->buffer[i], 0, bytes, a->stream));',
    '  }',
    ...trained.flatMap(({ elements }, index) =>
      [2 * index, 2 * index + 1].flatMap((slot) => [
        `  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[${slot}]), ${elements} * sizeof(float)));`,
        `  LOTRC_TRY(cudaMemsetAsync(a->moment[${slot}], 0, ${elements} * sizeof(float), a->stream));`,
      ]),
    ),
    '  return cudaSuccess;',
    '}',
    '',
    '// what is made of the factors alone',
    ...functionText('prologue', calls(plan.prologue)),
    ...regionsText(
      'forward',
      plan.regions.map(({ forward }) => calls(forward, '      ')),
    ),
    ...(training
      ? [
          ...regionsText(
            'backward',
            plan.regions.map(({ backward }) => calls(backward, '      ')),
          ),
          '// finishes the gradients of the factors',
          ...functionText('epilogue', calls(plan.epilogue)),
          '// sums over regions: zero before the first of a step',
          ...functionText(
            'clear',
            cleared.map(
              (i) =>
                `  LOTRC_TRY(cudaMemsetAsync(a->buffer[${i}], 0, elements_of(a, ${i}) * sizeof(float), a->stream));`,
            ),
          ),
          ...updateText(trained, number),
        ]
      : []),
    FUNCTIONS,
    ...(training ? [TRAINING_FUNCTIONS] : []),
    '}  // extern "C"',
    '',
  ].join('\n');
}

function functionText(name: string, body: readonly string[]): string[] {
  // a plan may have nothing to do there
  const head = `static cudaError_t ${name}([[maybe_unused]] lotrc_adapters *a) {`;
  return [head, ...body, '  return cudaSuccess;', '}', ''];
}

function regionsText(name: string, regions: readonly (readonly string[])[]): string[] {
  return [
    `static cudaError_t ${name}(lotrc_adapters *a, uint32_t region) {`,
    '  switch (region) {',
    ...regions.flatMap((lines, index) => [`    case ${index}:`, ...lines, '      return cudaSuccess;']),
    '    default:',
    '      return cudaErrorInvalidValue;',
    '  }',
    '}',
    '',
  ];
}

/** `launch(a, NAME, grid, threads, buffers..., uniforms...)`. */
function callText(
  { kernel, launch }: { kernel: Kernel; launch: Launch },
  number: ReadonlyMap<string, number>,
  tokens: number,
): string {
  const grid = gridFor(launch, tokens).map(extentText).join(', ');
  const operands = kernel.buffers.map(({ name }) => `a->buffer[${number.get(name)!}]`);
  const uniforms = kernel.uniforms.map(({ name }) => {
    if (name !== 'M') throw new Error(`the launch ${launch.name} wants a number ${name}`);
    return 'a->tokens';
  });
  return `launch(a, ${[kernel.name, `dim3(${grid})`, threadsOf(kernel), ...operands, ...uniforms].join(', ')})`;
}

const extentText = (extent: GridExtent): string =>
  typeof extent === 'number' ? `${extent}` : `tiles(a, ${extent.per})`;

function threadsOf({ name, workgroup: [x, y, z] }: Kernel): number {
  if (y !== 1 || z !== 1) throw new Error(`the block of ${name} is not a line`);
  return x;
}

function updateText(trained: readonly Trained[], number: ReadonlyMap<string, number>): string[] {
  const values: Readonly<Record<string, string>> = {
    correction1: 'correction1',
    correction2: 'correction2',
  };
  const lines = trained.map(({ kernel, factor, gradient, elements }, index) => {
    const own: Readonly<Record<string, string>> = {
      parameter: `a->buffer[${number.get(factor)!}]`,
      gradient: `a->buffer[${number.get(gradient)!}]`,
      moment1: `a->moment[${2 * index}]`,
      moment2: `a->moment[${2 * index + 1}]`,
    };
    const operands = kernel.buffers.map(({ name }) => own[name]!);
    const numbers = kernel.uniforms.map(({ name }) => values[name] ?? `n.${name}`);
    const grid = `dim3(${Math.ceil(elements / ADAMW_WIDTH)}, 1, 1)`;
    return `  LOTRC_TRY(launch(a, ${[kernel.name, grid, threadsOf(kernel), ...operands, ...numbers].join(', ')}));`;
  });
  const head =
    'static cudaError_t update(lotrc_adapters *a, const lotrc_adamw &n, float correction1, float correction2) {';
  return ['// one step of every factor', head, ...lines, '  return cudaSuccess;', '}', ''];
}

function placeText(tensor: string, place: Place, number: ReadonlyMap<string, number>): string {
  const { buffer, offset, rows, cols, rowStride } = place;
  return `    {${[quoted(tensor), number.get(buffer)!, offset, rows, cols, rowStride].join(', ')}},`;
}

/** A C string of any text; what is not plain ASCII as octal escapes, which end after three digits. */
function quoted(text: string): string {
  const bytes = [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') return `\\${char}`;
    return byte >= 32 && byte < 127 && char !== '?' ? char : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `"${bytes.join('')}"`;
}

function cmakeText(kernels: readonly Kernel[], architectures: readonly string[]): string {
  return [
    '# A library of the kernels and adapters.h, static or, with -DBUILD_SHARED_LIBS=ON, shared. CMake 3.24, CUDA 11.8 or newer.',
    'cmake_minimum_required(VERSION 3.24)',
    'project(lotrc_adapters LANGUAGES CXX CUDA)',
    'if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES OR CMAKE_CUDA_ARCHITECTURES_DEFAULT)',
    `  set(CMAKE_CUDA_ARCHITECTURES ${architectures.map((arch) => arch.replace('sm_', '')).join(' ')})`,
    'endif()',
    'add_library(lotrc_adapters',
    '  adapters.cu',
    ...kernels.map(({ name }) => `  kernels/${name}.cu`),
    ')',
    'target_include_directories(lotrc_adapters PUBLIC .)',
    'target_compile_features(lotrc_adapters PUBLIC cxx_std_17 cuda_std_17)',
    'set_target_properties(lotrc_adapters PROPERTIES POSITION_INDEPENDENT_CODE ON)',
    '',
  ].join('\n');
}
