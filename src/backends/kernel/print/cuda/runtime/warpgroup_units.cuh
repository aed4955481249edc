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

// until the launches before this one have ended, and the copy engine may read what they wrote
LOTRC_GROUP void await_writers() { asm volatile("griddepcontrol.wait; fence.proxy.async;" ::: "memory"); }

LOTRC_GROUP void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
LOTRC_GROUP void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING>
LOTRC_GROUP void await_products() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(PENDING) : "memory"); }
// a sum is not read before what stands above has been executed
LOTRC_GROUP void not_before(float &sum) { asm volatile("" : "+f"(sum) :: "memory"); }
template <int COUNT>
LOTRC_GROUP void fewer_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(COUNT)); }
template <int COUNT>
LOTRC_GROUP void more_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(COUNT)); }

// c (64 x COLS) += a (64 x 16) b (16 x COLS)
template <class T, int COLS>
struct Multiply;
#insert multiplications
#endif

#ifdef LOTRC_WARPGROUPS
// A tile in workgroup memory as wgmma addresses it: rows of 128 bytes, eight to a block of 1024, their 16 bytes
// exchanged as the copy engine writes them (128-byte swizzle). `next`: bytes from 64 columns to the next where rows
// run across the inner dimension; not read otherwise.
LOTRC_GROUP uint64_t tile_at(const void *place, unsigned next) {
  return uint64_t(place_of(place) >> 4) | uint64_t(next >> 4) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}

// Tiles of results, in the order in which blocks compute them: column after column of eight rows of tiles, so that blocks
// that run together read the same rows and columns.
struct Tile {
  unsigned x, y;
};
struct Tiles {
  unsigned across, down;
  LOTRC_INSIDE unsigned count() const { return across * down; }
  LOTRC_INSIDE Tile at(unsigned n) const {
    const unsigned first = n / (8 * across) * 8, rows = min(down - first, 8u), own = n % (8 * across);
    return {own / rows, first + own % rows};
  }
};

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

  // Before what launches before this one may have written. Tiles of it are multiplied after they have come, and results are stored
  // after that: no other thread waits.
  LOTRC_INSIDE void settle() {
    if (threadIdx.x == 0) await_writers();
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
        // the rest of a last tile is zeros
        if (inner % 64 != 0 && k + step >= inner) break;
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

  LOTRC_INSIDE void drained(float (&acc)[COLS / 2]) {
    await_products<0>();
    release();
    busy = -1;
#pragma unroll
    for (int i = 0; i < COLS / 2; i++) not_before(acc[i]);
  }
};
#endif

#endif // LOTRC_WARPGROUP_UNITS
