// The library over the kernels of this folder; see adapters.h.
#include "adapters.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <new>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

extern "C" __global__ void down_0(const float* __restrict__ x, const float* __restrict__ A, float* __restrict__ P, unsigned M);
extern "C" __global__ void layer_0(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ P, const float* __restrict__ B, float* __restrict__ y, unsigned M);
extern "C" __global__ void drank_0(const float* __restrict__ dy, const float* __restrict__ B, float* __restrict__ dP, unsigned M);
extern "C" __global__ void sum_0(const float* __restrict__ P, const float* __restrict__ dy, float* __restrict__ dB, unsigned M);
extern "C" __global__ void dfirst_0(const float* __restrict__ x, const float* __restrict__ dP, float* __restrict__ dA, unsigned M);
extern "C" __global__ void dx_0(const float* __restrict__ dy, const float* __restrict__ W, const float* __restrict__ dP, const float* __restrict__ A, float* __restrict__ dx, unsigned M);
extern "C" __global__ void step_B_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2);
extern "C" __global__ void step_A_0_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2);

struct BufferRow {
  const char *name;
  lotrc_type type;
  size_t elements;  // for each `per` tokens, or in all where that is 0
  uint32_t per;
  bool later;       // allocated when it is first used: the caller may have memory for it
};

// place of a tensor of the model: rows x cols from element `offset` on, `stride` elements from row to row
struct Place {
  const char *tensor;
  bool factor;  // of an adapter
  int buffer;
  size_t offset, rows, cols, stride;
};

// buffers of a region: numbers; -1: none
struct RegionRow {
  int x, first, layers;  // those of y and dy are `layers` rows of OUTPUTS from `first` on
  int kept, dx;          // what its backward pass reads of its forward pass, and the gradient of its x
  bool adds;             // to the dx of another region
};

struct OutputRow {
  int y;
  int dy;
};

static constexpr int BUFFER_COUNT = 11;
static constexpr uint32_t REGION_COUNT = 1;

static const BufferRow BUFFERS[BUFFER_COUNT] = {
    {"P_0", LOTRC_FLOAT32, 3, 1, true},
    {"x_0", LOTRC_FLOAT32, 17, 1, true},
    {"A_0_0", LOTRC_FLOAT32, 51, 0, false},
    {"W_0", LOTRC_FLOAT32, 187, 0, true},
    {"B_0", LOTRC_FLOAT32, 33, 0, false},
    {"y_0", LOTRC_FLOAT32, 11, 1, true},
    {"dP_0", LOTRC_FLOAT32, 3, 1, false},
    {"dy_0", LOTRC_FLOAT32, 11, 1, true},
    {"dB_0", LOTRC_FLOAT32, 33, 0, false},
    {"dA_0_0", LOTRC_FLOAT32, 51, 0, false},
    {"dx_0", LOTRC_FLOAT32, 17, 1, true},
};

static const Place PLACES[] = {
    {"o.weight", false, 3, 0, 11, 17, 17},
    {"lora/o/A", true, 2, 0, 17, 3, 3},
    {"lora/o/B", true, 4, 0, 3, 11, 11},
};

static const OutputRow OUTPUTS[] = {
    {5, 7},
};

static const RegionRow REGIONS[REGION_COUNT] = {
    {1, 0, 1, 0, 10, false},
};

static constexpr int TRAINED_COUNT = 2;
static constexpr int SLOT_COUNT = 2;
// buffers of the factors that are trained; each has a tensor of its shape for every slot of the optimizer
static const int TRAINED[TRAINED_COUNT] = {4, 2};
static const char *const SLOTS[SLOT_COUNT + 1] = {"m", "v", nullptr};
// what a state is of: another one is refused
static const char *const STATE_OF[][2] = {
    {"optimizer", "adamw"},
    {"method", "[[\"ir,ro->io\"]]"},
    {"rank", "[[[3]]]"},
    {"scale", "[[1,\"rank\"]]"},
    {"seed", "[[0]]"},
};

#define LOTRC_TRY(call) do { const cudaError_t error = (call); if (error != cudaSuccess) return error; } while (false)

// a stream, and what its device can do
struct Queue {
  cudaStream_t stream = nullptr;
};

static cudaLaunchConfig_t config_of(size_t bytes, const Queue *queue, dim3 grid, unsigned threads) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads, 1, 1);
  config.dynamicSmemBytes = bytes;
  config.stream = queue->stream;
  return config;
}

