/* What train.go calls of ONNX Runtime: the functions of OrtApi (onnxruntime_c_api.h) by their places, which never change. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *Pointer;
extern const struct { Pointer *(*functions)(uint32_t version); } *OrtGetApiBase(void);
#define ORT(place, ...) ((Pointer (*)(__VA_ARGS__))OrtGetApiBase()->functions(17)[place])

/* Ends the program with what a call says that failed. */
static void ok(Pointer status) {
  if (!status) return;
  fprintf(stderr, "%s\n", (const char *)ORT(2, Pointer)(status)); /* GetErrorMessage */
  exit(1);
}
static Pointer new_options(void) {
  Pointer options;
  ok(ORT(10, Pointer *)(&options)); /* CreateSessionOptions */
  return options;
}
static void add_entry(Pointer options, const char *key, const char *value) {
  ok(ORT(130, Pointer, const char *, const char *)(options, key, value)); /* AddSessionConfigEntry */
}
static Pointer new_session(const char *path, Pointer options) {
  Pointer env, session;
  ok(ORT(3, int, const char *, Pointer *)(2, "train", &env)); /* CreateEnv */
  ok(ORT(7, Pointer, const char *, Pointer, Pointer *)(env, path, options, &session)); /* CreateSession */
  return session;
}
/* A value over memory that must stay until the value is released. */
static Pointer new_value(Pointer data, size_t bytes, const int64_t *shape, size_t rank, int type) {
  static Pointer info;
  Pointer value;
  if (!info) ok(ORT(69, int, int, Pointer *)(1, 0, &info)); /* CreateCpuMemoryInfo */
  ok(ORT(49, Pointer, Pointer, size_t, const int64_t *, size_t, int, Pointer *)(info, data, bytes, shape, rank, type, &value));
  return value; /* CreateTensorWithDataAsOrtValue */
}
static void run(Pointer session, char **from, Pointer *inputs, size_t count, char **to, Pointer *outputs, size_t wanted) {
  ok(ORT(9, Pointer, Pointer, char **, Pointer *, size_t, char **, size_t, Pointer *)(
      session, NULL, from, inputs, count, to, wanted, outputs)); /* Run */
}
static Pointer data_of(Pointer value) {
  Pointer data;
  ok(ORT(51, Pointer, Pointer *)(value, &data)); /* GetTensorMutableData */
  return data;
}
static void release(Pointer value) { ((void (*)(Pointer))ORT(96, Pointer))(value); /* ReleaseValue */ }
