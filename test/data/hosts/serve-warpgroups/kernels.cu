// kernels/matrix_units.cuh
// Matrix units of a warp and copies that run in parallel with the arithmetic: sm_80 and up. Written by lotrc.
#ifndef LOTRC_MATRIX_UNITS
#define LOTRC_MATRIX_UNITS

#ifndef LOTRC_OWN_INSTRUCTIONS
#define LOTRC_DEVICE static __device__ __forceinline__

LOTRC_DEVICE unsigned shared_address(const void *place) {
  return static_cast<unsigned>(__cvta_generic_to_shared(place));
}

// four, or two, 8 x 8 matrices of 16-bit elements; thread i names row i % 8 of matrix i / 8
LOTRC_DEVICE void ldmatrix_4(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_4_transposed(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_2(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_2_transposed(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1]) : "r"(shared_address(row)) : "memory");
}

// c (16 x 8) += a (16 x 16, or 16 x 8 for tf32) b
LOTRC_DEVICE void mma_bf16(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE void mma_f16(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE void mma_tf32(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE unsigned round_tf32(float value) {
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
}

// begins to copy 16 bytes to shared memory, or to write zeros there
LOTRC_DEVICE void copy_16_bytes(void *to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(shared_address(to)), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
LOTRC_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// until all but the last PENDING groups have arrived
template <int PENDING>
LOTRC_DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory"); }
#endif

// 16 bytes from element `index` on; elements outside are not addressed
template <class T>
LOTRC_DEVICE void copy_16(T *to, const T *from, unsigned index, bool inside) {
  copy_16_bytes(to, inside ? from + index : from, inside);
}

// Operand a: 16 rows, 16 along the inner dimension; element (i, k) at tile[i * stride + k], or tile[k * stride + i].
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_a(unsigned *to, const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, matrix = lane / 8;
  const unsigned i = 8 * (matrix % 2), k = 8 * (matrix / 2), row = lane % 8;
  if (TRANSPOSED) ldmatrix_4_transposed(to, tile + (k + row) * stride + i);
  else ldmatrix_4(to, tile + (i + row) * stride + k);
}

// Operand b: 16 along the inner dimension, 8 columns; element (k, j) at tile[k * stride + j], or tile[j * stride + k].
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_b(unsigned *to, const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, k = 8 * (lane / 8 % 2), row = lane % 8;
  // as stored, neighbours lie along the columns; the unit wants neighbours along the inner dimension
  if (TRANSPOSED) ldmatrix_2(to, tile + row * stride + k);
  else ldmatrix_2_transposed(to, tile + (k + row) * stride);
}

// The same for tf32: 8 along the inner dimension, every element rounded by the thread that takes it.
template <bool TRANSPOSED>
LOTRC_DEVICE void load_a_tf32(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, i = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 4; e++) {
    const unsigned row = i + 8 * (e % 2), at = k + 4 * (e / 2);
    to[e] = round_tf32(tile[TRANSPOSED ? at * stride + row : row * stride + at]);
  }
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_b_tf32(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, j = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 2; e++) {
    const unsigned at = k + 4 * e;
    to[e] = round_tf32(tile[TRANSPOSED ? j * stride + at : at * stride + j]);
  }
}

#endif // LOTRC_MATRIX_UNITS

// kernels/warpgroup_units.cuh
// Warpgroups of Hopper, fed by its copy engine: sm_90a. Written by lotrc.
#ifndef LOTRC_WARPGROUP_UNITS
#define LOTRC_WARPGROUP_UNITS
#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

// Instructions (PTX ISA 8: wgmma, cp.async.bulk.tensor, mbarrier, setmaxnreg). A build for another machine defines
// LOTRC_OWN_WARPGROUPS and brings them itself.
#ifdef LOTRC_OWN_WARPGROUPS
#define LOTRC_WARPGROUPS
#elif defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LOTRC_WARPGROUPS
#define LOTRC_GROUP static __device__ __forceinline__
#define LOTRC_MEMBER static __device__ __forceinline__
#define LOTRC_INSIDE __device__ __forceinline__

LOTRC_GROUP unsigned place_of(const void *shared) { return static_cast<unsigned>(__cvta_generic_to_shared(shared)); }

// workgroup memory of the launch, from a multiple of 1024 bytes on
LOTRC_GROUP unsigned char *shared_tiles() {
  extern __shared__ unsigned char lotrc_tiles[];
  return lotrc_tiles + (0u - place_of(lotrc_tiles)) % 1024u;
}

// a barrier: a phase ends after this number of arrivals and all expected bytes
LOTRC_GROUP void begin_barrier(uint64_t *barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(place_of(barrier)), "r"(arrivals) : "memory");
}
LOTRC_GROUP void publish_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
LOTRC_GROUP void arrive(uint64_t *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(place_of(barrier)) : "memory");
}
LOTRC_GROUP void arrive_expecting(uint64_t *barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(place_of(barrier)), "r"(bytes) : "memory");
}
// until the phase of this parity has ended
LOTRC_GROUP void await(uint64_t *barrier, unsigned parity) {
  unsigned ended;
  do {
    asm volatile("{ .reg .pred ended; mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2; selp.u32 %0, 1, 0, ended; }"
                 : "=r"(ended) : "r"(place_of(barrier)), "r"(parity) : "memory");
  } while (ended == 0);
}

