// Operators for ONNX Runtime over the kernels of this folder. Written by lotrc.
#include "ort_abi.h"

#if EMIT_F16
#include <cuda_fp16.h>
#endif
#if EMIT_BF16
#include <cuda_bf16.h>
#endif
#if EMIT_LIBRARY
#include <cublasLt.h>
#endif
#include <cuda_runtime.h>
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
#include <cuda.h>
#endif
#endif

#include <algorithm>
#if EMIT_LIBRARY
#include <array>
#endif
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#if EMIT_LIBRARY
#include <tuple>
#include <utility>
#endif
#include <vector>

// LOTRC_ORT_CPU: for a build whose kernels run on the CPU
#ifdef LOTRC_ORT_CPU
static const char PROVIDER[] = "CPUExecutionProvider";
#else
static const char PROVIDER[] = "CUDAExecutionProvider";
#endif

#define ORT_TRY(call) do { OrtStatus *status = (call); if (status) return status; } while (false)

// x, W, b and y; factors are float32
#if EMIT_F32
typedef float Element;
static const int ELEMENT = LOTRC_ORT_FLOAT;
#endif
#if EMIT_F16
typedef __half Element;
static const int ELEMENT = LOTRC_ORT_FLOAT16;
#endif
#if EMIT_BF16
typedef __nv_bfloat16 Element;
static const int ELEMENT = LOTRC_ORT_BFLOAT16;
#endif

#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
static const bool HALF = ELEMENT == LOTRC_ORT_FLOAT16;
#endif
#endif

#insert queue

// Maps that the calls of one layer make, one after another: of the matrices of the last call, which the next one may have again.
struct Maps {
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
  std::mutex turn;  // sessions run in several threads
#insert most_maps
#endif
#endif
};

struct Kind;
// what is computed of the factors alone, into `room`; then a layer, with `tokens` for two matrices of the rows by the rank
#define PREPARE_PARAMETERS const Queue *queue, const float *const *factors, float *room
#define RUN_PARAMETERS const Queue *queue, [[maybe_unused]] Maps &maps, [[maybe_unused]] const Kind &kind, unsigned M, const Element *x, const Element *w, \
                       [[maybe_unused]] const float *const *factors, const Element *bias, [[maybe_unused]] float *room, Element *tokens, \
                       Element *y
#define GRADIENT_PARAMETERS const Queue *queue, [[maybe_unused]] Maps &maps, [[maybe_unused]] const Kind &kind, unsigned M, const Element *x, const Element *w, \
                            const float *const *factors, const Element *dy, float *room, Element *dx, float *const *dfactors, \
                            Element *dbias

// a kind of layer that there are kernels for: W is (in, out), or (out, in) where transposed
struct Kind {
  const char *stem;
  int64_t in, out, rank;
  bool transposed;
  float scale;
  std::vector<std::vector<int64_t>> factors;  // extents of each
  size_t room;                                 // float32 that are computed of the factors
  cudaError_t (*prepare)(PREPARE_PARAMETERS);  // null: nothing is
  cudaError_t (*run)(RUN_PARAMETERS);
  size_t gradient_room;
  cudaError_t (*gradient)(GRADIENT_PARAMETERS);
};

struct Operator {
  OrtCustomOp table;  // first: ONNX Runtime hands it back
  const char *name, *stem;
  size_t factors;
  bool gemm, bias;
};

static OrtCustomOp table();

// a number that kernels read as a column of ones
#if EMIT_F32
[[maybe_unused]] static const float ONE = 1;
#endif
#if EMIT_F16
[[maybe_unused]] static const uint16_t ONE = 0x3c00;
#endif
#if EMIT_BF16
[[maybe_unused]] static const uint16_t ONE = 0x3f80;
#endif

// Numbers of a matrix with a row for each token, with room so that what follows begins at 16 bytes too.
static size_t spaced(uint64_t rows, uint64_t cols) { return (rows * cols + 7) / 8 * 8; }