// `bytes`: of shared memory in addition to what the kernel declares
template <class... Parameters, class... Arguments>
static cudaError_t launch_with(size_t bytes, const Queue *queue, void (*kernel)(Parameters...), dim3 grid,
                               unsigned threads, Arguments... arguments) {
  const cudaLaunchConfig_t config = config_of(bytes, queue, grid, threads);
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

template <class... Parameters, class... Arguments>
static cudaError_t launch(const Queue *queue, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  return launch_with(0, queue, kernel, grid, threads, arguments...);
}

struct lotrc_adapters : Queue {
  uint32_t tokens = 0;              // most rows of a call
  uint32_t rows = 0;                // those of this call
  int device = 0;                   // where everything is
  void *buffer[BUFFER_COUNT] = {};  // what launches use
  void *own[BUFFER_COUNT] = {};     // memory of the library
  bool ready = false;               // all weights have memory
  float *moment[SLOT_COUNT * TRAINED_COUNT + 1] = {};  // those of a factor side by side
  uint64_t steps = 0;               // of the optimizer
  bool merged = false;              // the weights hold the adapter
  bool stale = true;                // what depends on the factors alone has to be computed again
  unsigned long long graph = 0;     // the one that computes it since the last time; 0: it was computed at once
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that a region has written in this pass
  bool any_order = false;           // regions run backward in any order
  std::string message;
};

// of lotrc_create, for the thread that called it
static thread_local std::string create_message;

static lotrc_status fail(lotrc_adapters *a, lotrc_status status, std::string why) {
  (a ? a->message : create_message) = std::move(why);
  return status;
}

static lotrc_status cuda(lotrc_adapters *a, cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return LOTRC_OK;
  const lotrc_status status = error == cudaErrorMemoryAllocation ? LOTRC_NO_MEMORY : LOTRC_CUDA;
  return fail(a, status, std::string(doing) + ": " + cudaGetErrorString(error));
}

static size_t elements_of(const lotrc_adapters *a, int buffer) {
  const uint32_t per = BUFFERS[buffer].per;
  return BUFFERS[buffer].elements * (per == 0 ? 1 : (a->tokens + per - 1) / per);
}

static size_t element_bytes(int buffer) { return BUFFERS[buffer].type == LOTRC_FLOAT32 || BUFFERS[buffer].type == LOTRC_UINT32 ? 4 : 2; }

static size_t bytes_of(const lotrc_adapters *a, int buffer) { return elements_of(a, buffer) * element_bytes(buffer); }

static uint16_t rounded(lotrc_type type, float number) {
  uint16_t bits;
  const __half half = __float2half_rn(number);
  const __nv_bfloat16 brain = __float2bfloat16_rn(number);
  std::memcpy(&bits, type == LOTRC_FLOAT16 ? static_cast<const void *>(&half) : &brain, 2);
  return bits;
}

static float widened(lotrc_type type, uint16_t bits) {
  __half half;
  __nv_bfloat16 brain;
  std::memcpy(static_cast<void *>(&half), &bits, 2);
  std::memcpy(static_cast<void *>(&brain), &bits, 2);
  return type == LOTRC_FLOAT16 ? __half2float(half) : __bfloat162float(brain);
}

// numbers of the host as a buffer holds them; `room` keeps them when they are rounded
static const void *as_stored(int buffer, const float *data, size_t count, std::vector<uint16_t> &room) {
  const lotrc_type type = BUFFERS[buffer].type;
  if (type == LOTRC_FLOAT32) return data;
  room.resize(count);
  for (size_t i = 0; i < count; i++) room[i] = rounded(type, data[i]);
  return room.data();
}

static int buffer_of(const char *name) {
  for (int i = 0; i < BUFFER_COUNT; i++)
    if (std::strcmp(BUFFERS[i].name, name) == 0) return i;
  return -1;
}

static unsigned tiles(const lotrc_adapters *a, unsigned per) { return (a->rows + per - 1) / per; }

// a place in a buffer
[[maybe_unused]] static void *within(const lotrc_adapters *a, int buffer, size_t first) {
  return static_cast<char *>(a->buffer[buffer]) + first * element_bytes(buffer);
}

// The library's device is the current one for as long as a call takes.
class OnDevice {
 public:
  explicit OnDevice(const lotrc_adapters *a) {
    if (!a || cudaGetDevice(&before) != cudaSuccess || before == a->device) return;
    changed = cudaSetDevice(a->device) == cudaSuccess;
  }
  OnDevice(const OnDevice &) = delete;
  OnDevice &operator=(const OnDevice &) = delete;
  ~OnDevice() {
    if (changed) static_cast<void>(cudaSetDevice(before));
  }

 private:
  int before = 0;
  bool changed = false;
};

// gives a buffer memory unless it has some
static cudaError_t present(lotrc_adapters *a, int buffer) {
  if (buffer < 0 || a->buffer[buffer]) return cudaSuccess;
  if (!a->own[buffer]) {
    LOTRC_TRY(cudaMalloc(&a->own[buffer], bytes_of(a, buffer)));
    LOTRC_TRY(cudaMemsetAsync(a->own[buffer], 0, bytes_of(a, buffer), a->stream));
  }
  a->buffer[buffer] = a->own[buffer];
  return cudaSuccess;
}

// memory for weights that nobody has set
static cudaError_t ready(lotrc_adapters *a) {
  if (a->ready) return cudaSuccess;
  for (const Place &place : PLACES) LOTRC_TRY(present(a, place.buffer));
  a->ready = true;
  return cudaSuccess;
}

static cudaError_t allocate(lotrc_adapters *a) {
  for (int i = 0; i < BUFFER_COUNT; i++)
    if (!BUFFERS[i].later) LOTRC_TRY(present(a, i));
  for (int i = 0; i < TRAINED_COUNT; i++)
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
      float *&memory = a->moment[SLOT_COUNT * i + slot];
      const size_t bytes = bytes_of(a, TRAINED[i]);
      LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&memory), bytes));
      LOTRC_TRY(cudaMemsetAsync(memory, 0, bytes, a->stream));
    }
  return cudaSuccess;
}

