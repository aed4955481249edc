// The instructions of warpgroup_units.cuh on a CPU. The copy engine writes as the 128-byte swizzle says, and not before somebody
// waits for its barrier; a product reads its operands as the descriptors say, and not before it is waited for: what is
// overwritten too early, or read too early, shows. Each block of a cluster has its own workgroup memory.
#pragma once
#include "../cuda-shim.h"
#include "cuda.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include <algorithm>
#include <memory>
#include <utility>

#define LOTRC_OWN_WARPGROUPS
#define LOTRC_GROUP static inline
#define LOTRC_INSIDE inline

namespace shim {
// workgroup memory of a block, as large as a descriptor's addresses reach, and of the other block of its cluster; poisoned before
constexpr unsigned WINDOW = 1 << 18;
alignas(WINDOW) inline unsigned char windows[2 * WINDOW];
SHIM_CODE unsigned char *window() { return windows + current / together.threads * WINDOW; }
inline const bool poisons = (at_begin = [](unsigned block) { std::memset(windows + block * WINDOW, 0xff, WINDOW); }, true);

[[noreturn]] SHIM_CODE void wrong(const char *what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(7);
}

// a barrier, in its 8 bytes
struct Barrier {
  int32_t bytes;  // still expected
  uint8_t arrivals, left, phase, made;
};
static_assert(sizeof(Barrier) == 8, "a barrier has 8 bytes");
SHIM_CODE Barrier &barrier_at(uint64_t *place) {
  Barrier &own = *reinterpret_cast<Barrier *>(place);
  if (own.made != 0x5a) wrong("mbarrier: none was made there");
  return own;
}
SHIM_CODE void advance(Barrier &own) {
  if (own.left != 0 || own.bytes != 0) return;
  own.phase ^= 1;
  own.left = own.arrivals;
}

struct Box {
  uint64_t *barrier;
  unsigned char *to;
  Map map;
  unsigned row, col;
};
SHIM_STATE std::vector<Box> boxes;  // under way

SHIM_CODE unsigned swizzled(unsigned place) { return place ^ ((place >> 7 & 7) << 4); }

SHIM_CODE void deliver(uint64_t *barrier) {
  for (size_t at = 0; at < boxes.size();) {
    if (boxes[at].barrier != barrier) {
      at++;
      continue;
    }
    const Box box = boxes[at];
    boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(at));
    const unsigned first = static_cast<unsigned>(box.to - windows);
    for (uint32_t i = 0; i < box.map.box_rows; i++)
      for (uint32_t j = 0; j < box.map.box_cols; j++) {
        uint16_t bits = 0;
        const uint64_t row = uint64_t(box.row) + i, col = uint64_t(box.col) + j;
        if (row < box.map.rows && col < box.map.cols) std::memcpy(&bits, box.map.base + row * box.map.pitch + 2 * col, 2);
        std::memcpy(windows + swizzled(first + i * 2 * box.map.box_cols + 2 * j), &bits, 2);
      }
    Barrier &own = barrier_at(barrier);
    const uint8_t phase = own.phase;
    own.bytes -= static_cast<int32_t>(2 * box.map.box_rows * box.map.box_cols);
    advance(own);
    // what else is under way is not waited for
    if (own.phase != phase) return;
  }
}

struct Product {
  float *c;
  uint64_t a, b;
  unsigned cols;
  bool a_outer, b_outer;  // rows of the tile run along the outer dimension
  float (*number)(uint16_t);
};
struct Products {
  std::vector<std::vector<Product>> groups;
  std::vector<Product> open;
  bool begun = false;
};
SHIM_STATE Products products[1024];

// What threads have put and not shown, boxes that each thread sent with what they held, and who has met where. The copy engine may read a
// box at once, and until it is waited for: both must be the same.
struct Put {
  unsigned place;
  uint32_t two;
};
struct Sent {
  const unsigned char *from;
  std::vector<unsigned char> held;
};
struct Leaving {
  std::vector<Put> unseen[1024];
  std::vector<Sent> sent[1024];
  unsigned met[16] = {}, times[16] = {};
};
SHIM_STATE Leaving leaving_results;
SHIM_CODE void await_boxes(size_t pending) {
  auto &own = leaving_results.sent[current];
  while (own.size() > pending) {
    if (std::memcmp(own.front().from, own.front().held.data(), own.front().held.size()) != 0)
      wrong("cp.async.bulk: a box changed before it was read");
    own.erase(own.begin());
  }
}
SHIM_CODE void none_sent() {
  if (!leaving_results.sent[current].empty()) wrong("cp.async.bulk: a thread ends before its boxes have left");
}
inline const bool checks_end = (at_end = none_sent, true);

