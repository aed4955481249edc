// Warpgroups of Hopper, fed by its copy engine: sm_90a. Written by lotrc.
#ifndef LOTRC_WARPGROUP_UNITS
#define LOTRC_WARPGROUP_UNITS
#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

// Kernels for pairs of blocks: the two of a cluster. With -DLOTRC_NO_CLUSTERS there are no clusters, and each block brings all of its tiles.
#ifdef LOTRC_NO_CLUSTERS
#define LOTRC_PAIR_BLOCKS 1
#define LOTRC_PAIR
#else
#define LOTRC_PAIR_BLOCKS 2
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LOTRC_PAIR __cluster_dims__(2, 1, 1)
#else
#define LOTRC_PAIR
#endif
#endif

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

// Of the blocks of a cluster: the number of this one, and until all threads of all have met.
LOTRC_GROUP unsigned own_number() {
  unsigned number;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(number));
  return number;
}
LOTRC_GROUP void meet_blocks() {
  asm volatile("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;" ::: "memory");
}
// Arrives at the same barrier of a block. What it says is that products have ended, which were waited for, and the copy engine tells the
// barriers of all blocks what it has written. Ordinary stores go from no block to another: with .release.cluster here and .acquire.cluster
// in await ptxas puts a fence of the whole device and the loss of the first-level cache into the main loop.
LOTRC_GROUP void arrive_at(uint64_t *barrier, unsigned block) {
  asm volatile("{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1; mbarrier.arrive.shared::cluster.b64 _, [there]; }"
               :: "r"(place_of(barrier)), "r"(block) : "memory");
}
// begins to bring a box to the same place of the blocks of a mask; its bytes arrive at the barrier of each
LOTRC_GROUP void bring_box_to(uint16_t blocks, void *to, const CUtensorMap &map, unsigned row, unsigned col, uint64_t *barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;"
               :: "r"(place_of(to)), "l"(&map), "r"(place_of(barrier)), "r"(col), "r"(row), "h"(blocks) : "memory");
}

// until the launches before this one have ended, and the copy engine may read what they wrote
LOTRC_GROUP void await_writers() { asm volatile("griddepcontrol.wait; fence.proxy.async;" ::: "memory"); }

// two results, where the copy engine does not see them yet
LOTRC_GROUP void put_two(unsigned char *to, __half2 two) { *reinterpret_cast<__half2 *>(to) = two; }
LOTRC_GROUP void put_two(unsigned char *to, __nv_bfloat162 two) { *reinterpret_cast<__nv_bfloat162 *>(to) = two; }
// and 16 bytes of a tile that is multiplied
LOTRC_GROUP void put_16(unsigned char *to, const void *from) { *reinterpret_cast<uint4 *>(to) = *static_cast<const uint4 *>(from); }
LOTRC_GROUP void meet_warp() { __syncwarp(); }
// the copy engine sees what this thread has put from here on
LOTRC_GROUP void show_results() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// the threads of a warpgroup wait for each other; barrier 0 is that of the block
LOTRC_GROUP void meet(unsigned group) { asm volatile("bar.sync %0, 128;" :: "r"(1 + group) : "memory"); }
// begins to take a box of results to (row, column) on
LOTRC_GROUP void send_box(const CUtensorMap &map, unsigned row, unsigned col, const void *from) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1]; cp.async.bulk.commit_group;"
               :: "l"(&map), "r"(place_of(from)), "r"(col), "r"(row) : "memory");
}
// until all but one of the boxes that this thread sent have been read; until all have arrived
LOTRC_GROUP void await_read() { asm volatile("cp.async.bulk.wait_group.read 1;" ::: "memory"); }
LOTRC_GROUP void await_arrival() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

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
// that run together read the same rows and columns. The BLOCKS of a cluster have neighbours of one column; where rows of tiles are
// an odd number, the last lies beyond the matrix.
struct Tile {
  unsigned x, y;
};
template <int BLOCKS>
struct TilesOf {
  unsigned across, down;
  LOTRC_INSIDE unsigned steps() const { return (down + BLOCKS - 1) / BLOCKS; }
  LOTRC_INSIDE unsigned count() const { return across * steps() * BLOCKS; }
  LOTRC_INSIDE Tile at(unsigned n) const {
    constexpr unsigned HIGH = 8 / BLOCKS;
    const unsigned of = n / BLOCKS, first = of / (HIGH * across) * HIGH, rows = min(steps() - first, HIGH), own = of % (HIGH * across);
    return {own / rows, (first + own % rows) * BLOCKS + n % BLOCKS};
  }
};
using Tiles = TilesOf<1>;
using PairTiles = TilesOf<LOTRC_PAIR_BLOCKS>;

LOTRC_GROUP __half2 two_of(float x, float y, const __half *) { return __floats2half2_rn(x, y); }
LOTRC_GROUP __nv_bfloat162 two_of(float x, float y, const __nv_bfloat16 *) { return __floats2bfloat162_rn(x, y); }