// begins to bring the box from (row, column) on; its bytes arrive at the barrier
LOTRC_GROUP void bring_box(void *to, const CUtensorMap &map, unsigned row, unsigned col, uint64_t *barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
               :: "r"(place_of(to)), "l"(&map), "r"(place_of(barrier)), "r"(col), "r"(row) : "memory");
}

LOTRC_GROUP void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
LOTRC_GROUP void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING>
LOTRC_GROUP void await_products() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(PENDING) : "memory"); }
template <int COUNT>
LOTRC_GROUP void fewer_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(COUNT)); }
template <int COUNT>
LOTRC_GROUP void more_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(COUNT)); }

// c (64 x COLS) += a (64 x 16) b (16 x COLS)
template <class T, int COLS>
struct Multiply;
template <>
struct Multiply<__nv_bfloat16, 256> {
  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_MEMBER void add(float (&c)[128], uint64_t a, uint64_t b) {
    asm volatile(
      "{ .reg .pred adds; setp.ne.b32 adds, 1, 0;"
      " wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
      "}, %128, %129, adds, 1, 1, %130, %131; }"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]), "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
        "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]), "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]), "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]), "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31]),
        "+f"(c[32]), "+f"(c[33]), "+f"(c[34]), "+f"(c[35]), "+f"(c[36]), "+f"(c[37]), "+f"(c[38]), "+f"(c[39]), "+f"(c[40]), "+f"(c[41]), "+f"(c[42]), "+f"(c[43]), "+f"(c[44]), "+f"(c[45]), "+f"(c[46]), "+f"(c[47]),
        "+f"(c[48]), "+f"(c[49]), "+f"(c[50]), "+f"(c[51]), "+f"(c[52]), "+f"(c[53]), "+f"(c[54]), "+f"(c[55]), "+f"(c[56]), "+f"(c[57]), "+f"(c[58]), "+f"(c[59]), "+f"(c[60]), "+f"(c[61]), "+f"(c[62]), "+f"(c[63]),
        "+f"(c[64]), "+f"(c[65]), "+f"(c[66]), "+f"(c[67]), "+f"(c[68]), "+f"(c[69]), "+f"(c[70]), "+f"(c[71]), "+f"(c[72]), "+f"(c[73]), "+f"(c[74]), "+f"(c[75]), "+f"(c[76]), "+f"(c[77]), "+f"(c[78]), "+f"(c[79]),
        "+f"(c[80]), "+f"(c[81]), "+f"(c[82]), "+f"(c[83]), "+f"(c[84]), "+f"(c[85]), "+f"(c[86]), "+f"(c[87]), "+f"(c[88]), "+f"(c[89]), "+f"(c[90]), "+f"(c[91]), "+f"(c[92]), "+f"(c[93]), "+f"(c[94]), "+f"(c[95]),
        "+f"(c[96]), "+f"(c[97]), "+f"(c[98]), "+f"(c[99]), "+f"(c[100]), "+f"(c[101]), "+f"(c[102]), "+f"(c[103]), "+f"(c[104]), "+f"(c[105]), "+f"(c[106]), "+f"(c[107]), "+f"(c[108]), "+f"(c[109]), "+f"(c[110]), "+f"(c[111]),
        "+f"(c[112]), "+f"(c[113]), "+f"(c[114]), "+f"(c[115]), "+f"(c[116]), "+f"(c[117]), "+f"(c[118]), "+f"(c[119]), "+f"(c[120]), "+f"(c[121]), "+f"(c[122]), "+f"(c[123]), "+f"(c[124]), "+f"(c[125]), "+f"(c[126]), "+f"(c[127])
      : "l"(a), "l"(b), "n"(TRANSPOSED_A), "n"(TRANSPOSED_B));
  }
};
#endif