// what depends on the factors alone
static cudaError_t prologue([[maybe_unused]] lotrc_adapters *a) {
  return cudaSuccess;
}

static cudaError_t forward(lotrc_adapters *a, uint32_t region) {
  switch (region) {
    case 0:
      LOTRC_TRY(launch(a, down_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[1], a->buffer[2], a->buffer[0], a->rows));
      LOTRC_TRY(launch(a, layer_0, dim3(1, tiles(a, 32), 1), 128, a->buffer[1], a->buffer[3], a->buffer[0], a->buffer[4], a->buffer[5], a->rows));
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

static cudaError_t backward(lotrc_adapters *a, uint32_t region) {
  switch (region) {
    case 0:
      LOTRC_TRY(launch(a, drank_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[7], a->buffer[4], a->buffer[6], a->rows));
      LOTRC_TRY(launch(a, sum_0, dim3(1, 1, 1), 64, a->buffer[0], a->buffer[7], a->buffer[8], a->rows));
      LOTRC_TRY(launch(a, dfirst_0, dim3(1, 2, 1), 64, a->buffer[1], a->buffer[6], a->buffer[9], a->rows));
      LOTRC_TRY(launch(a, dx_0, dim3(1, tiles(a, 32), 1), 128, a->buffer[7], a->buffer[3], a->buffer[6], a->buffer[2], a->buffer[10], a->rows));
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

// finishes the gradients of the factors
static cudaError_t epilogue([[maybe_unused]] lotrc_adapters *a) {
  return cudaSuccess;
}

// sums over regions: zero before the first of a step
static cudaError_t clear([[maybe_unused]] lotrc_adapters *a) {
  LOTRC_TRY(cudaMemsetAsync(a->buffer[8], 0, bytes_of(a, 8), a->stream));
  LOTRC_TRY(cudaMemsetAsync(a->buffer[9], 0, bytes_of(a, 9), a->stream));
  return cudaSuccess;
}

// one step of every factor
static cudaError_t update(lotrc_adapters *a, const lotrc_adamw &n, float correction1, float correction2) {
  LOTRC_TRY(launch(a, step_B_0, dim3(1, 1, 1), 64, a->buffer[8], a->buffer[4], a->moment[0], a->moment[1], n.learning_rate, n.beta1, n.beta2, n.epsilon, n.weight_decay, correction1, correction2));
  LOTRC_TRY(launch(a, step_A_0_0, dim3(1, 1, 1), 64, a->buffer[9], a->buffer[2], a->moment[2], a->moment[3], n.learning_rate, n.beta1, n.beta2, n.epsilon, n.weight_decay, correction1, correction2));
  return cudaSuccess;
}


// The state of the optimizer as bytes: a safetensors file. Its header has an entry in each line, so that what differs between two of them is a line.

// a tensor of the state, laid out as the buffer of its factor
struct Moment {
  const Place *place;
  const char *slot;
  float *memory;
};

static std::vector<Moment> moments_of(const lotrc_adapters *a) {
  std::vector<Moment> all;
  for (const Place &place : PLACES)
    for (int i = 0; i < TRAINED_COUNT; i++)
      if (place.factor && TRAINED[i] == place.buffer)
        for (int slot = 0; slot < SLOT_COUNT; slot++) all.push_back({&place, SLOTS[slot], a->moment[SLOT_COUNT * i + slot]});
  return all;
}

static size_t bytes_of(const Moment &moment) { return moment.place->rows * moment.place->cols * sizeof(float); }

// a string of JSON
static std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 32) {
      const char *digits = "0123456789abcdef";
      out += std::string("\\u00") + digits[code / 16] + digits[code % 16];
      continue;
    }
    if (std::strchr("\"\\", c)) out += '\\';
    out += c;
  }
  return out + "\"";
}

static std::vector<std::string> state_lines(const std::vector<Moment> &moments, uint64_t steps) {
  std::vector<std::string> lines = {"{\"__metadata__\":{\"format\":\"lotrc.state 1\""};
  for (const auto &[name, value] : STATE_OF) lines.push_back(",\"lotrc." + std::string(name) + "\":" + quoted(value));
  lines.push_back(",\"lotrc.steps\":\"" + std::to_string(steps) + "\"}");
  size_t end = 0;
  for (const Moment &moment : moments) {
    const size_t begin = end;
    end += bytes_of(moment);
    lines.push_back("," + quoted(std::string(moment.place->tensor) + "/" + moment.slot) + ":{\"dtype\":\"F32\",\"shape\":[" +
                    std::to_string(moment.place->rows) + "," + std::to_string(moment.place->cols) + "],\"data_offsets\":[" +
                    std::to_string(begin) + "," + std::to_string(end) + "]}");
  }
  lines.push_back("}");
  return lines;
}

// What comes before the numbers: as long for any number of steps.
static std::string state_header(const std::vector<Moment> &moments, uint64_t steps) {
  std::string text;
  for (const std::string &line : state_lines(moments, steps)) text += (text.empty() ? "" : "\n") + line;
  const size_t most_digits = 20;
  const uint64_t length = (text.size() + most_digits - std::to_string(steps).size() + 7) / 8 * 8;
  text.resize(length, ' ');
  return std::string(reinterpret_cast<const char *>(&length), sizeof length) + text;
}

static size_t state_size(const std::vector<Moment> &moments) {
  size_t size = state_header(moments, 0).size();
  for (const Moment &moment : moments) size += bytes_of(moment);
  return size;
}

// Why a state is not one of this library; an empty text: it is, and has this number of steps.
static std::string refused_state(const std::vector<Moment> &moments, const char *state, size_t bytes, uint64_t *steps) {
  uint64_t length = 0;
  if (bytes >= sizeof length) std::memcpy(&length, state, sizeof length);
  if (length == 0 || length > bytes - sizeof length) return "this is not a state: its header is not whole";
  const std::string text(state + sizeof length, length), before = "\n,\"lotrc.steps\":\"";
  const size_t at = text.find(before);
  *steps = at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + before.size(), nullptr, 10);
  const std::string header = state_header(moments, *steps);
  if (bytes >= header.size() && std::memcmp(state, header.data(), header.size()) == 0) {
    const size_t wanted = state_size(moments);
    if (bytes == wanted) return "";
    return "the state has " + std::to_string(bytes) + " bytes, not " + std::to_string(wanted) + ": it is not whole";
  }
  const auto shown = [](const std::string &line) { return line.size() > 1 ? line.substr(line[0] == ',', 300) : std::string("nothing more"); };
  std::istringstream theirs(text);
  for (const std::string &line : state_lines(moments, *steps)) {
    std::string other;
    std::getline(theirs, other);
    other.erase(other.find_last_not_of(' ') + 1);
    if (other != line)
      return "the state is of another optimizer or adapter: it has " + shown(other) + ", and this library " + shown(line);
  }
  return "this is not a state: its header is not whole";
}