static unsigned tiles(unsigned rows, unsigned per) { return (rows + per - 1) / per; }

#if EMIT_LIBRARY
#insert product_types

#insert blas

// cuBLASLt on one device, and the algorithms that it chose. They stay as long as the process.
struct Blas {
  bool open = false;
  Library library;
  std::map<std::array<uint64_t, 6>, std::pair<cublasLtMatmulAlgo_t, size_t>> chosen;
};

// the algorithm for a product of this shape
static cudaError_t choose_once(Blas *blas, const char *name, const std::array<uint64_t, 6> &shape, Product *p) {
  const auto found = blas->chosen.find(shape);
  if (found != blas->chosen.end()) {
    std::tie(p->algorithm, p->workspace_bytes) = found->second;
    return cudaSuccess;
  }
  LOTRC_TRY(choose(blas->library, name, p));
  // a program may run batches of any number of rows
  if (blas->chosen.size() >= 1024) blas->chosen.clear();
  blas->chosen[shape] = {p->algorithm, p->workspace_bytes};
  return cudaSuccess;
}

// out (+)= in weight + bias, of matrices without gaps; `bias` may be null. Threads take turns.
static cudaError_t product(const Queue *queue, const char *name, uint64_t rows, uint64_t inner, uint64_t cols, bool transposed,
                           const void *in, const void *weight, const void *bias, void *out, bool adds) {
  static std::mutex turn;
  static std::map<int, Blas> known;
  int device = 0;
  LOTRC_TRY(cudaGetDevice(&device));
  const std::lock_guard<std::mutex> locked(turn);
  Blas &blas = known[device];
  if (!blas.open) {
    const cudaError_t error = open_library(&blas.library);
    if (error != cudaSuccess) {
      close_library(blas.library);
      blas.library = {};
      return error;
    }
    blas.open = true;
  }
  const int64_t width = static_cast<int64_t>(cols), depth = static_cast<int64_t>(inner);
  const Shape shape = {rows, inner, cols, depth, transposed ? depth : width, width, transposed};
  Product p;
  void *workspace = nullptr;
  cudaError_t error = describe(name, shape, bias, &p);
  if (error == cudaSuccess) error = choose_once(&blas, name, {rows, inner, cols, transposed, adds, bias != nullptr}, &p);
  if (error == cudaSuccess && p.workspace_bytes > 0) error = cudaMallocAsync(&workspace, p.workspace_bytes, queue->stream);
  if (error == cudaSuccess)
    error = multiply(blas.library, name, p, in, weight, out, adds, workspace, p.workspace_bytes, queue->stream);
  if (workspace) {
    const cudaError_t freed = cudaFreeAsync(workspace, queue->stream);
    if (error == cudaSuccess) error = freed;
  }
  forget(p);
  return error;
}

#endif
#insert prototypes

#insert tables

// what is asked of a device, and allowed on it, before the first launch
static cudaError_t open_device([[maybe_unused]] Queue *queue) {
#insert large
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
  LOTRC_TRY(find_warpgroups(queue));
  if (!queue->warpgroups) return cudaSuccess;
#insert rings
#endif
#endif
  return cudaSuccess;
}

// Launches into a stream of the current device, which is opened when it is first used.
static cudaError_t queue_of(cudaStream_t stream, Queue *queue) {
  static std::mutex turn;
  static std::map<int, Queue> known;
  int device = 0;
  LOTRC_TRY(cudaGetDevice(&device));
  const std::lock_guard<std::mutex> locked(turn);
  auto found = known.find(device);
  if (found == known.end()) {
    Queue opened;
    LOTRC_TRY(open_device(&opened));
    found = known.emplace(device, opened).first;
  }
  *queue = found->second;
  queue->stream = stream;
  return cudaSuccess;
}

struct Tensor {
  const void *data;
  std::vector<int64_t> extents;

