/*
 * Adapted layers on CUDA, for training. Written by lotrc from a plan for h100: see plan.txt.
 * All buffers are row-major; their names, shapes (M: tokens) and types:
 *   P_0 [M, 3] f32
 *   x_0 [M, 17] f32
 *   A_0_0 [17, 3] f32
 *   W_0 [11, 17] f32
 *   B_0 [3, 11] f32
 *   y_0 [M, 11] f32
 *   dP_0 [M, 3] f32
 *   dy_0 [M, 11] f32
 *   dB_0 [3, 11] f32
 *   dA_0_0 [17, 3] f32
 *   dx_0 [M, 17] f32
 */
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
  LOTRC_BAD_ORDER = 2,    /* a call that needs another call before it */
  LOTRC_NO_MEMORY = 3,    /* the device or the host has no room */
  LOTRC_CUDA = 4          /* the CUDA runtime refused; the message has its name for it */
} lotrc_status;

typedef enum lotrc_type { LOTRC_FLOAT32 = 0, LOTRC_FLOAT16 = 1, LOTRC_BFLOAT16 = 2, LOTRC_UINT32 = 3 } lotrc_type;

#define LOTRC_MAX_TOKENS 2097120u
/* bytes of which an address that the caller gives must be a multiple */
#define LOTRC_ALIGNMENT 16u

typedef struct lotrc_adapters lotrc_adapters;

/* Hyperparameters of a step (decoupled decay, arXiv 1711.05101). Usual: beta1 0.9, beta2 0.999, epsilon 1e-8. */
typedef struct lotrc_adamw {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
} lotrc_adamw;

/*
 * Makes the library's buffers on the current device, which every call below makes current until it returns. `tokens`: rows of every x, or most rows of a call that is given memory,
 * 1 to LOTRC_MAX_TOKENS. `stream`: a cudaStream_t, or null for the default one; every call below is queued on it. Weights and
 * factors are zero until they are set.
 */
lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream);

/*
 * Queues all later calls on another stream of the same device. The library has scratch memory that all calls use: a stream must
 * wait for what the one before it was given. Calls that only launch can be captured in a graph, after the same calls have run once.
 * Each graph computes what depends on the factors alone, whenever it runs.
 */
lotrc_status lotrc_set_stream(lotrc_adapters *adapters, void *stream);
void lotrc_destroy(lotrc_adapters *adapters);

/* Message of the last call that failed; null: of lotrc_create in this thread. Valid until the next call. */
const char *lotrc_message(const lotrc_adapters *adapters);

/*
 * Uploads a weight or a factor (float32 on the host, row-major, `count` numbers), under its name in the model and laid out as
 * the model stores it. Waits for the copy.
 */
lotrc_status lotrc_set(lotrc_adapters *adapters, const char *tensor, const float *data, size_t count);

/*
 * Uses the caller's memory on the device for a weight, without a copy: laid out as the model stores it, in the type of the layers (x),
 * at a multiple of LOTRC_ALIGNMENT bytes; it must stay until lotrc_set or lotrc_bind of the same tensor, or lotrc_destroy. LOTRC_BAD_ARGUMENT
 * for factors and for weights that are not stored by themselves.
 */
lotrc_status lotrc_bind(lotrc_adapters *adapters, const char *tensor, void *device);

/* Device address, number and type of the elements of a buffer (x_0, y_0, ...): for kernels of the caller. Pointers may be null. */
lotrc_status lotrc_buffer(lotrc_adapters *adapters, const char *name, void **device, size_t *count, lotrc_type *type);

/* To be called after factors were written through lotrc_buffer: what is computed from them is computed again. */
lotrc_status lotrc_changed(lotrc_adapters *adapters);

/* Copies a whole buffer from or to the host, where it is float32, and waits for it. */
lotrc_status lotrc_write(lotrc_adapters *adapters, const char *name, const float *data, size_t count);
lotrc_status lotrc_read(lotrc_adapters *adapters, const char *name, float *data, size_t count);

