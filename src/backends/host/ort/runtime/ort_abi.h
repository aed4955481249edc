/* The part of ONNX Runtime's C interface (version 17 and later) that the operators use. Written by lotrc. */
#ifndef LOTRC_ORT_ABI_H
#define LOTRC_ORT_ABI_H
#include <stddef.h>
#include <stdint.h>

#define LOTRC_ORT_VERSION 17

typedef struct OrtStatus OrtStatus;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef struct OrtLogger OrtLogger;
#ifdef _WIN32
typedef wchar_t OrtPathChar;
#else
typedef char OrtPathChar;
#endif

/* functions by their places; each is called through its own type */
typedef struct OrtApi { void (*at[1])(void); } OrtApi;
typedef struct OrtApiBase {
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

enum { LOTRC_ORT_FAIL = 1, LOTRC_ORT_INVALID_ARGUMENT = 2 };
enum { LOTRC_ORT_FLOAT = 1, LOTRC_ORT_FLOAT16 = 10, LOTRC_ORT_BFLOAT16 = 16 }; /* element types */
enum { LOTRC_ORT_WARNING = 2 }; /* how severe a message is */
enum { LOTRC_ORT_REQUIRED = 0, LOTRC_ORT_OPTIONAL = 1 }; /* kinds of operands */

typedef struct OrtCustomOp OrtCustomOp;
struct OrtCustomOp {
  uint32_t version;
  void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
  const char *(*GetName)(const OrtCustomOp *);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *);
  int (*GetInputType)(const OrtCustomOp *, size_t);
  size_t (*GetInputTypeCount)(const OrtCustomOp *);
  int (*GetOutputType)(const OrtCustomOp *, size_t);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *);
  void (*KernelCompute)(void *, OrtKernelContext *);
  void (*KernelDestroy)(void *);
  int (*GetInputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetInputMemoryType)(const OrtCustomOp *, size_t);
  int (*GetVariadicInputMinArity)(const OrtCustomOp *);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp *);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp *);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp *);
  OrtStatus *(*CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **);
  OrtStatus *(*KernelComputeV2)(void *, OrtKernelContext *);
  OrtStatus *(*InferOutputShapeFn)(const OrtCustomOp *, OrtShapeInferContext *);
  int (*GetStartVersion)(const OrtCustomOp *);
  int (*GetEndVersion)(const OrtCustomOp *);
};

#ifdef __cplusplus
#include <string>
/* The functions that are used, by what they do. */
struct Ort {
  const OrtApi *api;

  template <class Function>
  Function *at(int place) const { return reinterpret_cast<Function *>(api->at[place]); }

  OrtStatus *fail(int code, const std::string &why) const {
    return at<OrtStatus *(int, const char *)>(0)(code, why.c_str());
  }
  void release(OrtStatus *status) const { at<void(OrtStatus *)>(93)(status); }
  OrtStatus *create_domain(const char *name, OrtCustomOpDomain **domain) const {
    return at<OrtStatus *(const char *, OrtCustomOpDomain **)>(26)(name, domain);
  }
  OrtStatus *add_op(OrtCustomOpDomain *domain, const OrtCustomOp *op) const {
    return at<OrtStatus *(OrtCustomOpDomain *, const OrtCustomOp *)>(27)(domain, op);
  }
  OrtStatus *add_domain(OrtSessionOptions *options, OrtCustomOpDomain *domain) const {
    return at<OrtStatus *(OrtSessionOptions *, OrtCustomOpDomain *)>(28)(options, domain);
  }
  OrtStatus *data(OrtValue *value, void **data) const { return at<OrtStatus *(OrtValue *, void **)>(51)(value, data); }
  OrtStatus *shape_of(const OrtValue *value, OrtTensorTypeAndShapeInfo **info) const {
    return at<OrtStatus *(const OrtValue *, OrtTensorTypeAndShapeInfo **)>(65)(value, info);
  }
  OrtStatus *rank(const OrtTensorTypeAndShapeInfo *info, size_t *rank) const {
    return at<OrtStatus *(const OrtTensorTypeAndShapeInfo *, size_t *)>(61)(info, rank);
  }
  OrtStatus *extents(const OrtTensorTypeAndShapeInfo *info, int64_t *extents, size_t rank) const {
    return at<OrtStatus *(const OrtTensorTypeAndShapeInfo *, int64_t *, size_t)>(62)(info, extents, rank);
  }
  void release(OrtTensorTypeAndShapeInfo *info) const { at<void(OrtTensorTypeAndShapeInfo *)>(99)(info); }
  OrtStatus *attribute(const OrtKernelInfo *info, const char *name, float *value) const {
    return at<OrtStatus *(const OrtKernelInfo *, const char *, float *)>(85)(info, name, value);
  }
  OrtStatus *attribute(const OrtKernelInfo *info, const char *name, int64_t *value) const {
    return at<OrtStatus *(const OrtKernelInfo *, const char *, int64_t *)>(86)(info, name, value);
  }
  OrtStatus *constant(const OrtKernelInfo *info, size_t index, int *is, const OrtValue **value) const {
    return at<OrtStatus *(const OrtKernelInfo *, size_t, int *, const OrtValue **)>(249)(info, index, is, value);
  }
  OrtStatus *warn(const OrtKernelInfo *info, const char *what) const {
    const OrtLogger *logger;
    OrtStatus *status = at<OrtStatus *(const OrtKernelInfo *, const OrtLogger **)>(245)(info, &logger);
    if (status) return status;
    const OrtPathChar file[] = {'o', 'p', 'e', 'r', 'a', 't', 'o', 'r', 's', '.', 'c', 'u', 0};
    return at<OrtStatus *(const OrtLogger *, int, const char *, const OrtPathChar *, int, const char *)>(247)(
        logger, LOTRC_ORT_WARNING, what, file, 0, "lotrc");
  }
  OrtStatus *input(const OrtKernelContext *context, size_t index, const OrtValue **value) const {
    return at<OrtStatus *(const OrtKernelContext *, size_t, const OrtValue **)>(90)(context, index, value);
  }
  OrtStatus *output(OrtKernelContext *context, size_t index, const int64_t *extents, size_t rank, OrtValue **value) const {
    return at<OrtStatus *(OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **)>(91)(context, index, extents, rank, value);
  }
  OrtStatus *stream(const OrtKernelContext *context, void **stream) const {
    return at<OrtStatus *(const OrtKernelContext *, void **)>(193)(context, stream);
  }
};
#endif
#endif