  template <class T>
  const T *as() const { return static_cast<const T *>(data); }
};

struct Layer {
  Ort ort;
  const Operator *op;
  float scale;
  bool transposed;
  // where W and the factors are constants of the model: its kind, and what was computed of the factors when the layer was made
  const Kind *kind = nullptr;
  void *prepared = nullptr;
  Maps maps{};
};

// The device that has some memory is the current one for as long as this lives; not `found`: the memory is the host's.
class DeviceOf {
 public:
  explicit DeviceOf(const void *memory) {
    cudaPointerAttributes where;
    if (cudaPointerGetAttributes(&where, memory) != cudaSuccess || cudaGetDevice(&before) != cudaSuccess) return;
    found = (where.type == cudaMemoryTypeDevice || where.type == cudaMemoryTypeManaged) && cudaSetDevice(where.device) == cudaSuccess;
  }
  DeviceOf(const DeviceOf &) = delete;
  DeviceOf &operator=(const DeviceOf &) = delete;
  ~DeviceOf() {
    if (found) cudaSetDevice(before);
  }
  bool found = false;

 private:
  int before = 0;
};

static OrtStatus *tensor_of(const Ort &ort, const OrtValue *value, Tensor *found) {
  OrtTensorTypeAndShapeInfo *info;
  ORT_TRY(ort.shape_of(value, &info));
  size_t rank;
  OrtStatus *status = ort.rank(info, &rank);
  if (!status) {
    found->extents.resize(rank);
    status = ort.extents(info, found->extents.data(), rank);
  }
  ort.release(info);
  if (status) return status;
  void *data;
  ORT_TRY(ort.data(const_cast<OrtValue *>(value), &data));
  found->data = data;
  return nullptr;
}

static OrtStatus *tensor(const Ort &ort, const OrtKernelContext *context, size_t index, Tensor *found) {
  const OrtValue *value;
  ORT_TRY(ort.input(context, index, &value));
  return tensor_of(ort, value, found);
}

// Kernels load 16 bytes at a time. ONNX Runtime's own memory begins at larger multiples; a program may bind a view that does not.
static OrtStatus *aligned(const Ort &ort, const std::string &op, const std::string &what, const void *data) {
  if (reinterpret_cast<uintptr_t>(data) % 16 == 0) return nullptr;
  return ort.fail(LOTRC_ORT_INVALID_ARGUMENT, "lotrc::" + op + ": " + what + " does not begin at a multiple of 16 bytes: bind a copy of it");
}

static std::string text(const std::vector<int64_t> &extents) {
  std::string all;
  for (const int64_t extent : extents) all += (all.empty() ? "" : " x ") + std::to_string(extent);
  return all;
}

// of a layer with these inputs: x, W, the factors and others
static const Kind *find(const char *stem, bool transposed, float scale, const std::vector<Tensor> &in) {
  for (const Kind &one : KINDS) {
    const std::vector<int64_t> stored = one.transposed ? std::vector<int64_t>{one.out, one.in} : std::vector<int64_t>{one.in, one.out};
    bool fits = std::strcmp(one.stem, stem) == 0 && one.transposed == transposed && one.scale == scale && in[1].extents == stored &&
                in.size() >= 2 + one.factors.size();
    for (size_t i = 0; fits && i < one.factors.size(); i++) fits = in[2 + i].extents == one.factors[i];
    if (fits) return &one;
  }
  return nullptr;
}

static OrtStatus *unknown(const Ort &ort, const std::string &op, const std::vector<int64_t> &w, const std::vector<int64_t> &first, float scale) {
  return ort.fail(LOTRC_ORT_FAIL, "lotrc::" + op + ": there is no kernel for a weight of " + text(w) + ", a first factor of " + text(first) +
                                      " and the scale " + std::to_string(scale) + "; this library was written for another model");
}

