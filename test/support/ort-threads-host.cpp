// Calls operators from several threads, under ThreadSanitizer, in the place of ONNX Runtime, whose own locks would keep the threads in an order.
// Every thread registers the library, makes an operator of its own and runs it and those that all have. Afterwards one thread does the same work:
// the numbers must be the same. Constants before this text: LAYER, GRADIENT (names of operators), IN, OUT, FACTORS (extents), SCALE.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <thread>

struct Value {
  std::vector<int64_t> extents;
  void *data;
};
struct Info {
  std::vector<Value *> constants;  // empty: inputs are not known
};
struct Context {
  std::vector<Value *> in, out;
};
typedef std::vector<const OrtCustomOp *> Domain;
typedef std::vector<Domain *> Options;

static void never() { std::abort(); }
static std::array<void (*)(), 250> places;

template <class Result, class... Given>
static void put(size_t place, Result (*function)(Given...)) {
  places[place] = reinterpret_cast<void (*)()>(function);
}

static void fill_api() {
  places.fill(never);
  put(0, +[](int, const char *why) -> OrtStatus * { return reinterpret_cast<OrtStatus *>(new std::string(why)); });
  put(93, +[](OrtStatus *status) { delete reinterpret_cast<std::string *>(status); });
  put(26, +[](const char *, OrtCustomOpDomain **made) -> OrtStatus * {
    *made = reinterpret_cast<OrtCustomOpDomain *>(new Domain);
    return nullptr;
  });
  put(27, +[](OrtCustomOpDomain *domain, const OrtCustomOp *op) -> OrtStatus * {
    reinterpret_cast<Domain *>(domain)->push_back(op);
    return nullptr;
  });
  put(28, +[](OrtSessionOptions *options, OrtCustomOpDomain *domain) -> OrtStatus * {
    reinterpret_cast<Options *>(options)->push_back(reinterpret_cast<Domain *>(domain));
    return nullptr;
  });
  put(51, +[](OrtValue *value, void **data) -> OrtStatus * {
    *data = reinterpret_cast<Value *>(value)->data;
    return nullptr;
  });
  put(65, +[](const OrtValue *value, OrtTensorTypeAndShapeInfo **info) -> OrtStatus * {
    *info = reinterpret_cast<OrtTensorTypeAndShapeInfo *>(const_cast<OrtValue *>(value));
    return nullptr;
  });
  put(61, +[](const OrtTensorTypeAndShapeInfo *info, size_t *rank) -> OrtStatus * {
    *rank = reinterpret_cast<const Value *>(info)->extents.size();
    return nullptr;
  });
  put(62, +[](const OrtTensorTypeAndShapeInfo *info, int64_t *extents, size_t rank) -> OrtStatus * {
    const Value &value = *reinterpret_cast<const Value *>(info);
    for (size_t i = 0; i < rank; i++) extents[i] = value.extents[i];
    return nullptr;
  });
  put(99, +[](OrtTensorTypeAndShapeInfo *) {});
  put(85, +[](const OrtKernelInfo *, const char *name, float *value) -> OrtStatus * {
    *value = std::strcmp(name, "scale") == 0 ? SCALE : 1;
    return nullptr;
  });
  put(86, +[](const OrtKernelInfo *, const char *name, int64_t *value) -> OrtStatus * {
    *value = std::strcmp(name, "transB") == 0;  // of the gradient: W is (in, out)
    return nullptr;
  });
  put(249, +[](const OrtKernelInfo *info, size_t index, int *is, const OrtValue **value) -> OrtStatus * {
    const Info &own = *reinterpret_cast<const Info *>(info);
    *is = index < own.constants.size() && own.constants[index];
    if (*is) *value = reinterpret_cast<const OrtValue *>(own.constants[index]);
    return nullptr;
  });
  put(90, +[](const OrtKernelContext *context, size_t index, const OrtValue **value) -> OrtStatus * {
    *value = reinterpret_cast<const OrtValue *>(reinterpret_cast<const Context *>(context)->in[index]);
    return nullptr;
  });
  put(91, +[](OrtKernelContext *context, size_t index, const int64_t *, size_t, OrtValue **value) -> OrtStatus * {
    *value = reinterpret_cast<OrtValue *>(reinterpret_cast<Context *>(context)->out[index]);
    return nullptr;
  });
}
static const OrtApi *api() { return reinterpret_cast<const OrtApi *>(places.data()); }

static void must(OrtStatus *status) {
  if (!status) return;
  std::printf("%s\n", reinterpret_cast<std::string *>(status)->c_str());
  std::_Exit(7);
}