// The numbers of all moments, side by side on the host: from the device (`out`) or to it.
static cudaError_t copy_moments(const lotrc_adapters *a, const std::vector<Moment> &moments, char *host, bool out) {
  for (const Moment &moment : moments) {
    const Place &place = *moment.place;
    float *device = moment.memory + place.offset;
    const size_t row = place.cols * sizeof(float), stride = place.stride * sizeof(float);
    LOTRC_TRY(out ? cudaMemcpy2DAsync(host, row, device, stride, row, place.rows, cudaMemcpyDeviceToHost, a->stream)
                  : cudaMemcpy2DAsync(device, stride, host, row, row, place.rows, cudaMemcpyHostToDevice, a->stream));
    host += bytes_of(moment);
  }
  return cudaStreamSynchronize(a->stream);
}

extern "C" {

lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream) {
  if (!adapters) return fail(nullptr, LOTRC_BAD_ARGUMENT, "adapters is null");
  *adapters = nullptr;
  if (tokens < 1 || tokens > LOTRC_MAX_TOKENS)
    return fail(nullptr, LOTRC_BAD_ARGUMENT, "tokens is " + std::to_string(tokens) + ", not 1 to " + std::to_string(LOTRC_MAX_TOKENS));
  lotrc_adapters *a = new (std::nothrow) lotrc_adapters;
  if (!a) return fail(nullptr, LOTRC_NO_MEMORY, "the host has no memory left");
  a->tokens = a->rows = tokens;
  a->stream = static_cast<cudaStream_t>(stream);
  cudaError_t error = cudaGetDevice(&a->device);
  if (error == cudaSuccess) error = allocate(a);
  if (error != cudaSuccess) {
    const lotrc_status status = cuda(nullptr, error, "allocating buffers");
    lotrc_destroy(a);
    return status;
  }
  *adapters = a;
  return LOTRC_OK;
}

