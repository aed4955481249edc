// Weights of few bits, unpacked on their way to tiles. Written by lotrc.
#ifndef LOTRC_PACKED_WEIGHTS
#define LOTRC_PACKED_WEIGHTS
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#ifndef LOTRC_DEVICE
#define LOTRC_DEVICE static __device__ __forceinline__
#endif

#ifdef LOTRC_OWN_INSTRUCTIONS // of a build for another machine: see matrix_units.cuh
LOTRC_DEVICE float whole_number(unsigned number) { return static_cast<float>(number); }
#else
// below 2^23, without a conversion: few units do those
LOTRC_DEVICE float whole_number(unsigned number) { return __uint_as_float(0x4b000000u | number) - 8388608.0f; }
#endif

// so many words from word `index` on, in one load; zeros outside, where nothing is addressed
template <int WORDS>
LOTRC_DEVICE void fetch(unsigned *to, const unsigned *from, unsigned index, bool inside) {
  struct alignas(4 * WORDS) Words { unsigned word[WORDS]; };
  const Words found = inside ? *reinterpret_cast<const Words *>(from + index) : Words{};
#pragma unroll
  for (int i = 0; i < WORDS; i++) to[i] = found.word[i];
}

// two neighbours, rounded to the type of a tile
LOTRC_DEVICE void put_pair(float *to, float first, float second) {
  to[0] = first;
  to[1] = second;
}
LOTRC_DEVICE void put_pair(__half *to, float first, float second) { *reinterpret_cast<__half2 *>(to) = __floats2half2_rn(first, second); }
LOTRC_DEVICE void put_pair(__nv_bfloat16 *to, float first, float second) {
  *reinterpret_cast<__nv_bfloat162 *>(to) = __floats2bfloat162_rn(first, second);
}

// What number() makes of each code of BITS in words, those of the lowest bits first. Numbers are stored 16 bytes at a time, or all of a
// word where these are fewer.
template <int BITS, int WORDS, class T, class Number>
LOTRC_DEVICE void unpack_as(T *to, const unsigned *words, Number number) {
  constexpr int NUMBERS = 32 / BITS, TOGETHER = NUMBERS * sizeof(T) > 16 ? 16 / sizeof(T) : NUMBERS;
  struct alignas(TOGETHER * sizeof(T)) Numbers { T number[TOGETHER]; };
#pragma unroll
  for (int first = 0; first < WORDS * NUMBERS; first += TOGETHER) {
    Numbers out;
#pragma unroll
    for (int i = 0; i < TOGETHER; i += 2) {
      const unsigned word = words[first / NUMBERS] >> BITS * ((first + i) % NUMBERS);
      put_pair(&out.number[i], number(word & ((1u << BITS) - 1u)), number(word >> BITS & ((1u << BITS) - 1u)));
    }
    *reinterpret_cast<Numbers *>(to + first) = out;
  }
}

// (whole number - zero) * scale
template <int BITS, int WORDS, class T>
LOTRC_DEVICE void unpack(T *to, const unsigned *words, float scale, float zero) {
  unpack_as<BITS, WORDS>(to, words, [=](unsigned code) { return (whole_number(code) - zero) * scale; });
}

// table[code] * scale; the first code of a byte is in its high half
template <int BITS, int WORDS, class T>
LOTRC_DEVICE void look_up(T *to, const unsigned *words, float scale, const float *table) {
  static_assert(BITS == 4, "two codes in a byte");
  unsigned turned[WORDS];
#pragma unroll
  for (int i = 0; i < WORDS; i++) turned[i] = (words[i] & 0x0f0f0f0fu) << 4 | (words[i] >> 4 & 0x0f0f0f0fu);
  unpack_as<BITS, WORDS>(to, turned, [=](unsigned code) { return table[code] * scale; });
}

#endif // LOTRC_PACKED_WEIGHTS
