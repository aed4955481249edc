// Packed operands on their way to the ring of warpgroups. Written by lotrc.
#ifndef LOTRC_PACKED_TILES
#define LOTRC_PACKED_TILES
#include "packed_weights.cuh"
#include "warpgroup_units.cuh"

#ifdef LOTRC_WARPGROUPS
LOTRC_GROUP float plain_number(float number) { return number; }
LOTRC_GROUP float plain_number(__half number) { return __half2float(number); }
LOTRC_GROUP float plain_number(__nv_bfloat16 number) { return __bfloat162float(number); }

// The zero point of a block of a row: half of the range, packed like numbers (the first of a byte in its low half), or a number.
struct NoZeros {};
template <int BITS>
LOTRC_GROUP float zero_point(NoZeros, unsigned, unsigned) { return static_cast<float>(1 << (BITS - 1)); }
template <int BITS>
LOTRC_GROUP float zero_point(const unsigned char *zeros, unsigned first, unsigned block) {
  if (BITS == 8) return whole_number(zeros[first + block]);
  const unsigned two = zeros[first + block / 2];
  return whole_number(block % 2 == 0 ? two & 15u : two >> 4);
}
template <int BITS, class Number>
LOTRC_GROUP float zero_point(const Number *zeros, unsigned first, unsigned block) { return plain_number(zeros[first + block]); }

// Rows of blocks of BLOCK numbers of BITS bits, of which 16 bytes are of one block; table: what codes are looked up in, or null.
template <int BITS, int BLOCK, class Scale, class Zeros>
struct PackedRows {
  static constexpr int EACH = 128 / BITS;
  static_assert(BLOCK % EACH == 0, "16 bytes of one block");
  const unsigned *words;
  const Scale *scales;
  Zeros zeros;
  unsigned zero_row;
  const float *table;
  unsigned rows, blocks;

  // 64 neighbours of a row, as they are stored; outside all are zeros
  struct Loaded {
    unsigned words[64 / EACH][4];
    float scale[64 / EACH], zero[64 / EACH];
  };
  LOTRC_INSIDE Loaded load(unsigned row, unsigned first) const {
    Loaded found;
#pragma unroll
    for (unsigned v = 0; v < 64 / EACH; v++) {
      const unsigned at = first + v * EACH, block = at / BLOCK, place = row * blocks + block;
      const bool inside = row < rows && block < blocks;
      fetch<4>(found.words[v], words, place * (BLOCK * BITS / 32) + at % BLOCK / EACH * 4, inside);
      found.scale[v] = inside ? plain_number(scales[place]) : 0.0f;
      found.zero[v] = inside && !table ? zero_point<BITS>(zeros, row * zero_row, block) : 0.0f;
    }
    return found;
  }

  // their numbers, rounded, to 128 bytes of a tile; `turn`: how their 16 bytes are exchanged
  template <class T>
  LOTRC_INSIDE void put(const Loaded &found, unsigned char *to, unsigned turn) const {
#pragma unroll
    for (unsigned v = 0; v < 64 / EACH; v++) {
      alignas(16) T numbers[EACH];
      if constexpr (BITS == 4) {
        if (table) look_up<BITS, 4>(numbers, found.words[v], found.scale[v], table);
        else unpack<BITS, 4>(numbers, found.words[v], found.scale[v], found.zero[v]);
      } else unpack<BITS, 4>(numbers, found.words[v], found.scale[v], found.zero[v]);
#pragma unroll
      for (unsigned i = 0; i < EACH / 8; i++) put_16(to + ((v * (EACH / 8) + i) ^ turn) * 16, &numbers[8 * i]);
    }
  }
};

template <int BITS, int BLOCK, class Scale, class Zeros>
LOTRC_GROUP PackedRows<BITS, BLOCK, Scale, Zeros> packed(const unsigned *words, const Scale *scales, Zeros zeros, unsigned zero_row,
                                                         const float *table, unsigned rows, unsigned blocks) {
  return {words, scales, zeros, zero_row, table, rows, blocks};
}
#endif

#endif // LOTRC_PACKED_TILES