/*
 * Copies a factor to the host, under its name in the model and laid out as the model stores it, and waits for it: what an adapter file
 * holds under that name.
 */
lotrc_status lotrc_get(lotrc_adapters *adapters, const char *tensor, float *data, size_t count);

/*
 * y of every layer of a region, from the region's x. Regions:
 *   0: o: x_0 -> y_0 (o); keeps P_0
 */
lotrc_status lotrc_forward(lotrc_adapters *adapters, uint32_t region);

/*
 * The same in memory of the caller: x and the y of every layer, in their order, of `rows` rows each, dense unless the list of buffers
 * says otherwise, at multiples of LOTRC_ALIGNMENT bytes; what is written overlaps nothing else (LOTRC_BAD_ARGUMENT). The library then has no
 * memory for them.
 * `rows`: 1 to the number of tokens.
 * `kept`: memory for what the list of regions says that a region keeps for its backward pass, laid out as the buffer of that name; null: in
 * the library, until the next forward pass of the region.
 */
lotrc_status lotrc_forward_at(lotrc_adapters *adapters, uint32_t region, uint32_t rows, const void *x, void *const *y, void *kept);

/*
 * From the dy of every layer of a region: dx, and the share of the region in the gradients of the factors. Needs the
 * forward pass of the region before it. Regions that read the same x add to one dx: the lowest of them goes first
 * (LOTRC_BAD_ORDER).
 */
lotrc_status lotrc_backward(lotrc_adapters *adapters, uint32_t region);

/*
 * The same in memory of the caller, with the x, the rows and what was kept of a forward pass. dx is written; with `adds` it is added
 * to, which only regions do that read the x of one before them.
 */
lotrc_status lotrc_backward_at(lotrc_adapters *adapters, uint32_t region, uint32_t rows, const void *x, const void *const *dy, void *dx,
                               int adds, const void *kept);

/*
 * Begins another pass over the inputs, in which regions run backward in any order: a region that adds to a dx that none has
 * written in this pass begins it from zero, and the lowest of the regions that read one x writes its own part alone.
 */
lotrc_status lotrc_begin_inputs(lotrc_adapters *adapters);

/* Finishes the gradients of the factors from what lotrc_backward has summed; may be called again. */
lotrc_status lotrc_gradients(lotrc_adapters *adapters);

/* One AdamW step on all factors that are trained, with their gradients finished first and cleared afterwards. */
lotrc_status lotrc_step(lotrc_adapters *adapters, const lotrc_adamw *numbers);

/*
 * The number of the graph in which calls on the stream are captured, another for each, or 0 where they run at once: for callers that keep in
 * mind what they have done, which a graph does again each time it runs.
 */
lotrc_status lotrc_graph(lotrc_adapters *adapters, uint64_t *number);

/* Drops the gradients that were summed since the last step. */
lotrc_status lotrc_clear_gradients(lotrc_adapters *adapters);

/*
 * The state of the optimizer, with which a training run goes on in another library for the same adapters: moments and the number of steps,
 * without the factors (lotrc_get) and the gradients that were summed since the last step. The bytes are a safetensors file, always as many,
 * with tensors as the checkpoints of lotrc train name them:
 * FACTOR/m and FACTOR/v of every factor that is trained, laid out as the model stores it.
 * lotrc_get_state waits for the copy.
 */
lotrc_status lotrc_state_bytes(lotrc_adapters *adapters, size_t *bytes);
lotrc_status lotrc_get_state(lotrc_adapters *adapters, void *state, size_t bytes);

/*
 * Goes on from what lotrc_get_state gave, and waits for the copy. A state of another optimizer, or of adapters of another method, rank, scale,
 * size or number, is refused (LOTRC_BAD_ARGUMENT) with what differs, and changes nothing.
 */
lotrc_status lotrc_set_state(lotrc_adapters *adapters, const void *state, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