#insert most_rows
// the kernels count elements with 32 bits, and a grid has 65,535 blocks along the rows
static OrtStatus *count(const Ort &ort, const std::string &op, const Kind &kind, const std::vector<int64_t> &x, int64_t *rows) {
  *rows = 1;
  for (size_t i = 0; i + 1 < x.size(); i++) *rows *= x[i];
  if (*rows <= MOST_ROWS && *rows * (kind.in > kind.out ? kind.in : kind.out) <= 0xffffffffLL) return nullptr;
  return ort.fail(LOTRC_ORT_INVALID_ARGUMENT, "lotrc::" + op + ": " + std::to_string(*rows) + " rows are too many at once");
}

static OrtStatus *failure(const Ort &ort, const std::string &op, cudaError_t error) {
  if (error == cudaSuccess) return nullptr;
#if EMIT_LIBRARY
  if (refusal.status != CUBLAS_STATUS_SUCCESS) {
    const cublasStatus_t refused = std::exchange(refusal.status, CUBLAS_STATUS_SUCCESS);
    return ort.fail(LOTRC_ORT_FAIL, "lotrc::" + op + ": " + refusal.call + ": " + cublasLtGetStatusName(refused));
  }
#endif
  return ort.fail(LOTRC_ORT_FAIL, "lotrc::" + op + ": " + cudaGetErrorString(error));
}

static OrtStatus *queue_in(const Ort &ort, const std::string &op, [[maybe_unused]] const OrtKernelContext *context, Queue *queue) {
  void *stream = nullptr;
#ifndef LOTRC_ORT_CPU
  ORT_TRY(ort.stream(context, &stream));
#endif
  return failure(ort, op, queue_of(static_cast<cudaStream_t>(stream), queue));
}

static std::vector<const float *> factors_in(const std::vector<Tensor> &in, size_t count) {
  std::vector<const float *> factors(count);
  for (size_t i = 0; i < count; i++) factors[i] = in[2 + i].as<float>();
  return factors;
}

static OrtStatus *status_of(const Layer &layer, cudaError_t error) { return failure(layer.ort, layer.op->name, error); }

static cudaError_t prepare(Layer *layer, const std::vector<const float *> &factors) {
  Queue queue;
  LOTRC_TRY(queue_of(nullptr, &queue));
  LOTRC_TRY(cudaMalloc(&layer->prepared, layer->kind->room * sizeof(float)));
  LOTRC_TRY(layer->kind->prepare(&queue, factors.data(), static_cast<float *>(layer->prepared)));
  return cudaStreamSynchronize(nullptr);
}

// Constants lie on the device before layers are made. A layer that there is no kernel for is refused when it runs.
static OrtStatus *prepare_once(Layer *layer, const OrtKernelInfo *info) {
  std::vector<Tensor> in(2 + layer->op->factors);
  for (size_t i = 1; i < in.size(); i++) {
    const OrtValue *value = nullptr;
    int constant = 0;
    ORT_TRY(layer->ort.constant(info, i, &constant, &value));
    if (!constant) return nullptr;
    ORT_TRY(tensor_of(layer->ort, value, &in[i]));
  }
  const Kind *kind = find(layer->op->stem, layer->transposed, layer->scale, in);
  if (!kind || !kind->prepare) return nullptr;
  const DeviceOf device(in[2].data);
  if (!device.found) return nullptr;
  layer->kind = kind;
  return status_of(*layer, prepare(layer, factors_in(in, layer->op->factors)));
}

#if EMIT_WARPGROUPS
#ifndef LOTRC_SM90A
// Says once that the device has warpgroups, and this library no kernels for them.
static OrtStatus *say_what_is_left_out(const Ort &ort, const OrtKernelInfo *info) {
  static std::once_flag said;
  OrtStatus *status = nullptr;
  int device = 0, major = 0;
  const bool known = cudaGetDevice(&device) == cudaSuccess &&
                     cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess;
  if (!known || major != 9) return nullptr;
  std::call_once(said, [&] {
    status = ort.warn(info, "lotrc: this library was built without the kernels for warpgroups, which this device has. "
                            "Set CMAKE_CUDA_ARCHITECTURES=90a to build them");
  });
  return status;
}

