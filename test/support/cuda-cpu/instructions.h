// The instructions of matrix_units.cuh on a CPU. The threads of a warp exchange what they hold, lane by lane as PTX says;
// a copy arrives when it is waited for, until then its target is poisoned.
#pragma once
#include "../cuda-shim.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"

#define LOTRC_OWN_INSTRUCTIONS
#define LOTRC_DEVICE static inline

namespace shim {
struct Exchange {
  const void *row[32];
  unsigned a[32][4], b[32][2];
};
// one of each warp, and another for the next exchange: a slow lane may still read the last one
SHIM_STATE Exchange exchanges[64][2];
inline unsigned turn[2048];

// what all lanes of the warp have put there
template <class Put>
static Exchange &exchange(Put put) {
  const unsigned self = current;
  Exchange &own = exchanges[self / 32][turn[self]++ % 2];
  put(own, self % 32);
  wait(at_warp);
  return own;
}

SHIM_CODE unsigned pair(const void *row, unsigned first, unsigned step, const void *next) {
  uint16_t low, high;
  if ((reinterpret_cast<uintptr_t>(row) | reinterpret_cast<uintptr_t>(next)) % 16 != 0) {
    std::fprintf(stderr, "ldmatrix: a row is not at a multiple of 16 bytes\n");
    std::exit(6);
  }
  std::memcpy(&low, static_cast<const char *>(row) + 2 * first, 2);
  std::memcpy(&high, static_cast<const char *>(next) + 2 * step, 2);
  return low | unsigned(high) << 16;
}

SHIM_CODE void ldmatrix(unsigned *to, const void *row, unsigned count, bool transposed) {
  const Exchange &all = exchange([&](Exchange &own, unsigned lane) { own.row[lane] = row; });
  const unsigned g = current % 32 / 4, t = current % 4;
  for (unsigned m = 0; m < count; m++)
    to[m] = transposed ? pair(all.row[8 * m + 2 * t], g, g, all.row[8 * m + 2 * t + 1])
                       : pair(all.row[8 * m + g], 2 * t, 2 * t + 1, all.row[8 * m + g]);
}

template <class Number>
static void mma(float *c, const unsigned *a, const unsigned *b, unsigned inner, Number number) {
  const Exchange &all = exchange([&](Exchange &own, unsigned lane) {
    std::memcpy(own.a[lane], a, sizeof own.a[lane]);
    std::memcpy(own.b[lane], b, sizeof own.b[lane]);
  });
  const unsigned g = current % 32 / 4, t = current % 4;
  for (unsigned e = 0; e < 4; e++) {
    const unsigned i = g + 8 * (e / 2), j = 2 * t + e % 2;
    double sum = c[e];
    for (unsigned k = 0; k < inner; k++) {
      // which lane holds element (i, k) of a and (k, j) of b, and in which register
      const unsigned half = inner / 2, wide = inner / 8;
      const unsigned lane = k % half / wide, part = k / half;
      const double x = number(all.a[i % 8 * 4 + lane][2 * part + i / 8], k % wide);
      const double y = number(all.b[j * 4 + lane][part], k % wide);
      sum += x * y;
    }
    c[e] = static_cast<float>(sum);
  }
}

struct Copy {
  void *to;
  const void *from;
};
SHIM_STATE std::vector<std::vector<Copy>> copies[2048];
SHIM_CODE std::vector<std::vector<Copy>> &own_copies() {
  auto &own = copies[current];
  if (own.empty()) own.emplace_back();
  return own;
}
}  // namespace shim

template <unsigned BYTES>
LOTRC_DEVICE unsigned char *shared_memory() {
  if (BYTES > shim::memory_bytes) {
    std::fprintf(stderr, "a launch gives %zu bytes of shared memory, not %u\n", shim::memory_bytes, BYTES);
    std::exit(6);
  }
  return shim::memory;
}
SHIM_CODE void ldmatrix_4(unsigned *to, const void *row) { shim::ldmatrix(to, row, 4, false); }
SHIM_CODE void ldmatrix_4_transposed(unsigned *to, const void *row) { shim::ldmatrix(to, row, 4, true); }
SHIM_CODE void ldmatrix_2(unsigned *to, const void *row) { shim::ldmatrix(to, row, 2, false); }
SHIM_CODE void ldmatrix_2_transposed(unsigned *to, const void *row) { shim::ldmatrix(to, row, 2, true); }
SHIM_CODE void mma_bf16(float *c, const unsigned *a, const unsigned *b) {
  shim::mma(c, a, b, 16, [](unsigned bits, unsigned k) {
    return __bfloat162float({uint16_t(bits >> (16 * k))});
  });
}
SHIM_CODE void mma_f16(float *c, const unsigned *a, const unsigned *b) {
  shim::mma(c, a, b, 16, [](unsigned bits, unsigned k) {
    const uint16_t half = uint16_t(bits >> (16 * k));
    __half number;
    std::memcpy(&number, &half, 2);
    return __half2float(number);
  });
}
SHIM_CODE void mma_tf32(float *c, const unsigned *a, const unsigned *b) {
  shim::mma(c, a, b, 8, [](unsigned bits, unsigned) {
    float number;
    std::memcpy(&number, &bits, 4);
    return number;
  });
}
SHIM_CODE unsigned round_tf32(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, 4);
  return (bits + 0x1000u) & 0xffffe000u;
}
SHIM_CODE void copy_16_bytes(void *to, const void *from, bool inside) {
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(inside ? from : to)) % 16 != 0) {
    std::fprintf(stderr, "cp.async: not at a multiple of 16 bytes\n");
    std::exit(6);
  }
  std::memset(to, 0xff, 16);
  shim::own_copies().back().push_back({to, inside ? from : nullptr});
}
SHIM_CODE void commit_copies() { shim::own_copies().emplace_back(); }
namespace shim {
SHIM_CODE void wait_copies(size_t pending) {
  auto &own = own_copies();
  // the last group is still open
  while (own.size() - 1 > pending) {
    for (const Copy &copy : own.front()) {
      if (copy.from) std::memcpy(copy.to, copy.from, 16);
      else std::memset(copy.to, 0, 16);
    }
    own.erase(own.begin());
  }
}
}  // namespace shim
template <int PENDING>
LOTRC_DEVICE void wait_copies() { shim::wait_copies(PENDING); }
