// Matrix units of a warp and copies that run in parallel with the arithmetic: sm_80 and up. Written by lotrc.
#ifndef LOTRC_MATRIX_UNITS
#define LOTRC_MATRIX_UNITS

#ifndef LOTRC_OWN_INSTRUCTIONS
#define LOTRC_DEVICE static __device__ __forceinline__

// shared memory of the launch, which is at least so much
template <unsigned BYTES>
LOTRC_DEVICE unsigned char *shared_memory() {
  extern __shared__ __align__(16) unsigned char lotrc_memory[];
  return lotrc_memory;
}

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

// Two neighbouring operands b in one load: 16 columns.
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_b_pair(unsigned (*to)[2], const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, k = 8 * (lane / 8 % 2), j = 8 * (lane / 16), row = lane % 8;
  unsigned all[4];
  if (TRANSPOSED) ldmatrix_4(all, tile + (j + row) * stride + k);
  else ldmatrix_4_transposed(all, tile + (k + row) * stride + j);
  for (unsigned i = 0; i < 4; i++) to[i / 2][i % 2] = all[i];
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

// The same for float32 that keeps its 23 bits of fraction: a number is the sum of two of tf32, the greater ones first in a fragment.
LOTRC_DEVICE void part_tf32(unsigned *first, unsigned *rest, float value) {
  *first = round_tf32(value);
  *rest = round_tf32(value - __uint_as_float(*first));
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_a_tf32x3(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, i = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 4; e++) {
    const unsigned row = i + 8 * (e % 2), at = k + 4 * (e / 2);
    part_tf32(&to[e], &to[4 + e], tile[TRANSPOSED ? at * stride + row : row * stride + at]);
  }
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_b_tf32x3(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, j = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 2; e++) {
    const unsigned at = k + 4 * e;
    part_tf32(&to[e], &to[2 + e], tile[TRANSPOSED ? j * stride + at : at * stride + j]);
  }
}
// all but the product of the two lesser parts, the least first
LOTRC_DEVICE void mma_tf32x3(float *c, const unsigned *a, const unsigned *b) {
  mma_tf32(c, a + 4, b);
  mma_tf32(c, a, b + 2);
  mma_tf32(c, a, b);
}

// four neighbours in one load
LOTRC_DEVICE void take_4(float *to, const float *from) {
  const float4 four = *reinterpret_cast<const float4 *>(from);
  to[0] = four.x;
  to[1] = four.y;
  to[2] = four.z;
  to[3] = four.w;
}

#endif // LOTRC_MATRIX_UNITS