#ifdef LOTRC_WARPGROUPS
// A tile in workgroup memory as wgmma addresses it: rows of 128 bytes, eight to a block of 1024, their 16 bytes
// exchanged as the copy engine writes them (128-byte swizzle). `next`: bytes from 64 columns to the next where rows
// run across the inner dimension; not read otherwise.
LOTRC_GROUP uint64_t tile_at(const void *place, unsigned next) {
  return uint64_t(place_of(place) >> 4) | uint64_t(next >> 4) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}

// Tiles of ROWS x 64 and 64 x COLS on their way from one warpgroup to the others, for ROWS x COLS results of a
// block.
template <class T, int ROWS, int COLS, int STAGES>
struct Ring {
  static constexpr unsigned BOX_BYTES = 64 * 128, A_BYTES = ROWS * 128, B_BYTES = COLS * 128;
  unsigned char *tiles;
  uint64_t *full, *empty;
  // place of the next tile, number of passes through the ring, and the tile before it, which is still being multiplied
  unsigned stage = 0, round = 0;
  int busy = -1;

  LOTRC_INSIDE Ring() {
    tiles = shared_tiles();
    full = reinterpret_cast<uint64_t *>(tiles + STAGES * (A_BYTES + B_BYTES));
    empty = full + STAGES;
    if (threadIdx.x == 0) {
      for (int s = 0; s < STAGES; s++) {
        begin_barrier(&full[s], 1);
        begin_barrier(&empty[s], ROWS / 16);  // warps that multiply
      }
      publish_barriers();
    }
    __syncthreads();
  }

  LOTRC_INSIDE void next() {
    if (++stage == STAGES) {
      stage = 0;
      round ^= 1;
    }
  }

  // Brings all tiles along the inner dimension; TRANSPOSED: stored the other way round than it is read.
  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_INSIDE void feed(const CUtensorMap &a, const CUtensorMap &b, unsigned row, unsigned col, unsigned inner) {
    if (threadIdx.x != 0) return;
    for (unsigned k = 0; k < inner; k += 64) {
      await(&empty[stage], round ^ 1);
      arrive_expecting(&full[stage], A_BYTES + B_BYTES);
      unsigned char *to_a = tiles + stage * (A_BYTES + B_BYTES), *to_b = to_a + A_BYTES;
      if (TRANSPOSED_A)
        for (unsigned m = 0; m < ROWS; m += 64) bring_box(to_a + m * 128, a, k, row + m, &full[stage]);
      else bring_box(to_a, a, row, k, &full[stage]);
      if (TRANSPOSED_B) bring_box(to_b, b, col, k, &full[stage]);
      else
        for (unsigned n = 0; n < COLS; n += 64) bring_box(to_b + n * 128, b, k, col + n, &full[stage]);
      next();
    }
  }

  // Adds the products of the same tiles to the 64 x COLS results of a warpgroup.
  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_INSIDE void drain(float (&acc)[COLS / 2], unsigned inner) {
    for (unsigned k = 0; k < inner; k += 64) {
      await(&full[stage], round);
      const unsigned char *at_a = tiles + stage * (A_BYTES + B_BYTES), *at_b = at_a + A_BYTES;
      at_a += (threadIdx.x / 128 - 1) * BOX_BYTES;
      begin_products();
#pragma unroll
      for (unsigned step = 0; step < 64; step += 16) {
        const uint64_t a = TRANSPOSED_A ? tile_at(at_a + step * 128, BOX_BYTES) : tile_at(at_a + step * 2, 0);
        const uint64_t b = TRANSPOSED_B ? tile_at(at_b + step * 2, 0) : tile_at(at_b + step * 128, BOX_BYTES);
        Multiply<T, COLS>::template add<TRANSPOSED_A, !TRANSPOSED_B>(acc, a, b);
      }
      commit_products();
      // the products of the tile before have ended then, and it may be overwritten
      await_products<1>();
      release();
      busy = static_cast<int>(stage);
      next();
    }
  }

