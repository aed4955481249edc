/*
 * Adapted layers on CUDA, for serving. Written by lotrc from a plan for h100: see plan.txt.
 * All buffers are row-major; their names, shapes (M: tokens) and types:
 *   P_0 [M, 3] f32
 *   x_0 [M, 17] f32
 *   R_0 [17, 3] f32
 *   W_0 [17, 11] f32
 *   Lp_0 [9, 11] f32
 *   y_0 [M, 11] f32
 *   b_0 [11] f32
 *   W_1 [17, 11] f32
 *   y_1 [M, 11] f32
 *   P_1 [M, 3] f32
 *   x_1 [M, 17] f32
 *   W_2 [11, 17] f32
 *   y_2 [M, 11] f32
 *   M_0 [9, 3] f32
 *   L_0 [3, 11] f32
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

#define LOTRC_MAX_TOKENS 4194240u

typedef struct lotrc_adapters lotrc_adapters;

/*
 * Makes all buffers on the current device. `tokens`: rows of every x, 1 to LOTRC_MAX_TOKENS. `stream`: a cudaStream_t, or
 * null for the default one; every call below is queued on it. Weights and factors are zero until they are set.
 */
lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream);
void lotrc_destroy(lotrc_adapters *adapters);

/* Message of the last call that failed; null: of lotrc_create. Valid until the next call. */
const char *lotrc_message(const lotrc_adapters *adapters);

/*
 * Uploads a weight or a factor (float32 on the host, row-major, `count` numbers), under its name in the model and laid out as
 * the model stores it. Waits for the copy.
 */
lotrc_status lotrc_set(lotrc_adapters *adapters, const char *tensor, const float *data, size_t count);

/* Device address, number and type of the elements of a buffer (x_0, y_0, ...): for kernels of the caller. Pointers may be null. */
lotrc_status lotrc_buffer(lotrc_adapters *adapters, const char *name, void **device, size_t *count, lotrc_type *type);

/* To be called after factors were written through lotrc_buffer: what is computed from them is computed again. */
lotrc_status lotrc_changed(lotrc_adapters *adapters);

/* Copies a whole buffer from or to the host, where it is float32, and waits for it. */
lotrc_status lotrc_write(lotrc_adapters *adapters, const char *name, const float *data, size_t count);
lotrc_status lotrc_read(lotrc_adapters *adapters, const char *name, float *data, size_t count);

/*
 * y of every layer of a region, from the region's x. Regions:
 *   0: {q,k}: x_0 -> y_0, y_1 (q, k)
 *   1: o: x_1 -> y_2 (o)
 */
lotrc_status lotrc_forward(lotrc_adapters *adapters, uint32_t region);

#ifdef __cplusplus
}
#endif
#endif
