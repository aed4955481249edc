// the gradients of a layer from x, W, the factors and dy; bits of wanted: dx, one for each factor, db
struct Gradient {
  OrtCustomOp table;  // first: ONNX Runtime hands it back
  std::string name;
  const char *stem;
  size_t factors;
  unsigned wanted;

  bool wants(size_t output) const { return (wanted >> output & 1) != 0; }
  int type(size_t output) const { return output >= 1 && output <= factors ? LOTRC_ORT_FLOAT : ELEMENT; }
};

struct GradientKernel {
  Ort ort;
  const Gradient *op;
  float scale;
  bool transposed;
  Maps maps{};
};

static OrtStatus *create_gradient(const OrtCustomOp *table, const OrtApi *api, const OrtKernelInfo *info, void **kernel) {
  const Ort ort{api};
  const Gradient *op = reinterpret_cast<const Gradient *>(table);
  float scale, alpha, beta;
  int64_t trans_b;
  ORT_TRY(ort.attribute(info, "scale", &scale));
  ORT_TRY(ort.attribute(info, "alpha", &alpha));
  ORT_TRY(ort.attribute(info, "beta", &beta));
  ORT_TRY(ort.attribute(info, "transB", &trans_b));
  if (alpha != 1 || (op->wants(1 + op->factors) && beta != 1))
    return ort.fail(LOTRC_ORT_FAIL, "lotrc::" + op->name + " has no kernel for alpha or beta other than 1");
  // dx = dy W where W is (out, in)
#if EMIT_WARPGROUPS
#ifndef LOTRC_SM90A
  ORT_TRY(say_what_is_left_out(ort, info));
#endif
#endif
  *kernel = new GradientKernel{ort, op, scale, trans_b == 0};
  return nullptr;
}

static OrtStatus *compute_gradient(void *held, OrtKernelContext *context) {
  GradientKernel &kernel = *static_cast<GradientKernel *>(held);
  const Ort &ort = kernel.ort;
  const Gradient &op = *kernel.op;
  std::vector<Tensor> in(3 + op.factors);
  for (size_t i = 0; i < in.size(); i++) {
    ORT_TRY(tensor(ort, context, i, &in[i]));
    ORT_TRY(aligned(ort, op.name, "input " + std::to_string(i), in[i].data));
  }
  const std::vector<int64_t> &x = in[0].extents;
  const Kind *kind = find(op.stem, kernel.transposed, kernel.scale, in);
  if (!kind) return unknown(ort, op.name, in[1].extents, in[2].extents, kernel.scale);
  std::vector<int64_t> dy = x;
  if (!dy.empty()) dy.back() = kind->out;
  const bool fits = !x.empty() && x.back() == kind->in && in.back().extents == dy;
  if (!fits) return ort.fail(LOTRC_ORT_INVALID_ARGUMENT, "lotrc::" + op.name + ": the shapes of its inputs do not fit each other");
  int64_t rows;
  ORT_TRY(count(ort, op.name, *kind, x, &rows));
  Queue queue;
  ORT_TRY(queue_in(ort, op.name, context, &queue));

  std::vector<void *> out(op.factors + 2);
  size_t delivered = 0;
  for (size_t i = 0; i < op.factors + 2; i++) {
    if (!op.wants(i)) continue;
    const std::vector<int64_t> extents = i == 0 ? x : i <= op.factors ? in[1 + i].extents : std::vector<int64_t>{kind->out};
    OrtValue *result;
    void *data;
    ORT_TRY(ort.output(context, delivered++, extents.data(), extents.size(), &result));
    ORT_TRY(ort.data(result, &data));
    ORT_TRY(aligned(ort, op.name, "an output", data));
    out[i] = data;
    // a sum over no rows
    size_t bytes = op.type(i) == LOTRC_ORT_FLOAT ? sizeof(float) : sizeof(Element);
    for (const int64_t extent : extents) bytes *= extent;
    if (rows == 0 && bytes > 0 && cudaMemsetAsync(data, 0, bytes, queue.stream) != cudaSuccess)
      return ort.fail(LOTRC_ORT_FAIL, "lotrc::" + op.name + ": memory could not be cleared");
  }
  if (rows == 0) return nullptr;

  std::vector<const float *> matrices(op.factors);
  std::vector<float *> sums(op.factors);
  for (size_t i = 0; i < op.factors; i++) {
    matrices[i] = in[2 + i].as<float>();
    sums[i] = static_cast<float *>(out[1 + i]);
  }
  void *room;
  cudaError_t error = cudaMallocAsync(&room, kind->gradient_room * sizeof(float) + 2 * spaced(rows, kind->rank) * sizeof(Element), queue.stream);
  if (error == cudaSuccess) {
    error = kind->gradient(&queue, kernel.maps, *kind, static_cast<unsigned>(rows), in[0].as<Element>(), in[1].as<Element>(), matrices.data(),
                           in.back().as<Element>(), static_cast<float *>(room), static_cast<Element *>(out[0]), sums.data(),
                           static_cast<Element *>(out[1 + op.factors]));
    const cudaError_t freed = cudaFreeAsync(room, queue.stream);
    if (error == cudaSuccess) error = freed;
  }
  return failure(ort, op.name, error);
}

