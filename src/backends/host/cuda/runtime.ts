import { BLAS_FAILED, BLAS_MEMBER, BLAS_ROW } from './blas-runtime.js';
import type { CudaHas } from './header.js';

/** The parts of an emitted CUDA library that are the same for every plan: functions over its tables. */

/** Types and helpers that open adapters.cu, before the tables. */
export const openingText = ({ library }: CudaHas): string => `
struct BufferRow {
  const char *name;
  lotrc_type type;
  size_t elements;  // for each \`per\` tokens, or in all where that is 0
  uint32_t per;
${library ? "  size_t border;    // how many of them, at the end of every row, are not the caller's\n" : ''}};

// place of a tensor of the model: rows x cols from element \`offset\` on, \`stride\` elements from row to row
struct Place {
  const char *tensor;
  bool factor;  // of an adapter
  int buffer;
  size_t offset, rows, cols, stride;
${library ? '  bool transposed;  // the buffer holds it transposed: cols x rows\n' : ''}};
`;

/** Everything between the tables and the launches; `more`: further members of the state. */
export const stateText = ({ library }: CudaHas, more = ''): string => `
struct lotrc_adapters {
  uint32_t tokens = 0;
  cudaStream_t stream = nullptr;
  void *buffer[BUFFER_COUNT] = {};
  float *moment[2 * TRAINED_COUNT + 1] = {};
${more}  uint64_t steps = 0;
  bool merged = false;              // the weights hold the adapter
  bool stale = true;                // what depends on the factors alone has to be computed again
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that the first of their regions has written in this pass
${library ? BLAS_MEMBER : ''}  std::string message;
};

static std::string create_message;

static lotrc_status fail(lotrc_adapters *a, lotrc_status status, std::string why) {
  (a ? a->message : create_message) = std::move(why);
  return status;
}

static lotrc_status cuda(lotrc_adapters *a, cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return LOTRC_OK;
${library ? BLAS_FAILED : ''}  const lotrc_status status = error == cudaErrorMemoryAllocation ? LOTRC_NO_MEMORY : LOTRC_CUDA;
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

// numbers of the host as a buffer holds them; \`room\` keeps them when they are rounded
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

static unsigned tiles(const lotrc_adapters *a, unsigned per) { return (a->tokens + per - 1) / per; }

// \`bytes\`: of shared memory in addition to what the kernel declares
template <class... Parameters, class... Arguments>
static cudaError_t launch_with(size_t bytes, const lotrc_adapters *a, void (*kernel)(Parameters...), dim3 grid,
                               unsigned threads, Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads, 1, 1);
  config.dynamicSmemBytes = bytes;
  config.stream = a->stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

template <class... Parameters, class... Arguments>
static cudaError_t launch(const lotrc_adapters *a, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  return launch_with(0, a, kernel, grid, threads, arguments...);
}

#define LOTRC_TRY(call) do { const cudaError_t error = (call); if (error != cudaSuccess) return error; } while (false)
`;

const MANY = `
lotrc_status lotrc_set_adapter(lotrc_adapters *a, uint32_t adapter, const char *tensor, const float *data, size_t count) {
  if (adapter >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(adapter));
  for (const Place &place : PLACES)
    if (tensor && !place.factor && std::strcmp(place.tensor, tensor) == 0)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is not a factor of an adapter");
  return set(a, adapter, tensor, data, count);
}

lotrc_status lotrc_set_rows(lotrc_adapters *a, const uint32_t *of_blocks, size_t blocks) {
  if (!a || !of_blocks) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const size_t wanted = tiles(a, LOTRC_ROW_BLOCK);
  if (blocks != wanted)
    return fail(a, LOTRC_BAD_ARGUMENT, std::to_string(a->tokens) + " rows are " + std::to_string(wanted) + " blocks, not " + std::to_string(blocks));
  for (size_t i = 0; i < blocks; i++)
    if (of_blocks[i] >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(of_blocks[i]));
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer_of("rowAdapter")], of_blocks, 4 * blocks, cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing the rows of adapters");
}
`;