void lotrc_destroy(lotrc_adapters *a) {
  if (!a) return;
  const OnDevice on(a);
  static_cast<void>(cudaStreamSynchronize(a->stream));
  for (void *memory : a->own) static_cast<void>(cudaFree(memory));
  for (float *memory : a->moment) static_cast<void>(cudaFree(memory));
  delete a;
}

lotrc_status lotrc_set_stream(lotrc_adapters *a, void *stream) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stream = static_cast<cudaStream_t>(stream);
  return LOTRC_OK;
}

const char *lotrc_message(const lotrc_adapters *a) { return (a ? a->message : create_message).c_str(); }

static lotrc_status set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
  const OnDevice on(a);
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    if (count != place.rows * place.cols)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is " + std::to_string(place.rows) + " x " +
                                             std::to_string(place.cols) + ", not " + std::to_string(count) + " numbers");
  }
  if (!known) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
  a->stale = true;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    a->buffer[place.buffer] = a->own[place.buffer];  // no longer the caller's
    const cudaError_t missing = present(a, place.buffer);
    if (missing != cudaSuccess) return cuda(a, missing, "allocating a tensor");
    std::vector<uint16_t> room;
    const void *from = as_stored(place.buffer, data, count, room);
    const size_t bytes = element_bytes(place.buffer), row = place.cols * bytes;
    char *to = static_cast<char *>(a->buffer[place.buffer]) + place.offset * bytes;
    cudaError_t error = cudaMemcpy2DAsync(to, place.stride * bytes, from, row, row, place.rows, cudaMemcpyHostToDevice, a->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
  }
  return LOTRC_OK;
}

lotrc_status lotrc_set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
  return set(a, tensor, data, count);
}

static lotrc_status unaligned(lotrc_adapters *a, const char *what) {
  return fail(a, LOTRC_BAD_ARGUMENT, what + std::string(" is at an address that is not a multiple of ") + std::to_string(LOTRC_ALIGNMENT));
}

static bool aligned(const void *memory) { return reinterpret_cast<uintptr_t>(memory) % LOTRC_ALIGNMENT == 0; }

lotrc_status lotrc_bind(lotrc_adapters *a, const char *tensor, void *device) {
  const OnDevice on(a);
  if (!a || !tensor || !device) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  if (!aligned(device)) return unaligned(a, tensor);
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    // memory of the caller has the whole buffer in it
    if (!BUFFERS[place.buffer].later || place.rows * place.cols != BUFFERS[place.buffer].elements)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is not stored by itself here: use lotrc_set");
  }
  if (!known) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
  // launches that are queued may still read what was there before
  const cudaError_t error = cudaStreamSynchronize(a->stream);
  if (error != cudaSuccess) return cuda(a, error, "binding a tensor");
  a->stale = true;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    a->buffer[place.buffer] = device;
    static_cast<void>(cudaFree(std::exchange(a->own[place.buffer], nullptr)));
  }
  return LOTRC_OK;
}