// Tiles of ROWS x 64 and 64 x COLS on their way from one warpgroup to the others, for ROWS x COLS results of a
// block; SENDS: with boxes in which results leave, two for each warpgroup. PAIR: for two blocks whose tiles of 64 x COLS are the same.
// Each brings one half of them to both; a place is free when the warps of both have released it. UNPACKS: some of the second are unpacked
// by the warpgroup that loads, each warp of which then says that a tile is there, as the thread does that has the others brought.
template <class T, int ROWS, int COLS, int STAGES, bool SENDS = false, bool PAIR = false, bool UNPACKS = false>
struct Ring {
  static constexpr int BLOCKS = PAIR ? LOTRC_PAIR_BLOCKS : 1;
  // columns that a block brings, and those of a box whose rows run along the inner dimension
  static constexpr unsigned OWN_COLS = COLS / BLOCKS, BOX_COLS = PAIR ? COLS / 2 : COLS;
  static constexpr unsigned BOX_BYTES = 64 * 128, A_BYTES = ROWS * 128, B_BYTES = COLS * 128;
  unsigned char *tiles, *boxes;
  uint64_t *full, *empty;
  // place of the next tile, number of passes through the ring, and the tile before it, which is still being multiplied
  unsigned stage = 0, round = 0;
  int busy = -1;
  // box that is filled next
  unsigned box = 0;
  // launches before have been waited for
  bool settled = false;

  LOTRC_INSIDE Ring() {
    tiles = shared_tiles();
    boxes = tiles + STAGES * (A_BYTES + B_BYTES);
    full = reinterpret_cast<uint64_t *>(boxes + (SENDS ? 2 * A_BYTES : 0));
    empty = full + STAGES;
    if (threadIdx.x == 0) {
      for (int s = 0; s < STAGES; s++) {
        begin_barrier(&full[s], UNPACKS ? 1 + 4 : 1);
        begin_barrier(&empty[s], BLOCKS * ROWS / 16);  // warps that multiply
      }
      publish_barriers();
    }
    if (BLOCKS > 1) meet_blocks();
    else __syncthreads();
  }

  // No block ends while another may write to it, or arrive there.
  LOTRC_INSIDE void leave() {
    if (BLOCKS > 1) meet_blocks();
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
    if (!UNPACKS && threadIdx.x != 0) return;
    const unsigned own = BLOCKS > 1 ? own_number() * OWN_COLS : 0;
    for (unsigned k = 0; k < inner; k += 64) {
      await(&empty[stage], round ^ 1);
      if (UNPACKS) brought();
      if (threadIdx.x == 0) {
        arrive_expecting(&full[stage], A_BYTES + B_BYTES);
        unsigned char *to_a = tiles + stage * (A_BYTES + B_BYTES), *to_b = to_a + A_BYTES;
        bring_first<TRANSPOSED_A>(to_a, a, row, k);
        for (unsigned n = own; n < own + OWN_COLS; n += TRANSPOSED_B ? BOX_COLS : 64)
          bring_shared(to_b + n * 128, b, TRANSPOSED_B ? col + n : k, TRANSPOSED_B ? k : col + n);
      }
      next();
    }
  }

  template <bool TRANSPOSED>
  LOTRC_INSIDE void bring_first(unsigned char *to, const CUtensorMap &map, unsigned row, unsigned k) {
    if (TRANSPOSED)
      for (unsigned m = 0; m < ROWS; m += 64) bring_box(to + m * 128, map, k, row + m, &full[stage]);
    else bring_box(to, map, row, k, &full[stage]);
  }

  // A warp has done its part of a tile, all of its threads.
  LOTRC_INSIDE void brought() {
    meet_warp();
    if (threadIdx.x % 32 == 0) arrive(&full[stage]);
  }

  // The same, after products are shown what its threads have put.
  LOTRC_INSIDE void shown() {
    show_results();
    brought();
  }

  // Where the second is packed all threads of the warpgroup write 64 neighbours in memory at a time, where the copy engine would bring them.
  // Words of the next tile are on their way meanwhile.
  template <bool TRANSPOSED_A, bool TRANSPOSED_B, class Operand>
  LOTRC_INSIDE void feed(const CUtensorMap &a, const Operand &b, unsigned row, unsigned col, unsigned inner) {
    constexpr unsigned EACH = (COLS + 127) / 128;
    typename Operand::Loaded now[EACH], next_tile[EACH];
    load<TRANSPOSED_B>(next_tile, b, col, 0);
    for (unsigned k = 0; k < inner; k += 64) {
#pragma unroll
      for (unsigned i = 0; i < EACH; i++) now[i] = next_tile[i];
      if (k + 64 < inner) load<TRANSPOSED_B>(next_tile, b, col, k + 64);
      await(&empty[stage], round ^ 1);
      unsigned char *to_a = tiles + stage * (A_BYTES + B_BYTES), *to_b = to_a + A_BYTES;
      if (threadIdx.x == 0) {
        arrive_expecting(&full[stage], A_BYTES);
        bring_first<TRANSPOSED_A>(to_a, a, row, k);
      }
#pragma unroll
      for (unsigned i = 0; i < EACH; i++) {
        const unsigned n = threadIdx.x + 128 * i;
        if (COLS % 128 == 0 || n < COLS) b.template put<T>(now[i], to_b + n * 128, n % 8);
      }
      shown();
      next();
    }
  }