// a launch within another has all of this for itself
SHIM_CODE std::function<void()> keep_units() {
  const std::vector<unsigned char> tiles(windows, windows + sizeof windows);
  const std::vector<Products> own(products, products + 1024);
  const std::vector<Box> under_way = std::exchange(boxes, {});
  for (Products &other : products) other = {};
  const auto results = std::make_shared<Leaving>(std::exchange(leaving_results, {}));
  return [tiles, own, under_way, results] {
    leaving_results = *results;
    std::copy(tiles.begin(), tiles.end(), windows);
    std::copy(own.begin(), own.end(), products);
    boxes = under_way;
  };
}
inline const bool keeps_units = (keep = keep_units, true);

// element (outer, k) of an operand, from its descriptor
SHIM_CODE float element(uint64_t tile, unsigned outer, unsigned k, bool along_outer, float (*number)(uint16_t)) {
  if (tile >> 62 != 1 || (tile >> 49 & 7) != 0) wrong("wgmma: no descriptor of the 128-byte swizzle");
  const unsigned start = unsigned(tile & 0x3fff) << 4, leading = unsigned(tile >> 16 & 0x3fff) << 4, stride = unsigned(tile >> 32 & 0x3fff) << 4;
  const unsigned place = along_outer ? start + outer / 64 * leading + outer % 64 * 2 + k / 8 * stride + k % 8 * 128
                                     : start + outer / 8 * stride + outer % 8 * 128 + 2 * k;
  uint16_t bits;
  std::memcpy(&bits, window() + swizzled(place), 2);
  return number(bits);
}

SHIM_CODE void execute(const Product &own) {
  const unsigned lane = threadIdx.x % 128, g = lane / 32 * 16 + lane % 32 / 4, t = lane % 4;
  for (unsigned at = 0; at < own.cols / 2; at++) {
    const unsigned e = at % 4, i = g + 8 * (e / 2), j = at / 4 * 8 + 2 * t + e % 2;
    double sum = own.c[at];
    for (unsigned k = 0; k < 16; k++)
      sum += double(element(own.a, i, k, own.a_outer, own.number)) * element(own.b, j, k, own.b_outer, own.number);
    own.c[at] = static_cast<float>(sum);
  }
}
}  // namespace shim