lotrc_status lotrc_buffer(lotrc_adapters *a, const char *name, void **device, size_t *count, lotrc_type *type) {
  const OnDevice on(a);
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (device) {
    const cudaError_t error = present(a, buffer);
    if (error != cudaSuccess) return cuda(a, error, "allocating a buffer");
    *device = a->buffer[buffer];
  }
  if (count) *count = elements_of(a, buffer);
  if (type) *type = BUFFERS[buffer].type;
  return LOTRC_OK;
}

static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  const size_t wanted = elements_of(a, *buffer);
  if (count == wanted) return cuda(a, present(a, *buffer), "allocating a buffer");
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  const OnDevice on(a);
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  std::vector<uint16_t> room;
  const void *from = as_stored(buffer, data, count, room);
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer], from, bytes_of(a, buffer), cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  const OnDevice on(a);
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const lotrc_type type = BUFFERS[buffer].type;
  std::vector<uint16_t> room(type == LOTRC_FLOAT32 ? 0 : count);
  void *to = type == LOTRC_FLOAT32 ? static_cast<void *>(data) : room.data();
  cudaError_t error = cudaMemcpyAsync(to, a->buffer[buffer], bytes_of(a, buffer), cudaMemcpyDeviceToHost, a->stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
  if (error == cudaSuccess)
    for (size_t i = 0; i < room.size(); i++) data[i] = widened(type, room[i]);
  return cuda(a, error, "reading a buffer");
}

lotrc_status lotrc_get(lotrc_adapters *a, const char *tensor, float *data, size_t count) {
  const OnDevice on(a);
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  for (const Place &place : PLACES) {
    if (!place.factor || std::strcmp(place.tensor, tensor) != 0) continue;
    if (count != place.rows * place.cols)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is " + std::to_string(place.rows) + " x " +
                                             std::to_string(place.cols) + ", not " + std::to_string(count) + " numbers");
    // a factor is stored in one place, in float32 whatever the type of the layers
    const size_t row = place.cols * sizeof(float);
    cudaError_t error = present(a, place.buffer);
    const float *from = static_cast<const float *>(a->buffer[place.buffer]) + place.offset;
    if (error == cudaSuccess)
      error = cudaMemcpy2DAsync(data, row, from, place.stride * sizeof(float), row, place.rows, cudaMemcpyDeviceToHost, a->stream);
    return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "reading a factor");
  }
  return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no factor ") + tensor + " here");
}

lotrc_status lotrc_changed(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stale = true;
  return LOTRC_OK;
}

// The number of the graph that calls are captured in; 0: they run at once.
static cudaError_t graph_of(const lotrc_adapters *a, unsigned long long *graph) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  LOTRC_TRY(cudaStreamGetCaptureInfo(a->stream, &status, graph));
  if (status != cudaStreamCaptureStatusActive) *graph = 0;
  return cudaSuccess;
}

// Factors change between the runs of a graph: each graph computes what depends on them. What one was given has not run.
static cudaError_t refresh(lotrc_adapters *a) {
  unsigned long long graph = 0;
  LOTRC_TRY(graph_of(a, &graph));
  if (a->stale || graph != a->graph) {
    LOTRC_TRY(prologue(a));
    a->graph = graph;
  }
  a->stale = false;
  return cudaSuccess;
}

static lotrc_status region_of(lotrc_adapters *a, uint32_t region) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (region < REGION_COUNT) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "there is no region " + std::to_string(region) + ", only " + std::to_string(REGION_COUNT));
}

static cudaError_t forward_pass(lotrc_adapters *a, uint32_t region) {
  LOTRC_TRY(ready(a));
  LOTRC_TRY(present(a, REGIONS[region].kept));
  LOTRC_TRY(refresh(a));
  return forward(a, region);
}

lotrc_status lotrc_forward(lotrc_adapters *a, uint32_t region) {
  const OnDevice on(a);
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const RegionRow &row = REGIONS[region];
  cudaError_t error = present(a, row.x);
  for (int i = 0; i < row.layers && error == cudaSuccess; i++) error = present(a, OUTPUTS[row.first + i].y);
  return cuda(a, error == cudaSuccess ? forward_pass(a, region) : error, "forward");
}