// numbers of either type, at a multiple of 16 bytes
template <class T>
static Value *value(std::vector<int64_t> extents, unsigned seed) {
  size_t count = 1;
  for (const int64_t extent : extents) count *= extent;
  T *data = static_cast<T *>(std::aligned_alloc(256, (count * sizeof(T) + 255) / 256 * 256));
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    const float number = static_cast<float>(seed >> 8) / (1 << 24) - 0.5f;
    if constexpr (sizeof(T) == 4) data[i] = number;
    else data[i] = __float2half_rn(number);
  }
  return new Value{std::move(extents), data};
}

static const OrtCustomOp *named(const char *name) {
  Options options;
  const OrtApiBase base = {[](uint32_t) { return api(); }, nullptr};
  must(RegisterCustomOps(reinterpret_cast<OrtSessionOptions *>(&options), &base));
  for (const OrtCustomOp *op : *options.at(0))
    if (std::strcmp(op->GetName(op), name) == 0) return op;
  std::printf("there is no operator %s\n", name);
  std::_Exit(8);
}
static void *made(const char *name, const std::vector<Value *> &constants) {
  const OrtCustomOp *op = named(name);
  const Info info = {constants};
  void *kernel;
  must(op->CreateKernelV2(op, api(), reinterpret_cast<const OrtKernelInfo *>(&info), &kernel));
  return kernel;
}

struct Work {
  Value *x, *dy, *y, *own, *dx;
};
static const int THREADS = 2;
static std::vector<Value *> known;  // null, W and the factors
static void *layer, *gradient;

static std::vector<Value *> with(Value *x, std::initializer_list<Value *> more) {
  std::vector<Value *> all = known;
  all[0] = x;
  all.insert(all.end(), more);
  return all;
}

static void run(void *kernel, OrtStatus *(*compute)(void *, OrtKernelContext *), const Context &context) {
  must(compute(kernel, reinterpret_cast<OrtKernelContext *>(const_cast<Context *>(&context))));
}

// Waits until all threads are here, out of ThreadSanitizer's sight: what they do next is in no order, for all that it sees, on any machine.
static int arrived[3];
__attribute__((no_sanitize("thread"))) static void meet(int place) {
  __atomic_add_fetch(&arrived[place], 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(&arrived[place], __ATOMIC_ACQUIRE) < THREADS) sched_yield();
}

static void work(const Work &one) {
  // what is computed of the factors is known when it is made
  void *own = made(LAYER, known);
  meet(0);
  run(layer, compute, {with(one.x, {}), {one.y}});
  meet(1);
  run(own, compute, {with(one.x, {}), {one.own}});
  meet(2);
  run(gradient, compute_gradient, {with(one.x, {one.dy}), {one.dx}});
  destroy(own);
}

// Does something in several threads, which nothing keeps in an order.
template <class Act>
static void together(const Act &act) {
  std::vector<std::thread> threads;
  for (int t = 0; t < THREADS; t++) threads.emplace_back(act, t);
  for (std::thread &thread : threads) thread.join();
}

int main() {
  fill_api();
  known = {nullptr, value<Element>({IN, OUT}, 1)};
  for (const auto &extents : std::vector<std::vector<int64_t>>FACTORS) known.push_back(value<float>(extents, 1 + known.size()));
  std::vector<Work> all;
  for (int t = 0; t < THREADS; t++) {
    const auto matrix = [&](int64_t cols, unsigned seed) { return value<Element>({5 + t, cols}, seed + 10 * t); };
    all.push_back({matrix(IN, 100), matrix(OUT, 101), matrix(OUT, 102), matrix(OUT, 103), matrix(IN, 104)});
  }
  together([](int) { named(LAYER); });
  layer = made(LAYER, {});
  gradient = made(GRADIENT, {});
  together([&](int t) { work(all[t]); });
  int differ = 0;
  for (const Work &one : all) {
    std::vector<std::vector<char>> before;
    const auto bytes = [](const Value *of) {
      const char *from = static_cast<const char *>(of->data);
      return std::vector<char>(from, from + of->extents[0] * of->extents[1] * sizeof(Element));
    };
    const std::initializer_list<Value *> results = {one.y, one.own, one.dx};
    for (const Value *of : results) before.push_back(bytes(of));
    work(one);
    size_t n = 0;
    for (const Value *of : results) differ += bytes(of) != before[n++];
  }
  std::printf("%d of %zu results differ\n", differ, 3 * all.size());
  return 0;
}
