// CUDA's names on a CPU: a block's threads are fibers on one OS thread, switched at __syncthreads. Blocks run one after another.
#pragma once
#include "cuda-cpu/once.h"
#include <ucontext.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

struct Index { unsigned x, y, z; };
inline Index threadIdx, blockIdx, gridDim;

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
SHIM_CODE float __uint_as_float(unsigned bits) { float number; std::memcpy(&number, &bits, 4); return number; }
SHIM_CODE float2 make_float2(float x, float y) { return {x, y}; }
SHIM_CODE unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
SHIM_CODE unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }

namespace shim {
SHIM_STATE ucontext_t scheduler;
SHIM_STATE std::vector<ucontext_t> fibers;
enum State { running, at_block, at_warp, at_condition, ended };
SHIM_STATE std::vector<State> states;
SHIM_STATE std::vector<std::vector<char>> stacks;
SHIM_STATE std::vector<std::function<bool()>> conditions;
SHIM_STATE std::function<void()> kernel;
inline unsigned current;

SHIM_CODE void body() {
  kernel();
  states[current] = ended;
  swapcontext(&fibers[current], &scheduler);
}

SHIM_CODE bool all_in(unsigned from, unsigned to, State state) {
  for (unsigned t = from; t < to; t++)
    if (states[t] != state) return false;
  return true;
}
SHIM_CODE bool release(unsigned from, unsigned to) {
  for (unsigned t = from; t < to; t++) states[t] = running;
  return true;
}

// shared memory of a launch, poisoned before every block, and how much the launch gave
alignas(1024) inline unsigned char memory[227 << 10];
inline size_t memory_bytes = 0;

SHIM_CODE void launch(Index grid, unsigned threads, std::function<void()> work, size_t bytes = 0) {
  kernel = work;
  gridDim = grid;
  memory_bytes = bytes;
  for (unsigned z = 0; z < grid.z; z++) for (unsigned y = 0; y < grid.y; y++) for (unsigned x = 0; x < grid.x; x++) {
    blockIdx = {x, y, z};
    std::memset(memory, 0xff, bytes);
    fibers.assign(threads, {});
    states.assign(threads, running);
    conditions.assign(threads, {});
    stacks.resize(threads);
    for (unsigned t = 0; t < threads; t++) {
      stacks[t].resize(1 << 16);
      getcontext(&fibers[t]);
      fibers[t].uc_stack.ss_sp = stacks[t].data();
      fibers[t].uc_stack.ss_size = stacks[t].size();
      makecontext(&fibers[t], body, 0);
    }
    unsigned chance = 1;
    for (bool over = false; !over;) {
      // last thread first, or by chance the other way round: what depends on an order shows
      for (unsigned n = 0; n < threads; n++) {
        const unsigned t = chance >> 31 ? n : threads - 1 - n;
        if (states[t] != running) continue;
        current = t;
        threadIdx = {t, 0, 0};
        swapcontext(&scheduler, &fibers[t]);
      }
      chance = chance * 1664525u + 1013904223u;
      over = all_in(0, threads, ended);
      bool moved = over;
      for (unsigned w = 0; w < threads; w += 32)
        if (w + 32 <= threads && all_in(w, w + 32, at_warp)) moved = release(w, w + 32);
      if (all_in(0, threads, at_block)) moved = release(0, threads);
      for (unsigned t = 0; t < threads; t++)
        if (states[t] == at_condition && conditions[t]()) moved = release(t, t + 1);
      if (!moved) { std::fprintf(stderr, "a barrier that some threads miss\n"); std::exit(3); }
    }
  }
}

SHIM_CODE void wait(State where) {
  const unsigned self = current;
  states[self] = where;
  swapcontext(&fibers[self], &scheduler);
}
// until something is so that another thread brings about
SHIM_CODE void until(std::function<bool()> condition) {
  conditions[current] = condition;
  wait(at_condition);
}
}  // namespace shim

namespace shim {
// what each lane of a warp brings, and another for the next exchange: a slow lane may still read the last one
inline float brought[64][2][32];
inline unsigned brought_turn[2048];
}  // namespace shim

// lanes that are not all here end the run: the mask must be full
SHIM_CODE float __shfl_xor_sync(unsigned mask, float value, unsigned step) {
  if (mask != 0xffffffffu) std::exit(7);
  const unsigned self = shim::current;
  float *own = shim::brought[self / 32][shim::brought_turn[self]++ % 2];
  own[self % 32] = value;
  shim::wait(shim::at_warp);
  return own[self % 32 ^ step];
}

SHIM_CODE void __syncthreads() { shim::wait(shim::at_block); }