// Memory of the caller in the place of the library's, for as long as a call takes.
class Lent {
 public:
  Lent(lotrc_adapters *adapters, uint32_t rows) : a(adapters) { a->rows = rows; }
  Lent(const Lent &) = delete;
  Lent &operator=(const Lent &) = delete;
  ~Lent() {
    a->rows = a->tokens;
    for (const Part &part : parts) a->buffer[part.buffer] = part.before;
  }

  // Launches write what they are told to write alone, and read nothing that is in its place.
  lotrc_status lend(int buffer, const void *memory, bool written = false) {
    if (!memory) return fail(a, LOTRC_BAD_ARGUMENT, std::string(BUFFERS[buffer].name) + " is null");
    if (!aligned(memory)) return unaligned(a, BUFFERS[buffer].name);
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory), end = first + BUFFERS[buffer].elements * a->rows * element_bytes(buffer);
    for (const Part &other : parts)
      if ((written || other.written) && first < other.end && other.first < end)
        return fail(a, LOTRC_BAD_ARGUMENT, std::string(BUFFERS[buffer].name) + " overlaps " + BUFFERS[other.buffer].name);
    parts.push_back({buffer, a->buffer[buffer], first, end, written});
    a->buffer[buffer] = const_cast<void *>(memory);
    return LOTRC_OK;
  }

 private:
  struct Part {
    int buffer;
    void *before;
    uintptr_t first, end;
    bool written;
  };
  lotrc_adapters *a;
  std::vector<Part> parts;
};

// a region and a number of rows that a call may have
static lotrc_status call_of(lotrc_adapters *a, uint32_t region, uint32_t rows) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  if (rows >= 1 && rows <= a->tokens) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "rows is " + std::to_string(rows) + ", not 1 to " + std::to_string(a->tokens));
}

lotrc_status lotrc_forward_at(lotrc_adapters *a, uint32_t region, uint32_t rows, const void *x, void *const *y, void *kept) {
  const OnDevice on(a);
  lotrc_status status = call_of(a, region, rows);
  if (status != LOTRC_OK) return status;
  if (!y) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const RegionRow &row = REGIONS[region];
  Lent lent(a, rows);
  status = lent.lend(row.x, x);
  for (int i = 0; i < row.layers && status == LOTRC_OK; i++) status = lent.lend(OUTPUTS[row.first + i].y, y[i], true);
  if (status == LOTRC_OK && kept && row.kept >= 0) status = lent.lend(row.kept, kept, true);
  return status == LOTRC_OK ? cuda(a, forward_pass(a, region), "forward") : status;
}


static cudaError_t clear_dx(lotrc_adapters *a, int dx) {
  return cudaMemsetAsync(a->buffer[dx], 0, BUFFERS[dx].elements * a->rows * element_bytes(dx), a->stream);
}

static cudaError_t backward_pass(lotrc_adapters *a, uint32_t region) {
  LOTRC_TRY(ready(a));
  LOTRC_TRY(present(a, REGIONS[region].kept));
  LOTRC_TRY(refresh(a));
  return backward(a, region);
}

lotrc_status lotrc_backward(lotrc_adapters *a, uint32_t region) {
  const OnDevice on(a);
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const RegionRow &row = REGIONS[region];
  cudaError_t error = present(a, row.x);
  for (int i = 0; i < row.layers && error == cudaSuccess; i++) error = present(a, OUTPUTS[row.first + i].dy);
  if (error == cudaSuccess) error = present(a, row.dx);
  if (row.adds && !a->begun[row.dx]) {
    if (!a->any_order)
      return fail(a, LOTRC_BAD_ORDER, "a region before " + std::to_string(region) + " reads the same x: its backward pass goes first");
    if (error == cudaSuccess) error = clear_dx(a, row.dx);
  }
  if (row.dx >= 0) a->begun[row.dx] = true;
  return cuda(a, error == cudaSuccess ? backward_pass(a, region) : error, "backward");
}