const MERGING = `
lotrc_status lotrc_merge(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is in the weights already");
  cudaError_t error = refresh(a);
  if (error == cudaSuccess) error = merge(a);
  a->merged = true;
  return cuda(a, error, "merging");
}

lotrc_status lotrc_unmerge(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (!a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is not in the weights");
  a->merged = false;
  return cuda(a, unmerge(a), "unmerging");
}
`;

const TRANSPOSED = `    if (place.transposed) {
      const cudaError_t error = upload_transposed(a, place, data);
      if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
      continue;
    }
`;

/** The C interface, after the launches. */
export const functionsText = ({ many, merging, library, warpgroups }: CudaHas): string => `
extern "C" {

lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream) {
  if (!adapters) return fail(nullptr, LOTRC_BAD_ARGUMENT, "adapters is null");
  *adapters = nullptr;
  if (tokens < 1 || tokens > LOTRC_MAX_TOKENS)
    return fail(nullptr, LOTRC_BAD_ARGUMENT, "tokens is " + std::to_string(tokens) + ", not 1 to " + std::to_string(LOTRC_MAX_TOKENS));
  lotrc_adapters *a = new (std::nothrow) lotrc_adapters;
  if (!a) return fail(nullptr, LOTRC_NO_MEMORY, "the host has no memory left");
  a->tokens = tokens;
  a->stream = static_cast<cudaStream_t>(stream);
  cudaError_t error = allocate(a);
${warpgroups ? '#ifdef LOTRC_SM90A\n  if (error == cudaSuccess) error = prepare(a);\n#endif\n' : ''}  if (error != cudaSuccess) {
    const lotrc_status status = cuda(${library ? 'a' : 'nullptr'}, error, "allocating buffers");
${library ? '    create_message = a->message;\n' : ''}    lotrc_destroy(a);
    return status;
  }
  *adapters = a;
  return LOTRC_OK;
}

void lotrc_destroy(lotrc_adapters *a) {
  if (!a) return;
  cudaStreamSynchronize(a->stream);
${library ? '  close_library(a);\n' : ''}  for (void *memory : a->buffer) cudaFree(memory);
  for (float *memory : a->moment) cudaFree(memory);
  delete a;
}

const char *lotrc_message(const lotrc_adapters *a) { return (a ? a->message : create_message).c_str(); }

static lotrc_status set(lotrc_adapters *a, ${many ? 'uint32_t adapter, ' : ''}const char *tensor, const float *data, size_t count) {
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
${merging ? '  if (a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is in the weights: unmerge first");\n' : ''}  bool known = false;
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
${library ? TRANSPOSED : ''}    std::vector<uint16_t> room;
    const void *from = as_stored(place.buffer, data, count, room);
    const size_t bytes = element_bytes(place.buffer), row = place.cols * bytes;
    char *to = static_cast<char *>(a->buffer[place.buffer]) + place.offset * bytes;
${many ? '    to += adapter * (bytes_of(a, place.buffer) / LOTRC_ADAPTERS);\n' : ''}    cudaError_t error = cudaMemcpy2DAsync(to, place.stride * bytes, from, row, row, place.rows, cudaMemcpyHostToDevice, a->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
  }
  return LOTRC_OK;
}

lotrc_status lotrc_set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
  return set(a, ${many ? '0, ' : ''}tensor, data, count);
}
${many ? MANY : ''}
lotrc_status lotrc_buffer(lotrc_adapters *a, const char *name, void **device, size_t *count, lotrc_type *type) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (device) *device = a->buffer[buffer];
  if (count) *count = elements_of(a, buffer);
  if (type) *type = BUFFERS[buffer].type;
  return LOTRC_OK;
}
${library ? BLAS_ROW : ''}
static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
${many ? '  if (BUFFERS[*buffer].type == LOTRC_UINT32) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " is filled by lotrc_set_rows");\n' : ''}  const size_t wanted = ${library ? 'numbers_of' : 'elements_of'}(a, *buffer);
  if (count == wanted) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  std::vector<uint16_t> room;
  const void *from = as_stored(buffer, data, count, room);
  const cudaError_t error = ${library ? 'write_numbers(a, buffer, from)' : 'cudaMemcpyAsync(a->buffer[buffer], from, bytes_of(a, buffer), cudaMemcpyHostToDevice, a->stream)'};
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const lotrc_type type = BUFFERS[buffer].type;
  std::vector<uint16_t> room(type == LOTRC_FLOAT32 ? 0 : count);
  void *to = type == LOTRC_FLOAT32 ? static_cast<void *>(data) : room.data();
  cudaError_t error = ${library ? 'read_numbers(a, buffer, to)' : 'cudaMemcpyAsync(to, a->buffer[buffer], bytes_of(a, buffer), cudaMemcpyDeviceToHost, a->stream)'};
  if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
  if (error == cudaSuccess)
    for (size_t i = 0; i < room.size(); i++) data[i] = widened(type, room[i]);
  return cuda(a, error, "reading a buffer");
}

lotrc_status lotrc_changed(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stale = true;
  return LOTRC_OK;
}

static cudaError_t refresh(lotrc_adapters *a) {
  if (a->stale) LOTRC_TRY(prologue(a));
  a->stale = false;
  return cudaSuccess;
}

static lotrc_status region_of(lotrc_adapters *a, uint32_t region) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (region < REGION_COUNT) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "there is no region " + std::to_string(region) + ", only " + std::to_string(REGION_COUNT));
}

lotrc_status lotrc_forward(lotrc_adapters *a, uint32_t region) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
${merging ? '  if (a->merged) return cuda(a, forward_merged(a, region), "forward");\n' : ''}  const cudaError_t error = refresh(a);
  return cuda(a, error == cudaSuccess ? forward(a, region) : error, "forward");
}
${merging ? MERGING : ''}`;