  // The words that a thread unpacks of a tile: of a row of b for each column, or of 64 columns in a row.
  template <bool TRANSPOSED, class Operand, class Loaded, unsigned EACH>
  LOTRC_INSIDE void load(Loaded (&to)[EACH], const Operand &b, unsigned col, unsigned k) {
#pragma unroll
    for (unsigned i = 0; i < EACH; i++) {
      const unsigned n = threadIdx.x + 128 * i;
      to[i] = TRANSPOSED ? b.load(col + n, k) : b.load(k + n % 64, col + n / 64 * 64);
    }
  }

  LOTRC_INSIDE void bring_shared(unsigned char *to, const CUtensorMap &map, unsigned row, unsigned col) {
    if (BLOCKS > 1) bring_box_to((1 << BLOCKS) - 1, to, map, row, col, &full[stage]);
    else bring_box(to, map, row, col, &full[stage]);
  }

  // Before what launches before this one may have written, once. Tiles of it are multiplied after they have come, and results are
  // stored after that: no other thread waits.
  LOTRC_INSIDE void settle() {
    if (threadIdx.x != 0 || settled) return;
    await_writers();
    settled = true;
  }

  // Adds the products of the same tiles to the 64 x COLS results of a warpgroup. Between the products of a tile there is no branch, where
  // ptxas would put another fence of their registers.
  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_INSIDE void drain(float (&acc)[COLS / 2], unsigned inner) {
    for (unsigned k = 0; k + 64 <= inner; k += 64) multiply<TRANSPOSED_A, TRANSPOSED_B>(acc, 64);
    // the rest of a last tile is zeros
    if (inner % 64 != 0) multiply<TRANSPOSED_A, TRANSPOSED_B>(acc, inner % 64);
  }

  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_INSIDE void multiply(float (&acc)[COLS / 2], unsigned length) {
    await(&full[stage], round);
    const unsigned char *at_a = tiles + stage * (A_BYTES + B_BYTES), *at_b = at_a + A_BYTES;
    at_a += (threadIdx.x / 128 - 1) * BOX_BYTES;
    begin_products();
#pragma unroll
    for (unsigned step = 0; step < 64; step += 16) {
      if (step >= length) break;
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

  LOTRC_INSIDE void release() {
    if (busy < 0) return;
    if (BLOCKS > 1 && threadIdx.x % 32 < BLOCKS) arrive_at(&empty[busy], threadIdx.x % 32);
    if (BLOCKS == 1 && threadIdx.x % 32 == 0) arrive(&empty[busy]);
  }

  LOTRC_INSIDE void drained(float (&acc)[COLS / 2]) {
    await_products<0>();
    release();
    busy = -1;
#pragma unroll
    for (int i = 0; i < COLS / 2; i++) not_before(acc[i]);
  }

  // Results leave 64 columns at a time, through boxes in which 16 bytes are exchanged as the copy engine reads them. One box is filled
  // while it reads the other. The first thread of a warpgroup sends them.
  LOTRC_INSIDE void send(const float (&acc)[COLS / 2], const CUtensorMap &to, unsigned row, unsigned col) {
    const unsigned group = threadIdx.x / 128 - 1, own = threadIdx.x % 128, at = own / 32 * 16 + own % 32 / 4;
#pragma unroll
    for (unsigned n = 0; n < COLS / 64; n++) {
      unsigned char *const place = boxes + (2 * group + box) * BOX_BYTES;
      if (own == 0) await_read();
      meet(group);
#pragma unroll
      for (unsigned j = 0; j < 8; j++)
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
          const unsigned r = at + 8 * half, e = (8 * n + j) * 4 + 2 * half;
          put_two(place + r * 128 + (j ^ r % 8) * 16 + own % 4 * 4, two_of(acc[e], acc[e + 1], static_cast<const T *>(nullptr)));
        }
      show_results();
      meet(group);
      if (own == 0) send_box(to, row + 64 * group, col + 64 * n, place);
      box ^= 1;
    }
  }

  LOTRC_INSIDE void sent() {
    if (threadIdx.x % 128 == 0) await_arrival();
  }
};
#endif

#endif // LOTRC_WARPGROUP_UNITS