lotrc_status lotrc_backward_at(lotrc_adapters *a, uint32_t region, uint32_t rows, const void *x, const void *const *dy, void *dx, int adds,
                               const void *kept) {
  const OnDevice on(a);
  lotrc_status status = call_of(a, region, rows);
  if (status != LOTRC_OK) return status;
  if (!dy) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const RegionRow &row = REGIONS[region];
  if (adds && row.dx >= 0 && !row.adds)
    return fail(a, LOTRC_BAD_ARGUMENT, "region " + std::to_string(region) + " writes its dx: regions after it that read the same x add to it");
  Lent lent(a, rows);
  status = lent.lend(row.x, x);
  for (int i = 0; i < row.layers && status == LOTRC_OK; i++)
    if (OUTPUTS[row.first + i].dy >= 0) status = lent.lend(OUTPUTS[row.first + i].dy, dy[i]);
  if (status == LOTRC_OK && row.dx >= 0) status = lent.lend(row.dx, dx, true);
  if (status == LOTRC_OK && kept && row.kept >= 0) status = lent.lend(row.kept, kept);
  if (status != LOTRC_OK) return status;
  const cudaError_t error = row.adds && !adds ? clear_dx(a, row.dx) : cudaSuccess;
  return cuda(a, error == cudaSuccess ? backward_pass(a, region) : error, "backward");
}

lotrc_status lotrc_begin_inputs(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  a->any_order = true;
  return LOTRC_OK;
}

lotrc_status lotrc_gradients(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  return cuda(a, epilogue(a), "gradients");
}

lotrc_status lotrc_clear_gradients(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  a->any_order = false;
  return cuda(a, clear(a), "clearing gradients");
}

lotrc_status lotrc_graph(lotrc_adapters *a, uint64_t *number) {
  const OnDevice on(a);
  if (!a || !number) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  unsigned long long graph = 0;
  const lotrc_status status = cuda(a, graph_of(a, &graph), "looking for a graph");
  *number = graph;
  return status;
}

lotrc_status lotrc_step(lotrc_adapters *a, const lotrc_adamw *n) {
  if (!a || !n) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const bool valid = n->learning_rate >= 0 && n->epsilon > 0 && n->weight_decay >= 0 && n->beta1 >= 0 && n->beta1 < 1 &&
                     n->beta2 >= 0 && n->beta2 < 1;
  if (!valid || !std::isfinite(n->learning_rate + n->epsilon + n->weight_decay))
    return fail(a, LOTRC_BAD_ARGUMENT, "not the numbers of an AdamW step");
  const OnDevice on(a);
  // the launches of a step have its number in them
  unsigned long long graph = 0;
  cudaError_t error = graph_of(a, &graph);
  if (error == cudaSuccess && graph != 0) return fail(a, LOTRC_BAD_ORDER, "a graph would take the same step each time: steps are not captured");
  if (error == cudaSuccess) error = epilogue(a);
  if (error == cudaSuccess) {
    a->steps++;
    const double t = static_cast<double>(a->steps);
    error = update(a, *n, static_cast<float>(1 - std::pow(n->beta1, t)), static_cast<float>(1 - std::pow(n->beta2, t)));
    a->stale = true;
  }
  const lotrc_status status = cuda(a, error, "step");
  return status == LOTRC_OK ? lotrc_clear_gradients(a) : status;
}

lotrc_status lotrc_state_bytes(lotrc_adapters *a, size_t *bytes) {
  if (!a || !bytes) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *bytes = state_size(moments_of(a));
  return LOTRC_OK;
}

lotrc_status lotrc_get_state(lotrc_adapters *a, void *state, size_t bytes) {
  const OnDevice on(a);
  if (!a || !state) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const std::vector<Moment> moments = moments_of(a);
  const size_t wanted = state_size(moments);
  if (bytes != wanted)
    return fail(a, LOTRC_BAD_ARGUMENT, "the state has " + std::to_string(wanted) + " bytes, not " + std::to_string(bytes));
  const std::string header = state_header(moments, a->steps);
  std::memcpy(state, header.data(), header.size());
  return cuda(a, copy_moments(a, moments, static_cast<char *>(state) + header.size(), true), "reading the state");
}

lotrc_status lotrc_set_state(lotrc_adapters *a, const void *state, size_t bytes) {
  const OnDevice on(a);
  if (!a || !state) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const std::vector<Moment> moments = moments_of(a);
  const char *from = static_cast<const char *>(state);
  uint64_t steps = 0;
  const std::string wrong = refused_state(moments, from, bytes, &steps);
  if (!wrong.empty()) return fail(a, LOTRC_BAD_ARGUMENT, wrong);
  from += state_header(moments, steps).size();
  const cudaError_t error = copy_moments(a, moments, const_cast<char *>(from), false);  // which only reads there
  if (error == cudaSuccess) a->steps = steps;
  return cuda(a, error, "setting the state");
}

}  // extern "C"