#endif
#endif
static void destroy(void *kernel) {
  Layer *layer = static_cast<Layer *>(kernel);
  cudaFree(layer->prepared);
  delete layer;
}

static OrtStatus *create(const OrtCustomOp *table, const OrtApi *api, const OrtKernelInfo *info, void **kernel) {
  const Ort ort{api};
  const Operator *op = reinterpret_cast<const Operator *>(table);
  float scale, alpha = 1, beta = 1;
  int64_t trans_a = 0, trans_b = 0;
  ORT_TRY(ort.attribute(info, "scale", &scale));
  if (op->gemm) {
    // an omitted attribute has the default of Gemm
    for (OrtStatus *absent : {ort.attribute(info, "alpha", &alpha), ort.attribute(info, "beta", &beta),
                              ort.attribute(info, "transA", &trans_a), ort.attribute(info, "transB", &trans_b)})
      if (absent) ort.release(absent);
    if (alpha != 1 || (op->bias && beta != 1) || trans_a != 0)
      return ort.fail(LOTRC_ORT_FAIL, std::string("lotrc::") + op->name + " has no kernel for alpha or beta other than 1, or transA");
  }
#if EMIT_WARPGROUPS
#ifndef LOTRC_SM90A
  ORT_TRY(say_what_is_left_out(ort, info));
#endif
#endif
  Layer *layer = new Layer{ort, op, scale, trans_b != 0};
  OrtStatus *status = prepare_once(layer, info);
  if (status) destroy(layer);
  else *kernel = layer;
  return status;
}

static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
  Layer &layer = *static_cast<Layer *>(kernel);
  const Ort &ort = layer.ort;
  const size_t factors = layer.op->factors;
  std::vector<Tensor> in(2 + factors + (layer.op->bias ? 1 : 0));
  for (size_t i = 0; i < in.size(); i++) {
    ORT_TRY(tensor(ort, context, i, &in[i]));
    ORT_TRY(aligned(ort, layer.op->name, "input " + std::to_string(i), in[i].data));
  }
  const std::vector<int64_t> &x = in[0].extents;

  const Kind *kind = layer.kind ? layer.kind : find(layer.op->stem, layer.transposed, layer.scale, in);
  if (!kind) return unknown(ort, layer.op->name, in[1].extents, in[2].extents, layer.scale);
  const std::vector<int64_t> row = {kind->out};
  const bool fits = !x.empty() && x.back() == kind->in && (!layer.op->bias || in.back().extents == row);
  if (!fits) return ort.fail(LOTRC_ORT_INVALID_ARGUMENT, std::string("lotrc::") + layer.op->name + ": the shapes of its inputs do not fit each other");

  int64_t rows;
  ORT_TRY(count(ort, layer.op->name, *kind, x, &rows));
  std::vector<int64_t> y = x;
  y.back() = kind->out;
  OrtValue *result;
  void *data;
  ORT_TRY(ort.output(context, 0, y.data(), y.size(), &result));
  ORT_TRY(ort.data(result, &data));
  ORT_TRY(aligned(ort, layer.op->name, "its output", data));
  if (rows == 0) return nullptr;

  Queue queue;
  ORT_TRY(queue_in(ort, layer.op->name, context, &queue));
  const std::vector<const float *> matrices = factors_in(in, factors);
  const size_t room = layer.prepared ? 0 : kind->room;
  void *memory;
  cudaError_t error = cudaMallocAsync(&memory, room * sizeof(float) + 2 * spaced(rows, kind->rank) * sizeof(Element), queue.stream);
  if (error != cudaSuccess) return status_of(layer, error);
  float *const scratch = static_cast<float *>(memory);
  if (!layer.prepared && kind->prepare) error = kind->prepare(&queue, matrices.data(), scratch);
  if (error == cudaSuccess)
    error = kind->run(&queue, layer.maps, *kind, static_cast<unsigned>(rows), in[0].as<Element>(), in[1].as<Element>(), matrices.data(),
                      layer.op->bias ? in.back().as<Element>() : nullptr, layer.prepared ? static_cast<float *>(layer.prepared) : scratch,
                      reinterpret_cast<Element *>(scratch + room), static_cast<Element *>(data));
  const cudaError_t freed = cudaFreeAsync(memory, queue.stream);
  return status_of(layer, error == cudaSuccess ? freed : error);
}

