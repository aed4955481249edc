// A caller that has memory of its own, at addresses that are multiples of 16 and of no more.
static std::vector<void *> given;
static size_t shift = 16;
// the first y is where x is, and dx where the first dy is
static bool over = false;
static void *inputs[REGION_COUNT];
#ifndef SERVING
static void *kept[REGION_COUNT];
#endif

static void *lend(int buffer, size_t count, bool filled) {
  void *base = nullptr;
  if (cudaMalloc(&base, count * element_bytes(buffer) + 16) != cudaSuccess) std::abort();
  given.push_back(base);
  void *at = static_cast<char *>(base) + shift;
  if (filled) {
    const std::vector<float> numbers = load(count);
    if (element_bytes(buffer) == 1) {
      const std::vector<unsigned char> bytes(numbers.begin(), numbers.end());
      std::memcpy(at, bytes.data(), count);
      return at;
    }
    std::vector<uint16_t> room;
    std::memcpy(at, as_stored(buffer, numbers.data(), count, room), count * element_bytes(buffer));
  }
  return at;
}

static void take(int buffer, const void *at, size_t count) {
  std::vector<float> numbers(count);
  shim::settle();
  const lotrc_type type = BUFFERS[buffer].type;
  for (size_t i = 0; i < count; i++)
    numbers[i] = type == LOTRC_FLOAT32 ? static_cast<const float *>(at)[i] : widened(type, static_cast<const uint16_t *>(at)[i]);
  store(numbers);
}

static size_t size_of(int buffer, uint32_t rows) { return BUFFERS[buffer].elements * rows; }

static void forward_at(uint32_t region, uint32_t rows) {
  const RegionRow &row = REGIONS[region];
  inputs[region] = lend(row.x, size_t(size_of(row.x, rows)), true);
#ifndef SERVING
  kept[region] = row.kept < 0 ? nullptr : lend(row.kept, size_of(row.kept, rows), false);
#endif
  std::vector<void *> ys;
  for (int i = 0; i < row.layers; i++) ys.push_back(lend(OUTPUTS[row.first + i].y, size_of(OUTPUTS[row.first + i].y, rows), false));
  if (over) ys[0] = inputs[region];
#ifdef SERVING
  check(lotrc_forward_at(a, region, rows, inputs[region], ys.data()));
#else
  check(lotrc_forward_at(a, region, rows, inputs[region], ys.data(), kept[region]));
#endif
  for (int i = 0; i < row.layers; i++) take(OUTPUTS[row.first + i].y, ys[i], size_of(OUTPUTS[row.first + i].y, rows));
  if (a->own[row.x] || a->own[OUTPUTS[row.first].y]) std::printf("the library has an x or y of its own\n");
}

#ifndef SERVING
static void backward_at(uint32_t region, uint32_t rows, bool adds) {
  const RegionRow &row = REGIONS[region];
  std::vector<const void *> dys;
  for (int i = 0; i < row.layers; i++) dys.push_back(lend(OUTPUTS[row.first + i].dy, size_of(OUTPUTS[row.first + i].dy, rows), true));
  void *dx = lend(row.dx, size_of(row.dx, rows), adds);
  if (over) dx = const_cast<void *>(dys[0]);
  check(lotrc_backward_at(a, region, rows, inputs[region], dys.data(), dx, adds, kept[region]));
  take(row.dx, dx, size_of(row.dx, rows));
}

#endif
static void bind(const char *name, size_t count) {
  int buffer = 0;
  for (const Place &place : PLACES)
    if (std::strcmp(place.tensor, name) == 0) buffer = place.buffer;
  check(lotrc_bind(a, name, lend(buffer, count, true)));
  if (shift == 16 && a->own[buffer] && !BUFFERS[buffer].later) std::printf("%s is not bound\n", name);
}

static void give_back() {
  for (void *memory : given) cudaFree(memory);
}