  LOTRC_INSIDE void release() {
    if (busy >= 0 && threadIdx.x % 32 == 0) arrive(&empty[busy]);
  }

  LOTRC_INSIDE void drained() { await_products<0>(); }
};
#endif

#endif // LOTRC_WARPGROUP_UNITS

// kernels/fold_Lp_0.cu
#include <cuda_bf16.h>

// L' = s M L, 1 site.
// 8 x 16, inner 8; tiles 64x64x16, 4x4 each.
// Predicted by the plan: 2.05 kFLOP, 1.02 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
fold_Lp_0(const float* __restrict__ M, const float* __restrict__ L, __nv_bfloat16* __restrict__ Lp) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float acc_8 = 0.0f;
  float acc_9 = 0.0f;
  float acc_10 = 0.0f;
  float acc_11 = 0.0f;
  float acc_12 = 0.0f;
  float acc_13 = 0.0f;
  float acc_14 = 0.0f;
  float acc_15 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float col_a_2 = 0.0f;
  float col_a_3 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of M and L, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 8u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < 8u && col_a0 < 8u ? M[row_a0 * 8u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 8u && col_b0 < 16u ? L[row_b0 * 16u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_1, row_b_0, acc_4);
      acc_5 = fmaf(col_a_1, row_b_1, acc_5);
      acc_6 = fmaf(col_a_1, row_b_2, acc_6);
      acc_7 = fmaf(col_a_1, row_b_3, acc_7);
      acc_8 = fmaf(col_a_2, row_b_0, acc_8);
      acc_9 = fmaf(col_a_2, row_b_1, acc_9);
      acc_10 = fmaf(col_a_2, row_b_2, acc_10);
      acc_11 = fmaf(col_a_2, row_b_3, acc_11);
      acc_12 = fmaf(col_a_3, row_b_0, acc_12);
      acc_13 = fmaf(col_a_3, row_b_1, acc_13);
      acc_14 = fmaf(col_a_3, row_b_2, acc_14);
      acc_15 = fmaf(col_a_3, row_b_3, acc_15);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 8u && out_col < 16u) {
    const float result = 0.125f * acc_0;
    Lp[out_row * 16u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row < 8u && out_col + 1u < 16u) {
    const float result = 0.125f * acc_1;
    Lp[out_row * 16u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row < 8u && out_col + 2u < 16u) {
    const float result = 0.125f * acc_2;
    Lp[out_row * 16u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row < 8u && out_col + 3u < 16u) {
    const float result = 0.125f * acc_3;
    Lp[out_row * 16u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 8u && out_col < 16u) {
    const float result = 0.125f * acc_4;
    Lp[(out_row + 1u) * 16u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 8u && out_col + 1u < 16u) {
    const float result = 0.125f * acc_5;
    Lp[(out_row + 1u) * 16u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 8u && out_col + 2u < 16u) {
    const float result = 0.125f * acc_6;
    Lp[(out_row + 1u) * 16u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 8u && out_col + 3u < 16u) {
    const float result = 0.125f * acc_7;
    Lp[(out_row + 1u) * 16u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 8u && out_col < 16u) {
    const float result = 0.125f * acc_8;
    Lp[(out_row + 2u) * 16u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 8u && out_col + 1u < 16u) {
    const float result = 0.125f * acc_9;
    Lp[(out_row + 2u) * 16u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 8u && out_col + 2u < 16u) {
    const float result = 0.125f * acc_10;
    Lp[(out_row + 2u) * 16u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 8u && out_col + 3u < 16u) {
    const float result = 0.125f * acc_11;
    Lp[(out_row + 2u) * 16u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 8u && out_col < 16u) {
    const float result = 0.125f * acc_12;
    Lp[(out_row + 3u) * 16u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 8u && out_col + 1u < 16u) {
    const float result = 0.125f * acc_13;
    Lp[(out_row + 3u) * 16u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 8u && out_col + 2u < 16u) {
    const float result = 0.125f * acc_14;
    Lp[(out_row + 3u) * 16u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 8u && out_col + 3u < 16u) {
    const float result = 0.125f * acc_15;
    Lp[(out_row + 3u) * 16u + out_col + 3u] = __float2bfloat16_rn(result);
  }
}

// kernels/down_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// P = x R.
// M x 8, inner 24; tiles 64x16x64, 4 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 115 kFLOP, 19.6 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
down_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ R_bf16, __nv_bfloat16* __restrict__ P, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[18432];
  __shared__ __align__(16) __nv_bfloat16 tile_b[6144];
  float acc[8] = {};
  unsigned part_a[1][4];
  unsigned part_b[2][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 16u;
  const unsigned warp_row = lane / 32u * 16u;
  const unsigned warp_col = 0u;
  // x R_bf16: 64 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 512u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 8u;
        const unsigned col_a_first_0 = t0_0 * 64u + e_a_first_0 % 8u * 8u;
        copy_16(&tile_a[stage_first_0 * 4608u + e_a_first_0 / 8u * 72u + e_a_first_0 % 8u * 8u], x, row_a_first_0 * 24u + col_a_first_0, row_a_first_0 < M && col_a_first_0 < 24u);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 128u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 64u + e_b_first_0 / 2u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 2u * 8u;
        copy_16(&tile_b[stage_first_0 * 1536u + e_b_first_0 / 2u * 24u + e_b_first_0 % 2u * 8u], R_bf16, row_b_first_0 * 8u + col_b_first_0, row_b_first_0 < 24u && col_b_first_0 < 8u);
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<2>();
    __syncthreads();
    const unsigned next_0 = t_0 + 3u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 4u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 512u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 8u;
        const unsigned col_a_next_0 = next_0 * 64u + e_a_next_0 % 8u * 8u;
        copy_16(&tile_a[stage_next_0 * 4608u + e_a_next_0 / 8u * 72u + e_a_next_0 % 8u * 8u], x, row_a_next_0 * 24u + col_a_next_0, row_a_next_0 < M && col_a_next_0 < 24u);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 128u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 64u + e_b_next_0 / 2u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 2u * 8u;
        copy_16(&tile_b[stage_next_0 * 1536u + e_b_next_0 / 2u * 24u + e_b_next_0 % 2u * 8u], R_bf16, row_b_next_0 * 8u + col_b_next_0, row_b_next_0 < 24u && col_b_next_0 < 8u);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 1u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 4608u + (warp_row + i_0 * 16u) * 72u + k_0 * 16u], 72u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 2u; j_0 += 1u) {
        load_b<false>(part_b[j_0], &tile_b[stage_0 * 1536u + k_0 * 16u * 24u + warp_col + j_0 * 8u], 24u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 1u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 2u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 2u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 1u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 2u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e * 8u < M && out_col + out_j * 8u < 8u && out_col + out_j * 8u + 1u < 8u) {
          const float result = acc[(out_i * 2u + out_j) * 4u + out_e * 2u];
          const float next = acc[(out_i * 2u + out_j) * 4u + out_e * 2u + 1u];
          *reinterpret_cast<__nv_bfloat162*>(&P[(out_row + out_i * 16u + out_e * 8u) * 8u + out_col + out_j * 8u]) = __floats2bfloat162_rn(result, next);
        }
      }
    }
  }
}

// kernels/layer_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// y = x W + P L'.
// M x 16, inner 24 + 8; tiles 128x128x32, 2 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 307 kFLOP, 29.8 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
layer_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ W, const __nv_bfloat16* __restrict__ P, const __nv_bfloat16* __restrict__ Lp, __nv_bfloat16* __restrict__ y, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[10240];
  __shared__ __align__(16) __nv_bfloat16 tile_b[10240];
  float acc[128] = {};
  unsigned part_a[4][4];
  unsigned part_b[8][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 128u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned warp_row = lane / 32u / 2u * 64u;
  const unsigned warp_col = lane / 32u % 2u * 64u;
  // x W: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 2u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 512u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 4u;
        const unsigned col_a_first_0 = t0_0 * 32u + e_a_first_0 % 4u * 8u;
        copy_16(&tile_a[stage_first_0 * 5120u + e_a_first_0 / 4u * 40u + e_a_first_0 % 4u * 8u], x, row_a_first_0 * 24u + col_a_first_0, row_a_first_0 < M && col_a_first_0 < 24u);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 512u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 32u + e_b_first_0 % 4u * 8u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 / 4u;
        copy_16(&tile_b[stage_first_0 * 5120u + e_b_first_0 / 4u * 40u + e_b_first_0 % 4u * 8u], W, col_b_first_0 * 24u + row_b_first_0, row_b_first_0 < 24u && col_b_first_0 < 16u);
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 2u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 512u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 4u;
        const unsigned col_a_next_0 = next_0 * 32u + e_a_next_0 % 4u * 8u;
        copy_16(&tile_a[stage_next_0 * 5120u + e_a_next_0 / 4u * 40u + e_a_next_0 % 4u * 8u], x, row_a_next_0 * 24u + col_a_next_0, row_a_next_0 < M && col_a_next_0 < 24u);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 512u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 32u + e_b_next_0 % 4u * 8u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 / 4u;
        copy_16(&tile_b[stage_next_0 * 5120u + e_b_next_0 / 4u * 40u + e_b_next_0 % 4u * 8u], W, col_b_next_0 * 24u + row_b_next_0, row_b_next_0 < 24u && col_b_next_0 < 16u);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 2u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 5120u + (warp_row + i_0 * 16u) * 40u + k_0 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
        load_b<true>(part_b[j_0], &tile_b[stage_0 * 5120u + (warp_col + j_0 * 8u) * 40u + k_0 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 4u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 8u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 8u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();
  // P Lp: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_1 = 1u;
  for (unsigned t0_1 = 0u; t0_1 < 1u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      const unsigned stage_first_1 = t0_1 % 2u;
      for (unsigned e_a_first_1 = lane; e_a_first_1 < 512u; e_a_first_1 += 128u) {
        const unsigned row_a_first_1 = row0 + e_a_first_1 / 4u;
        const unsigned col_a_first_1 = t0_1 * 32u + e_a_first_1 % 4u * 8u;
        copy_16(&tile_a[stage_first_1 * 5120u + e_a_first_1 / 4u * 40u + e_a_first_1 % 4u * 8u], P, row_a_first_1 * 8u + col_a_first_1, row_a_first_1 < M && col_a_first_1 < 8u);
      }
      for (unsigned e_b_first_1 = lane; e_b_first_1 < 512u; e_b_first_1 += 128u) {
        const unsigned row_b_first_1 = t0_1 * 32u + e_b_first_1 / 16u;
        const unsigned col_b_first_1 = col0 + e_b_first_1 % 16u * 8u;
        copy_16(&tile_b[stage_first_1 * 5120u + e_b_first_1 / 16u * 136u + e_b_first_1 % 16u * 8u], Lp, row_b_first_1 * 16u + col_b_first_1, row_b_first_1 < 8u && col_b_first_1 < 16u);
      }
    }
    commit_copies();
  }
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_1 = t_1 + 1u;
    if (next_1 < tiles_1) {
      const unsigned stage_next_1 = next_1 % 2u;
      for (unsigned e_a_next_1 = lane; e_a_next_1 < 512u; e_a_next_1 += 128u) {
        const unsigned row_a_next_1 = row0 + e_a_next_1 / 4u;
        const unsigned col_a_next_1 = next_1 * 32u + e_a_next_1 % 4u * 8u;
        copy_16(&tile_a[stage_next_1 * 5120u + e_a_next_1 / 4u * 40u + e_a_next_1 % 4u * 8u], P, row_a_next_1 * 8u + col_a_next_1, row_a_next_1 < M && col_a_next_1 < 8u);
      }
      for (unsigned e_b_next_1 = lane; e_b_next_1 < 512u; e_b_next_1 += 128u) {
        const unsigned row_b_next_1 = next_1 * 32u + e_b_next_1 / 16u;
        const unsigned col_b_next_1 = col0 + e_b_next_1 % 16u * 8u;
        copy_16(&tile_b[stage_next_1 * 5120u + e_b_next_1 / 16u * 136u + e_b_next_1 % 16u * 8u], Lp, row_b_next_1 * 16u + col_b_next_1, row_b_next_1 < 8u && col_b_next_1 < 16u);
      }
    }
    commit_copies();
    const unsigned stage_1 = t_1 % 2u;
    #pragma unroll
    for (unsigned k_1 = 0u; k_1 < 2u; k_1 += 1u) {
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        load_a<false>(part_a[i_1], &tile_a[stage_1 * 5120u + (warp_row + i_1 * 16u) * 40u + k_1 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
        load_b<false>(part_b[j_1], &tile_b[stage_1 * 5120u + k_1 * 16u * 136u + warp_col + j_1 * 8u], 136u);
      }
      #pragma unroll
      for (unsigned i2_1 = 0u; i2_1 < 4u; i2_1 += 1u) {
        #pragma unroll
        for (unsigned j2_1 = 0u; j2_1 < 8u; j2_1 += 1u) {
          mma_bf16(&acc[(i2_1 * 8u + j2_1) * 4u], part_a[i2_1], part_b[j2_1]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 8u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 2u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e * 8u < M && out_col + out_j * 8u < 16u && out_col + out_j * 8u + 1u < 16u) {
          const float result = acc[(out_i * 8u + out_j) * 4u + out_e * 2u];
          const float next = acc[(out_i * 8u + out_j) * 4u + out_e * 2u + 1u];
          *reinterpret_cast<__nv_bfloat162*>(&y[(out_row + out_i * 16u + out_e * 8u) * 16u + out_col + out_j * 8u]) = __floats2bfloat162_rn(result, next);
        }
      }
    }
  }
}

// kernels/narrow_R_0.cu
#include <cuda_bf16.h>

// Rounds 192 numbers to bf16.
extern "C" __global__ void __launch_bounds__(64)
narrow_R_0(const float* __restrict__ wide, __nv_bfloat16* __restrict__ narrow) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 192u) {
    narrow[element] = __float2bfloat16_rn(wide[element]);
  }
}

// kernels/layer_0_warpgroups.cu
#include <cuda_bf16.h>
#include "warpgroup_units.cuh"

// y = x W + P L'.
// M x 16, inner 24 + 8; tiles 128x256x64, 4 stages, 12 warps, warpgroups in bf16.
// Predicted by the plan: 307 kFLOP, 29.8 kB to and from memory.
extern "C" __global__ void __launch_bounds__(384)
layer_0_warpgroups(const __grid_constant__ CUtensorMap map_0_x, const __grid_constant__ CUtensorMap map_1_W, const __grid_constant__ CUtensorMap map_2_P, const __grid_constant__ CUtensorMap map_3_Lp, __nv_bfloat16* __restrict__ y, unsigned M) {
#ifdef LOTRC_WARPGROUPS
  float acc[128] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 128u;
  const unsigned col0 = blockIdx.x * 256u;
  Ring<__nv_bfloat16, 128, 256, 4> ring;
  if (threadIdx.x < 128u) {
    // one thread has tiles brought
    fewer_registers<40>();
    ring.feed<false, true>(map_0_x, map_1_W, row0, col0, 24u);
    ring.feed<false, false>(map_2_P, map_3_Lp, row0, col0, 8u);
  } else {
    // 64 rows of results for each warpgroup
    more_registers<232>();
    ring.drain<false, true>(acc, 24u);
    ring.drain<false, false>(acc, 8u);
    ring.drained();
    // results
    const unsigned out_row = row0 + (lane - 128u) / 32u * 16u + lane % 32u / 4u;
    const unsigned out_col = col0 + lane % 32u % 4u * 2u;
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 32u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 2u; out_e += 1u) {
        if (out_row + out_e * 8u < M && out_col + out_j * 8u < 16u && out_col + out_j * 8u + 1u < 16u) {
          const float result = acc[out_j * 4u + out_e * 2u];
          const float next = acc[out_j * 4u + out_e * 2u + 1u];
          *reinterpret_cast<__nv_bfloat162*>(&y[(out_row + out_e * 8u) * 16u + out_col + out_j * 8u]) = __floats2bfloat162_rn(result, next);
        }
      }
    }
  }
#else
  __trap();
#endif
}
