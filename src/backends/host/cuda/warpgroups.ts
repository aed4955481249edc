import type { Kernel, U32 } from '../../kernel/ir/kir.js';
import { BOX, type MapParam, ringBytes } from '../../kernel/ir/warpgroups.js';
import type { KernelPlan, Launch } from '../../kernel/model/types.js';
import { type BoundKernel, SharedKernels } from '../shared/kernels.js';
import { launchesOf } from '../shared/tables.js';
import type { Numbers } from './rows.js';

/**
 * The part of an emitted CUDA library that is for devices with warpgroups (sm_90a): kernels in addition to those for
 * any device, tensor maps of the matrices that the copy engine loads, and the choice at run time. It is compiled where
 * LOTRC_SM90A is defined, which CMakeLists.txt does for 90a.
 */

/** Defined where kernels are compiled for sm_90a. */
export const SM90A = 'LOTRC_SM90A';

/** The kernels for warpgroups of a lowered plan, by the names of the launches that they replace. */
export function twinsOf(plan: KernelPlan): ReadonlyMap<string, BoundKernel> {
  const shared = new SharedKernels();
  return new Map(
    launchesOf(plan).flatMap((launch): [string, BoundKernel][] => {
      const { warpgroups, ...rest } = launch;
      if (!warpgroups) return [];
      const own: Launch = { ...rest, name: `${launch.name}_warpgroups`, schedule: warpgroups };
      return [[launch.name, shared.of(own)]];
    }),
  );
}

/** One row of the table of maps, and the place of a row in it. */
export class MapTable {
  readonly #rows = new Map<string, number>();

  constructor(readonly number: Numbers) {}

  /** Number of a map of a kernel, for the buffers that it is launched with; equal maps are one. */
  of({ view, rows }: MapParam, { buffers }: BoundKernel): number {
    const [height, width] = view.extents.map(lengthText);
    const row = [
      this.number.get(buffers.get(view.buffer)!)!,
      lengthText(view.offset),
      height,
      width,
      lengthText(view.strides[0]!),
      `${rows}`,
    ].join(', ');
    const known = this.#rows.get(row) ?? this.#rows.size;
    this.#rows.set(row, known);
    return known;
  }

  get rows(): readonly string[] {
    return [...this.#rows.keys()];
  }
}

/** A length of a table: 0 means the number of tokens. */
function lengthText(extent: U32): string {
  if (extent.e === 'lit') return `${extent.value}`;
  if (extent.e === 'uniform' && extent.name === 'M') return '0';
  throw new Error('a map has a length that the library does not know');
}

/** The tables and what makes the maps, after the state of the library; `kernels`: all that are for warpgroups. */
export function preparationText(maps: MapTable, kernels: readonly Kernel[]): string {
  return `
#ifdef ${SM90A}
// what the copy engine loads: rows x cols (0: tokens) from element \`offset\` on, \`pitch\` elements from row to row,
// in boxes of \`box\` rows of ${BOX}
struct MapRow {
  int buffer;
  size_t offset, rows, cols, pitch;
  cuuint32_t box;
};
static const MapRow MAPS[MAP_COUNT] = {
${maps.rows.map((row) => `    {${row}},`).join('\n')}
};

// the kernels for warpgroups, and the bytes of their rings
static cudaError_t allow_rings() {
${kernels.map((kernel) => `  LOTRC_TRY(cudaFuncSetAttribute(${kernel.name}, cudaFuncAttributeMaxDynamicSharedMemorySize, ${ringBytes(kernel.ring!)}));`).join('\n')}
  return cudaSuccess;
}

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *,
                           const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                           CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static cudaError_t make_map(lotrc_adapters *a, Encode encode, int number) {
  const MapRow &row = MAPS[number];
  const bool half = BUFFERS[row.buffer].type == LOTRC_FLOAT16;
  const cuuint64_t size[] = {row.cols == 0 ? a->tokens : row.cols, row.rows == 0 ? a->tokens : row.rows};
  const cuuint64_t pitch[] = {2 * row.pitch};
  const cuuint32_t box[] = {${BOX}, row.box}, steps[] = {1, 1};
  char *first = static_cast<char *>(a->buffer[row.buffer]) + 2 * row.offset;
  const CUresult made = encode(&a->map[number], half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
                               first, size, pitch, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return made == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

// Maps for the copy engine, on devices that have warpgroups; others, and drivers that cannot make maps, run the other kernels.
static cudaError_t prepare(lotrc_adapters *a) {
  int device = 0, major = 0;
  LOTRC_TRY(cudaGetDevice(&device));
  LOTRC_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  if (major != 9) return cudaSuccess;
  void *found = nullptr;
  cudaDriverEntryPointQueryResult answer;
#if CUDART_VERSION >= 12050
  LOTRC_TRY(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &answer));
#else
  LOTRC_TRY(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &answer));
#endif
  if (answer != cudaDriverEntryPointSuccess) return cudaSuccess;
  for (int i = 0; i < MAP_COUNT; i++) LOTRC_TRY(make_map(a, reinterpret_cast<Encode>(found), i));
  LOTRC_TRY(allow_rings());
  a->warpgroups = true;
  return cudaSuccess;
}
#endif
`;
}

/** What the state of the library holds for warpgroups. */
export const WARPGROUP_STATE = `#ifdef ${SM90A}
  CUtensorMap map[MAP_COUNT] = {};
  bool warpgroups = false;          // the device has them
#endif
`;
