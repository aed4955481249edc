import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { compiled, cppFlags, hasCompiler } from '../../support/compilers.js';

/** A call of cuBLASLt with all its parts, each of which a case may change, and what the library says to it. */
const PROGRAM = `
#include <cublasLt.h>
#include <cstdio>
struct Matrix { cudaDataType_t type; uint64_t rows, cols; int64_t ld; int order; };
struct Call {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  cublasOperation_t ta = CUBLAS_OP_N, tb = CUBLAS_OP_N;
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  bool bias = true, handle = true;
  Matrix a = {CUDA_R_32F, 2, 3, 4, 0}, b = {CUDA_R_32F, 3, 2, 3, 0}, c = {CUDA_R_32F, 2, 2, 3, 0}, d = c;
  uint64_t workspace = 1 << 20, given = 1 << 20;
  size_t skew = 0, at = 0;
  float alpha = 1, beta = 0;
};
alignas(256) static float A[64], B[64], C[64], room[1 << 18];
static const float BIAS[2] = {10, 20};
static void run(const char *name, Call t) {
  for (int i = 0; i < 64; i++) A[i] = float(i + 1), B[i] = float(i % 5 - 2), C[i] = 100;
  cublasLtHandle_t handle = nullptr;
  if (t.handle) cublasLtCreate(&handle);
  cublasLtMatmulDesc_t what;
  cublasLtMatmulDescCreate(&what, t.compute, t.scale);
  cublasLtMatmulDescSetAttribute(what, CUBLASLT_MATMUL_DESC_TRANSA, &t.ta, sizeof t.ta);
  cublasLtMatmulDescSetAttribute(what, CUBLASLT_MATMUL_DESC_TRANSB, &t.tb, sizeof t.tb);
  cublasLtMatmulDescSetAttribute(what, CUBLASLT_MATMUL_DESC_EPILOGUE, &t.epilogue, sizeof t.epilogue);
  const void *bias = t.bias ? BIAS : nullptr;
  cublasLtMatmulDescSetAttribute(what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  cublasLtMatrixLayout_t l[4];
  const Matrix *m[4] = {&t.a, &t.b, &t.c, &t.d};
  for (int i = 0; i < 4; i++) {
    cublasLtMatrixLayoutCreate(&l[i], m[i]->type, m[i]->rows, m[i]->cols, m[i]->ld);
    cublasLtMatrixLayoutSetAttribute(l[i], CUBLASLT_MATRIX_LAYOUT_ORDER, &m[i]->order, sizeof m[i]->order);
  }
  cublasLtMatmulPreference_t wishes;
  cublasLtMatmulPreferenceCreate(&wishes);
  cublasLtMatmulPreferenceSetAttribute(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &t.workspace, sizeof t.workspace);
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, what, l[0], l[1], l[2], l[3], wishes, 1, &best, &found);
  std::printf("%s: %d", name, status);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmul(handle, what, &t.alpha, reinterpret_cast<char *>(A) + t.at, l[0], B, l[1], &t.beta, C, l[2], C, l[3], &best.algo,
                            reinterpret_cast<char *>(room) + t.skew, t.given, nullptr);
    std::printf(" %d", status);
    if (status == CUBLAS_STATUS_SUCCESS) for (int i = 0; i < 6; i++) std::printf(" %g", C[i]);
  }
  std::printf("\\n");
  for (auto one : l) cublasLtMatrixLayoutDestroy(one);
  cublasLtMatmulDescDestroy(what);
  cublasLtMatmulPreferenceDestroy(wishes);
  if (handle) cublasLtDestroy(handle);
}
int main() {
  Call t;
`;

/** name, what is changed, the statuses of the heuristic and the product, and the contents of C afterwards. */
const CASES: readonly (readonly [string, string, string])[] = [
  // A is column-major, 2 x 3 of 4 x 3: (1 5 9; 2 6 10); B is (-2 1; -1 2; 0 -2)
  ['plain', '', '0 0 -7 -10 100 -7 -6 100'],
  ['alpha and beta', 't.alpha = 2; t.beta = 1;', '0 0 86 80 100 86 88 100'],
  ['bias by rows of D', 't.epilogue = CUBLASLT_EPILOGUE_BIAS;', '0 0 3 10 100 3 14 100'],
  ['A in rows', 't.a = {CUDA_R_32F, 2, 3, 4, 1};', '0 0 -4 -16 100 -1 3 100'],
  ['A transposed', 't.ta = CUBLAS_OP_T; t.a = {CUDA_R_32F, 3, 2, 4, 0};', '0 0 -4 -16 100 -1 3 100'],
  ['ld of A too small', 't.a.ld = 1;', '7'],
  ['ld of D too small', 't.d.ld = 1;', '7'],
  ['ld of rows too small', 't.a.order = 1; t.a.ld = 2;', '7'],
  ['inner lengths differ', 't.b.rows = 2;', '7'],
  ['D of another shape', 't.d.cols = 3; t.c.cols = 3;', '7'],
  ['C of another shape', 't.c.cols = 1;', '7'],
  ['types of A and B differ', 't.b.type = CUDA_R_16F;', '15'],
  ['types of C and D differ', 't.c.type = CUDA_R_16F;', '15'],
  ['bfloat16 into float16', 't.a.type = t.b.type = CUDA_R_16BF; t.c.type = t.d.type = CUDA_R_16F;', '15'],
  ['sums in float16', 't.compute = CUBLAS_COMPUTE_16F;', '15'],
  ['tf32 of float16', 't.compute = CUBLAS_COMPUTE_32F_FAST_TF32; t.a.type = t.b.type = CUDA_R_16F;', '15'],
  ['scale in float16', 't.scale = CUDA_R_16F;', '15'],
  ['bias of D in rows', 't.epilogue = CUBLASLT_EPILOGUE_BIAS; t.c.order = t.d.order = 1;', '15'],
  ['no bias to add', 't.epilogue = CUBLASLT_EPILOGUE_BIAS; t.bias = false;', '0 7'],
  ['in place of another layout', 't.c.ld = 4;', '0 7'],
  ['A not aligned as was promised', 't.at = 4;', '0 7'],
  ['too little workspace', 't.given = 8;', '0 7'],
  ['no workspace allowed', 't.workspace = 0; t.given = 0;', '0 0 -7 -10 100 -7 -6 100'],
  ['workspace not aligned', 't.skew = 16;', '0 7'],
  ['no handle', 't.handle = false;', '1'],
];

describe.skipIf(!hasCompiler('g++'))('the stand-in for cuBLASLt', () => {
  test('computes and refuses what the documentation says', { timeout: 300_000 }, () => {
    const calls = CASES.map(([name, change]) => `  t = Call(); ${change} run(${JSON.stringify(name)}, t);`);
    const end = '  std::printf("held: %ld\\n", cublas_held);\n}\n';
    const text = `${PROGRAM}${calls.join('\n')}\n${end}`;
    const { path } = compiled('g++', [{ path: 'main.cpp', text }], [...cppFlags(true), 'main.cpp']);
    const said = execFileSync(path, { encoding: 'utf8' }).trim().split('\n');
    expect(said).toEqual([...CASES.map(([name, , wanted]) => `${name}: ${wanted}`), 'held: 0']);
  });
});