static OrtCustomOp table() {
  OrtCustomOp t = {};
  t.version = LOTRC_ORT_VERSION;
  t.GetName = [](const OrtCustomOp *op) { return reinterpret_cast<const Operator *>(op)->name; };
  t.GetExecutionProviderType = [](const OrtCustomOp *) { return PROVIDER; };
  t.GetInputType = [](const OrtCustomOp *table, size_t index) -> int {
    const bool factor = index >= 2 && index < 2 + reinterpret_cast<const Operator *>(table)->factors;
    return factor ? LOTRC_ORT_FLOAT : ELEMENT;
  };
  t.GetInputTypeCount = [](const OrtCustomOp *table) {
    const Operator *op = reinterpret_cast<const Operator *>(table);
    return 2 + op->factors + (op->bias ? 1 : 0);
  };
  t.GetOutputType = [](const OrtCustomOp *, size_t) -> int { return ELEMENT; };
  t.GetOutputTypeCount = [](const OrtCustomOp *) -> size_t { return 1; };
  t.KernelDestroy = destroy;
  t.GetInputCharacteristic = [](const OrtCustomOp *, size_t) -> int { return LOTRC_ORT_REQUIRED; };
  t.GetOutputCharacteristic = [](const OrtCustomOp *, size_t) -> int { return LOTRC_ORT_REQUIRED; };
  t.GetInputMemoryType = [](const OrtCustomOp *, size_t) -> int { return 0; };
  t.GetVariadicInputMinArity = [](const OrtCustomOp *) { return 1; };
  t.GetVariadicInputHomogeneity = [](const OrtCustomOp *) { return 1; };
  t.GetVariadicOutputMinArity = [](const OrtCustomOp *) { return 1; };
  t.GetVariadicOutputHomogeneity = [](const OrtCustomOp *) { return 1; };
  t.CreateKernelV2 = create;
  t.KernelComputeV2 = compute;
  t.GetStartVersion = [](const OrtCustomOp *) { return 1; };
  t.GetEndVersion = [](const OrtCustomOp *) { return 0x7fffffff; };
  return t;
}

#if EMIT_TRAINING
#insert gradients
#else
static OrtStatus *add_gradients(const Ort &, OrtCustomOpDomain *) { return nullptr; }
#endif

#ifdef _WIN32
#define LOTRC_EXPORT extern "C" __declspec(dllexport)
#else
#define LOTRC_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// what session options call when the library is registered with them
LOTRC_EXPORT OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  const Ort ort{base->GetApi(LOTRC_ORT_VERSION)};
  // a table lives as long as the library, and so do sessions' domains; threads may make sessions at the same time
  static std::mutex turn;
  static OrtCustomOpDomain *domain = nullptr;
  const std::lock_guard<std::mutex> locked(turn);
  if (!domain) {
    OrtCustomOpDomain *made;
    ORT_TRY(ort.create_domain("lotrc", &made));
    for (const Operator &op : OPERATORS) ORT_TRY(ort.add_op(made, &op.table));
    ORT_TRY(add_gradients(ort, made));
    domain = made;
  }
  return ort.add_domain(options, domain);
}