/** The functions of the backward pass and the step. */
export const TRAINING_FUNCTIONS = `
lotrc_status lotrc_backward(lotrc_adapters *a, uint32_t region) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const int dx = DX[region];
  if (dx >= 0 && ADDS_TO_DX[region] && !a->begun[dx])
    return fail(a, LOTRC_BAD_ORDER, "a region before " + std::to_string(region) + " reads the same x: its backward pass goes first");
  if (dx >= 0 && !ADDS_TO_DX[region]) a->begun[dx] = true;
  const cudaError_t error = refresh(a);
  return cuda(a, error == cudaSuccess ? backward(a, region) : error, "backward");
}

lotrc_status lotrc_begin_inputs(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (const int dx : DX) {
    if (dx < 0) continue;
    const cudaError_t error = cudaMemsetAsync(a->buffer[dx], 0, bytes_of(a, dx), a->stream);
    if (error != cudaSuccess) return cuda(a, error, "clearing dx");
    a->begun[dx] = true;
  }
  return LOTRC_OK;
}

lotrc_status lotrc_gradients(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  return cuda(a, epilogue(a), "gradients");
}

lotrc_status lotrc_clear_gradients(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  return cuda(a, clear(a), "clearing gradients");
}

lotrc_status lotrc_step(lotrc_adapters *a, const lotrc_adamw *n) {
  if (!a || !n) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const bool valid = n->learning_rate >= 0 && n->epsilon > 0 && n->weight_decay >= 0 && n->beta1 >= 0 && n->beta1 < 1 &&
                     n->beta2 >= 0 && n->beta2 < 1;
  if (!valid || !std::isfinite(n->learning_rate + n->epsilon + n->weight_decay))
    return fail(a, LOTRC_BAD_ARGUMENT, "not the numbers of an AdamW step");
  cudaError_t error = epilogue(a);
  if (error == cudaSuccess) {
    const double t = static_cast<double>(++a->steps);
    error = update(a, *n, static_cast<float>(1 - std::pow(n->beta1, t)), static_cast<float>(1 - std::pow(n->beta2, t)));
    a->stale = true;
  }
  const lotrc_status status = cuda(a, error, "step");
  return status == LOTRC_OK ? lotrc_clear_gradients(a) : status;
}
`;
