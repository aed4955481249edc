// CUDA's names on a CPU: a block's threads are fibers on one OS thread, switched at __syncthreads. Blocks run one after another, but those
// of a cluster together, and launches that are queued when somebody looks (shim::settle), or the next one has to wait for them.
#pragma once
#include "cuda-cpu/once.h"
#include <ucontext.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

struct Index { unsigned x, y, z; };
inline Index threadIdx, blockIdx, gridDim;

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
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
enum State { running, at_block, at_blocks, at_warp, at_condition, at_launches, ended };
SHIM_STATE std::vector<State> states;
SHIM_STATE std::vector<std::vector<char>> stacks;
SHIM_STATE std::vector<std::function<bool()>> conditions;
SHIM_STATE std::function<void()> kernel;
inline unsigned current;

// Blocks that run together: one, or both of a cluster as soon as one of them asks for the other. Threads of the second follow those of the first.
struct Together {
  unsigned threads = 0, blocks = 1;  // threads of a block
  bool wanted = false;               // the other block is to run too
  bool touched = false;              // one has done something to the other since they met
};
inline Together together;

// what is done when a block begins, and what is checked when a thread ends
inline void (*at_begin)(unsigned block) = nullptr;
inline void (*at_end)() = nullptr;

SHIM_CODE bool all_in(unsigned from, unsigned to, State state);
SHIM_CODE void body() {
  kernel();
  if (at_end) at_end();
  states[current] = ended;
  const unsigned first = current / together.threads * together.threads;
  if (together.touched && all_in(first, first + together.threads, ended)) {
    std::fprintf(stderr, "a block ends, and the other of its cluster may still write there or arrive\n");
    std::exit(3);
  }
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

// The blocks of a cluster meet: threads that have ended are not waited for.
SHIM_CODE bool all_met() {
  bool some = false;
  for (const State state : states) {
    if (state != at_blocks && state != ended) return false;
    some = some || state == at_blocks;
  }
  for (State &state : states)
    if (state == at_blocks) state = running;
  if (some) together.touched = false;
  return some;
}

// shared memory of a launch, poisoned before every block, and how much the launch gave
alignas(1024) inline unsigned char memory[227 << 10];
inline size_t memory_bytes = 0;

// a launch; `early`: it may begin before the launches before it have ended
struct Launch {
  Index grid;
  unsigned threads;
  std::function<void()> work;
  size_t bytes;
  bool early;
};

// sets the state of the block that runs in warpgroups.h aside, and gives what puts it back
inline std::function<void()> (*keep)() = nullptr;

// Runs something else in the middle of a block.
SHIM_CODE void aside(const std::function<void()> &other) {
  auto own_kernel = kernel;
  auto own_fibers = std::move(fibers);
  auto own_states = std::move(states);
  auto own_stacks = std::move(stacks);
  auto own_conditions = std::move(conditions);
  const Index thread = threadIdx, block = blockIdx, grid = gridDim;
  const Together own_together = std::exchange(together, {});
  const unsigned self = current;
  const size_t bytes = memory_bytes;
  const std::vector<unsigned char> shared(memory, memory + bytes);
  const std::function<void()> back = keep ? keep() : nullptr;
  stacks.clear();
  other();
  if (back) back();
  kernel = own_kernel;
  fibers = std::move(own_fibers);
  states = std::move(own_states);
  stacks = std::move(own_stacks);
  conditions = std::move(own_conditions);
  threadIdx = thread, blockIdx = block, gridDim = grid;
  together = own_together;
  current = self;
  memory_bytes = bytes;
  std::copy(shared.begin(), shared.end(), memory);
}

// One more block begins, with fibers of its own. None of them moves in memory: a context points into itself.
SHIM_CODE void begin_block() {
  const unsigned from = static_cast<unsigned>(fibers.size()), to = from + together.threads;
  fibers.resize(to);
  states.resize(to, running);
  conditions.resize(to);
  if (stacks.size() < to) stacks.resize(to);
  for (unsigned t = from; t < to; t++) {
    stacks[t].resize(1 << 16);
    getcontext(&fibers[t]);
    fibers[t].uc_stack.ss_sp = stacks[t].data();
    fibers[t].uc_stack.ss_size = stacks[t].size();
    makecontext(&fibers[t], body, 0);
  }
  if (at_begin) at_begin(from / together.threads);
}

// Runs a launch. `before`: the launches before it, which have not run. They run when every thread of the first block waits, one of
// them for these launches: until then the block sees what was there before. Without such a wait they run after it.
inline unsigned launches_run = 0;
SHIM_CODE void run(const Launch &own, std::function<void()> before) {
  const Index grid = own.grid;
  const unsigned threads = own.threads, blocks = grid.x * grid.y * grid.z, first = launches_run++;
  std::vector<bool> begun(blocks);
  for (unsigned n = 0; n < blocks; n++) {
    // any block may be the first
    const unsigned b = (first + n) % blocks;
    if (begun[b]) continue;
    begun[b] = true;
    kernel = own.work;
    gridDim = grid;
    memory_bytes = own.bytes;
    std::memset(memory, 0xff, own.bytes);
    together = {};
    together.threads = threads;
    fibers.clear();
    fibers.reserve(2 * threads);
    states.clear();
    conditions.clear();
    begin_block();
    // of two blocks one goes as far as it can before the other moves
    unsigned chance = 1, ahead = 0;
    for (bool over = false; !over;) {
      if (together.wanted && together.blocks == 1) {
        if (b >= grid.x || (b ^ 1) >= grid.x) { std::fprintf(stderr, "a cluster without its second block\n"); std::exit(3); }
        begun[b ^ 1] = true;
        together.blocks = 2;
        begin_block();
      }
      const auto ready = [&](unsigned block) {
        for (unsigned t = block * threads; t < (block + 1) * threads; t++)
          if (states[t] == running) return true;
        return false;
      };
      const unsigned block = together.blocks == 1 || ready(ahead) ? ahead : 1 - ahead, place = b ^ block;
      blockIdx = {place % grid.x, place / grid.x % grid.y, place / grid.x / grid.y};
      // last thread first, or by chance the other way round: what depends on an order shows
      for (unsigned n = 0; n < threads; n++) {
        const unsigned t = chance >> 31 ? n : threads - 1 - n;
        if (states[block * threads + t] != running) continue;
        current = block * threads + t;
        threadIdx = {t, 0, 0};
        swapcontext(&scheduler, &fibers[current]);
      }
      chance = chance * 1664525u + 1013904223u;
      if (block != ahead && chance >> 30 == 0) ahead = block;
      const unsigned all = together.blocks * threads;
      over = all_in(0, all, ended) && (!together.wanted || together.blocks == 2);
      bool moved = over || (together.wanted && together.blocks == 1);
      for (unsigned w = 0; w < all; w += 32)
        if (w + 32 <= all && all_in(w, w + 32, at_warp)) moved = release(w, w + 32);
      for (unsigned t = 0; t < all; t += threads)
        if (all_in(t, t + threads, at_block)) moved = release(t, t + threads);
      for (unsigned t = 0; t < all; t++)
        if (states[t] == at_condition && conditions[t]()) moved = release(t, t + 1);
      if (together.blocks == 2 && all_met()) moved = true;
      for (unsigned t = 0; t < all; t++) moved = moved || states[t] == running;
      for (unsigned t = 0; !moved && t < all; t++) {
        if (states[t] != at_launches) continue;
        if (before) aside(std::exchange(before, nullptr));
        for (unsigned waiting = t; waiting < all; waiting++)
          if (states[waiting] == at_launches) release(waiting, waiting + 1);
        moved = true;
      }
      if (!moved) { std::fprintf(stderr, "a barrier that some threads miss\n"); std::exit(3); }
    }
  }
  if (before) before();
}

// Launches that have not run: one that does not begin early, and those after it, which do. Each of these may do what it does before
// it waits before any of them has done anything.
SHIM_STATE std::vector<Launch> pending;
SHIM_CODE void run_until(const std::vector<Launch> &launches, size_t count) {
  if (count == 0) return;
  const Launch &own = launches[count - 1];
  if (own.early) return run(own, [&launches, count] { run_until(launches, count - 1); });
  run_until(launches, count - 1);
  run(own, nullptr);
}
// everything that was launched has ended
SHIM_CODE void settle() {
  const std::vector<Launch> launches = std::exchange(pending, {});
  run_until(launches, launches.size());
}

// Calls a copy of some bytes. A program makes its launches with this: std::function would have a dozen functions for the type of each.
SHIM_CODE std::function<void()> called(void (*run)(const void *), const void *closure, size_t bytes) {
  const std::shared_ptr<void> own(std::aligned_alloc(64, (bytes + 63) / 64 * 64), std::free);
  std::memcpy(own.get(), closure, bytes);
  return [=] { run(own.get()); };
}
template <class Closure>
static std::function<void()> work_of(const Closure &closure) {
  static_assert(std::is_trivially_copyable<Closure>::value && alignof(Closure) <= 64, "it is copied as bytes");
  return called([](const void *own) { (*static_cast<const Closure *>(own))(); }, &closure, sizeof closure);
}

SHIM_CODE void queue(Index grid, unsigned threads, std::function<void()> work, size_t bytes, bool early) {
  if (!early) settle();
  pending.push_back({grid, threads, std::move(work), bytes, early});
}
SHIM_CODE void launch(Index grid, unsigned threads, std::function<void()> work, size_t bytes = 0) {
  settle();
  run({grid, threads, std::move(work), bytes, false}, nullptr);
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

// launches that overlap: launches.cuh
#define LOTRC_OWN_LAUNCHES
SHIM_CODE void release_next() {}
SHIM_CODE void await_launches() { shim::wait(shim::at_launches); }