static OrtCustomOp gradient_table() {
  OrtCustomOp t = table();
  t.GetName = [](const OrtCustomOp *op) { return reinterpret_cast<const Gradient *>(op)->name.c_str(); };
  t.GetInputType = [](const OrtCustomOp *op, size_t index) -> int {
    return index >= 2 && index < 2 + reinterpret_cast<const Gradient *>(op)->factors ? LOTRC_ORT_FLOAT : ELEMENT;
  };
  t.GetOutputType = [](const OrtCustomOp *op, size_t index) -> int {
    const Gradient &gradient = *reinterpret_cast<const Gradient *>(op);
    size_t output = 0;
    for (size_t left = index + 1; left > 0; output++) left -= gradient.wants(output);
    return gradient.type(output - 1);
  };
  t.GetInputTypeCount = [](const OrtCustomOp *op) { return 3 + reinterpret_cast<const Gradient *>(op)->factors; };
  t.GetOutputTypeCount = [](const OrtCustomOp *op) {
    size_t count = 0;
    for (unsigned bits = reinterpret_cast<const Gradient *>(op)->wanted; bits; bits >>= 1) count += bits & 1;
    return count;
  };
  t.KernelDestroy = [](void *kernel) { delete static_cast<GradientKernel *>(kernel); };
  t.CreateKernelV2 = create_gradient;
  t.KernelComputeV2 = compute_gradient;
  return t;
}

// LoTRLinearGrad_dx_dR_dM_dL, Adapter_loraGrad_dA_dB, ...: the outputs that a function has are in its name
static std::vector<Gradient> all_gradients() {
#insert stems
  std::vector<Gradient> all;
  for (const auto &[stem, outputs] : STEMS) {
    const size_t factors = outputs.size() - 2;
    for (unsigned wanted = 1; wanted < 1u << (factors + 2); wanted++) {
#if EMIT_F32
      Gradient one = {gradient_table(), std::string(stem) + "Grad", stem, factors, wanted};
#else
      Gradient one = {gradient_table(), std::string(stem) + "Grad_half", stem, factors, wanted};
#endif
      for (size_t i = 0; i < outputs.size(); i++)
        if (one.wants(i)) one.name += "_" + outputs[i];
      all.push_back(one);
    }
  }
  return all;
}

static OrtStatus *add_gradients(const Ort &ort, OrtCustomOpDomain *domain) {
  static const std::vector<Gradient> GRADIENTS = all_gradients();
  for (const Gradient &op : GRADIENTS) ORT_TRY(ort.add_op(domain, &op.table));
  return nullptr;
}
