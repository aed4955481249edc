// CUDA's names on a CPU: a block's threads are fibers on one OS thread, switched at __syncthreads. Blocks run one after another.
#pragma once
#include <ucontext.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx;

#define __global__
#define __shared__ static
#define __restrict__
#define __launch_bounds__(n)

static unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
static unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }

namespace shim {
static ucontext_t scheduler;
static std::vector<ucontext_t> fibers;
static std::vector<char> ended;
static std::vector<std::vector<char>> stacks;
static std::function<void()> kernel;
static unsigned current;

static void body() {
  kernel();
  ended[current] = 1;
  swapcontext(&fibers[current], &scheduler);
}

static void launch(Index grid, unsigned threads, std::function<void()> work) {
  kernel = work;
  for (unsigned z = 0; z < grid.z; z++) for (unsigned y = 0; y < grid.y; y++) for (unsigned x = 0; x < grid.x; x++) {
    blockIdx = {x, y, z};
    fibers.assign(threads, {});
    ended.assign(threads, 0);
    stacks.resize(threads);
    for (unsigned t = 0; t < threads; t++) {
      stacks[t].resize(1 << 16);
      getcontext(&fibers[t]);
      fibers[t].uc_stack.ss_sp = stacks[t].data();
      fibers[t].uc_stack.ss_size = stacks[t].size();
      makecontext(&fibers[t], body, 0);
    }
    for (unsigned left = threads; left > 0;) {
      unsigned now = 0;
      // last thread first: what depends on an order shows
      for (unsigned t = threads; t-- > 0;) {
        current = t;
        threadIdx = {t, 0, 0};
        swapcontext(&scheduler, &fibers[t]);
        now += ended[t];
      }
      if (now != 0 && now != threads) { std::fprintf(stderr, "a barrier that some threads miss\n"); std::exit(3); }
      left = threads - now;
    }
  }
}
}  // namespace shim

static void __syncthreads() {
  const unsigned self = shim::current;
  swapcontext(&shim::fibers[self], &shim::scheduler);
}
