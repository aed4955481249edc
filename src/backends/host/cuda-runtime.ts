/** The parts of an emitted CUDA library that are the same for every plan: its C interface, and functions over its tables. */

const ADAMW = `
/* Hyperparameters of a step (decoupled decay, arXiv 1711.05101). Usual: beta1 0.9, beta2 0.999, epsilon 1e-8. */
typedef struct lotrc_adamw {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
} lotrc_adamw;
`;

const BACKWARD = `
/*
 * From the dy of every layer of a region: dx, and what the region adds to the gradients of the factors. Needs the forward
 * pass of the region before it. Regions that read the same x add to one dx: the lowest of them goes first (LOTRC_BAD_ORDER).
 */
lotrc_status lotrc_backward(lotrc_adapters *adapters, uint32_t region);

/*
 * Sets dx of every input to zero and lets regions run backward in any order: one that adds to the dx of another then gives
 * its own part alone.
 */
lotrc_status lotrc_begin_inputs(lotrc_adapters *adapters);

/* Finishes the gradients of the factors from what lotrc_backward has summed; may be called again. */
lotrc_status lotrc_gradients(lotrc_adapters *adapters);

/* One AdamW step on all factors, with their gradients finished first and cleared afterwards. */
lotrc_status lotrc_step(lotrc_adapters *adapters, const lotrc_adamw *numbers);

/* Drops the gradients that were summed since the last step. */
lotrc_status lotrc_clear_gradients(lotrc_adapters *adapters);
`;

/** adapters.h. `summary`: comment lines about the plan; `regions`: one comment line each. */
export function headerText(
  training: boolean,
  summary: readonly string[],
  regions: readonly string[],
): string {
  return `${['/*', ...summary.map((line) => ` * ${line}`), ' */'].join('\n')}
#ifndef LOTRC_ADAPTERS_H
#define LOTRC_ADAPTERS_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lotrc_status {
  LOTRC_OK = 0,
  LOTRC_BAD_ARGUMENT = 1, /* a null pointer, an unknown name, a wrong size */
  LOTRC_BAD_ORDER = 2,    /* a call that another has to come before */
  LOTRC_NO_MEMORY = 3,    /* the device or the host has no room */
  LOTRC_CUDA = 4          /* the CUDA runtime refused; the message has its name for it */
} lotrc_status;

typedef struct lotrc_adapters lotrc_adapters;
${training ? ADAMW : ''}
/*
 * Makes all buffers on the current device. \`tokens\`: rows of every x, 1 to LOTRC_MAX_TOKENS. \`stream\`: a cudaStream_t, or
 * null for the default one; every call below is queued on it. Weights and factors are zero until they are set.
 */
lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream);
void lotrc_destroy(lotrc_adapters *adapters);

/* What the last call that failed has to say; null: about lotrc_create. Valid until the next call. */
const char *lotrc_message(const lotrc_adapters *adapters);

/*
 * Uploads a weight or a factor (float32 on the host, row-major, \`count\` numbers), under its name in the model and laid out as
 * the model stores it. Waits for the copy.
 */
lotrc_status lotrc_set(lotrc_adapters *adapters, const char *tensor, const float *data, size_t count);

/* Device address and number of elements of a buffer (x_0, y_0, ...): for kernels of the caller. Either pointer may be null. */
lotrc_status lotrc_buffer(lotrc_adapters *adapters, const char *name, float **device, size_t *count);

/* To be called after factors were written through lotrc_buffer: what is made of them is made again. */
lotrc_status lotrc_changed(lotrc_adapters *adapters);

/* Copies a whole buffer from or to the host and waits for it. */
lotrc_status lotrc_write(lotrc_adapters *adapters, const char *name, const float *data, size_t count);
lotrc_status lotrc_read(lotrc_adapters *adapters, const char *name, float *data, size_t count);

/*
 * y of every layer of a region, from the region's x. Regions:
${regions.map((line) => ` * ${line}`).join('\n')}
 */
lotrc_status lotrc_forward(lotrc_adapters *adapters, uint32_t region);
${training ? BACKWARD : ''}
#ifdef __cplusplus
}
#endif
#endif
`;
}

/** Types and helpers that open adapters.cu, before the tables. */
export const OPENING = `
struct BufferRow {
  const char *name;
  size_t elements;  // for each token where \`tokens\`, else in all
  bool tokens;
};

// where a tensor of the model stands: rows x cols from element \`offset\` on, \`stride\` elements from row to row
struct Place {
  const char *tensor;
  int buffer;
  size_t offset, rows, cols, stride;
};
`;

/** Everything between the tables and the launches. */
export const STATE = `
struct lotrc_adapters {
  uint32_t tokens = 0;
  cudaStream_t stream = nullptr;
  float *buffer[BUFFER_COUNT] = {};
  float *moment[2 * TRAINED_COUNT + 1] = {};
  uint64_t steps = 0;
  bool stale = true;                // what is made of the factors alone has to be made again
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that the first of their regions has written in this pass
  std::string message;
};

static std::string create_message;

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
  return BUFFERS[buffer].elements * (BUFFERS[buffer].tokens ? a->tokens : 1);
}

static int buffer_of(const char *name) {
  for (int i = 0; i < BUFFER_COUNT; i++)
    if (std::strcmp(BUFFERS[i].name, name) == 0) return i;
  return -1;
}

static unsigned tiles(const lotrc_adapters *a, unsigned per) { return (a->tokens + per - 1) / per; }

template <class... Parameters, class... Arguments>
static cudaError_t launch(const lotrc_adapters *a, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads, 1, 1);
  config.stream = a->stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

#define LOTRC_TRY(call) do { const cudaError_t error = (call); if (error != cudaSuccess) return error; } while (false)
`;

/** The C interface, after the launches. */
export const FUNCTIONS = `
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
  const cudaError_t error = allocate(a);
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
  cudaStreamSynchronize(a->stream);
  for (float *memory : a->buffer) cudaFree(memory);
  for (float *memory : a->moment) cudaFree(memory);
  delete a;
}

const char *lotrc_message(const lotrc_adapters *a) { return (a ? a->message : create_message).c_str(); }

lotrc_status lotrc_set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
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
    const cudaError_t error = cudaMemcpy2DAsync(
        a->buffer[place.buffer] + place.offset, place.stride * sizeof(float), data, place.cols * sizeof(float),
        place.cols * sizeof(float), place.rows, cudaMemcpyHostToDevice, a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
  }
  return cuda(a, cudaStreamSynchronize(a->stream), "uploading a tensor");
}

lotrc_status lotrc_buffer(lotrc_adapters *a, const char *name, float **device, size_t *count) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (device) *device = a->buffer[buffer];
  if (count) *count = elements_of(a, buffer);
  return LOTRC_OK;
}

static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  const size_t wanted = elements_of(a, *buffer);
  if (count == wanted) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer], data, count * sizeof(float), cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const cudaError_t error = cudaMemcpyAsync(data, a->buffer[buffer], count * sizeof(float), cudaMemcpyDeviceToHost, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "reading a buffer");
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
  const cudaError_t error = refresh(a);
  return cuda(a, error == cudaSuccess ? forward(a, region) : error, "forward");
}
`;

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
    const cudaError_t error = cudaMemsetAsync(a->buffer[dx], 0, elements_of(a, dx) * sizeof(float), a->stream);
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