SHIM_CODE unsigned place_of(const void *shared) { return static_cast<unsigned>(static_cast<const unsigned char *>(shared) - shim::windows) % shim::WINDOW; }
// threads that ran kernels for warpgroups
inline long shim_rings = 0;
SHIM_CODE unsigned char *shared_tiles() {
  shim_rings++;
  return shim::window();
}
SHIM_CODE void begin_barrier(uint64_t *barrier, unsigned arrivals) {
  *reinterpret_cast<shim::Barrier *>(barrier) = {0, uint8_t(arrivals), uint8_t(arrivals), 0, 0x5a};
}
SHIM_CODE void publish_barriers() {
  if (!shim::boxes.empty()) shim::wrong("cp.async.bulk: boxes of another block are under way");
}
SHIM_CODE void arrive(uint64_t *barrier) {
  shim::Barrier &own = shim::barrier_at(barrier);
  if (own.left == 0) shim::wrong("mbarrier: more arrivals than it counts");
  own.left--;
  shim::advance(own);
}
SHIM_CODE void arrive_expecting(uint64_t *barrier, unsigned bytes) {
  shim::barrier_at(barrier).bytes += static_cast<int32_t>(bytes);
  arrive(barrier);
}
SHIM_CODE void await(uint64_t *barrier, unsigned parity) {
  shim::until([=] {
    if (shim::barrier_at(barrier).phase == parity) shim::deliver(barrier);
    return shim::barrier_at(barrier).phase != parity;
  });
}
// of the blocks of a cluster
SHIM_CODE unsigned own_number() {
  shim::together.wanted = true;
  return blockIdx.x % 2;
}
SHIM_CODE void meet_blocks() {
  shim::together.wanted = true;
  shim::wait(shim::at_blocks);
}
namespace shim {
// the same place of a block
template <class T>
static T *place_in(T *own, unsigned block) {
  if (block > 1) wrong("mapa: a cluster has two blocks");
  if (block == own_number()) return own;
  together.touched = true;
  return reinterpret_cast<T *>(windows + (reinterpret_cast<unsigned char *>(own) - windows) % WINDOW + (window() == windows ? WINDOW : 0));
}
}  // namespace shim
SHIM_CODE void arrive_at(uint64_t *barrier, unsigned block) { arrive(shim::place_in(barrier, block)); }
SHIM_CODE void bring_box(void *to, const CUtensorMap &map, unsigned row, unsigned col, uint64_t *barrier) {
  shim::Map own;
  std::memcpy(&own, &map, sizeof own);
  if (place_of(to) % 1024 != 0) shim::wrong("cp.async.bulk: not at a multiple of 1024 bytes");
  std::memset(to, 0xff, 2 * own.box_rows * own.box_cols);  // NaN until it arrives
  shim::boxes.push_back({barrier, static_cast<unsigned char *>(to), own, row, col});
}
SHIM_CODE void bring_box_to(uint16_t blocks, void *to, const CUtensorMap &map, unsigned row, unsigned col, uint64_t *barrier) {
  for (unsigned block = 0; block < 16; block++)
    if (blocks >> block & 1) bring_box(shim::place_in(static_cast<unsigned char *>(to), block), map, row, col, shim::place_in(barrier, block));
}
SHIM_CODE void await_writers() { shim::wait(shim::at_launches); }
namespace shim {
SHIM_CODE void put(const unsigned char *to, const void *two) {
  uint32_t bits;
  std::memcpy(&bits, two, 4);
  leaving_results.unseen[current].push_back({place_of(to), bits});
}
}  // namespace shim
SHIM_CODE void put_two(unsigned char *to, __half2 two) { shim::put(to, &two); }
SHIM_CODE void put_two(unsigned char *to, __nv_bfloat162 two) { shim::put(to, &two); }
SHIM_CODE void put_16(unsigned char *to, const void *from) {
  for (unsigned at = 0; at < 16; at += 4) shim::put(to + at, static_cast<const char *>(from) + at);
}
SHIM_CODE void meet_warp() { shim::wait(shim::at_warp); }
SHIM_CODE void show_results() {
  for (const shim::Put &own : shim::leaving_results.unseen[shim::current]) std::memcpy(shim::window() + own.place, &own.two, 4);
  shim::leaving_results.unseen[shim::current].clear();
}
SHIM_CODE void meet(unsigned group) {
  const unsigned place = shim::current / shim::together.threads * 8 + group;
  unsigned &met = shim::leaving_results.met[place], &times = shim::leaving_results.times[place];
  const unsigned now = times;
  if (++met == 128) met = 0, times++;
  else shim::until([place, now] { return shim::leaving_results.times[place] != now; });
}
SHIM_CODE void send_box(const CUtensorMap &map, unsigned row, unsigned col, const void *from) {
  shim::Map own;
  std::memcpy(&own, &map, sizeof own);
  const unsigned first = place_of(from);
  if (first % 1024 != 0) shim::wrong("cp.async.bulk: not at a multiple of 1024 bytes");
  for (uint32_t i = 0; i < own.box_rows; i++)
    for (uint32_t j = 0; j < own.box_cols; j++)
      if (row + i < own.rows && col + j < own.cols)
        std::memcpy(const_cast<char *>(own.base) + (row + i) * own.pitch + 2 * (col + j), shim::window() + shim::swizzled(first + i * 2 * own.box_cols + 2 * j), 2);
  const unsigned char *box = static_cast<const unsigned char *>(from);
  shim::leaving_results.sent[shim::current].push_back({box, std::vector<unsigned char>(box, box + 2 * own.box_rows * own.box_cols)});
}
SHIM_CODE void await_read() { shim::await_boxes(1); }
SHIM_CODE void await_arrival() { shim::await_boxes(0); }

SHIM_CODE void begin_products() { shim::products[shim::current].begun = true; }
SHIM_CODE void commit_products() {
  auto &own = shim::products[shim::current];
  own.groups.push_back(own.open);
  own.open.clear();
}
namespace shim {
SHIM_CODE void await_products(size_t pending) {
  auto &own = products[current];
  own.begun = false;
  while (own.groups.size() > pending) {
    for (const Product &product : own.groups.front()) execute(product);
    own.groups.erase(own.groups.begin());
  }
}
}  // namespace shim
template <int PENDING>
static void await_products() { shim::await_products(PENDING); }
SHIM_CODE void not_before(float &) {}
template <int COUNT>
static void fewer_registers() {}
template <int COUNT>
static void more_registers() {}

namespace shim {
SHIM_CODE float number_of(uint16_t bits, const __nv_bfloat16 *) { return __bfloat162float({bits}); }
SHIM_CODE float number_of(uint16_t bits, const __half *) {
  __half number;
  std::memcpy(&number, &bits, 2);
  return __half2float(number);
}
SHIM_CODE void add(const Product &product) {
  auto &own = products[current];
  if (!own.begun) wrong("wgmma: sums may still be on their way (no fence)");
  own.open.push_back(product);
}
}  // namespace shim

template <class T, int COLS>
struct Multiply {
  template <bool OUTER_A, bool OUTER_B>
  static void add(float (&c)[COLS / 2], uint64_t a, uint64_t b) {
    shim::add({c, a, b, COLS, OUTER_A, OUTER_B, [](uint16_t bits) { return shim::number_of(bits, static_cast<const T *>(nullptr)); }});
  }
};
