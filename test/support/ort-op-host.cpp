// Runs a model in ONNX Runtime with a library of operators registered: RUNTIME LIBRARY|- MODEL IN OUT.
// IN: for each input its name's length, name, element type, bytes of an element, rank, extents (all 32 bits but the name),
// data. OUT: the data of the outputs, whose names follow, one after another. With TWICE in the environment the model runs twice, first
// with floating numbers of half the size elsewhere, and this says how many kernels were launched by making the session and by either run, and
// how many threads of warpgroups ran and how many launches began early. With SHIFT inputs begin four bytes later. With SAY the runtime says what it warns of.
#include <dlfcn.h>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
#include "ort_abi.h"

static Ort ort;
static void must(OrtStatus *status) {
  if (!status) return;
  std::printf("%s\n", ort.at<const char *(const OrtStatus *)>(2)(status));
  std::exit(7);
}
static int32_t number(std::FILE *in) {
  int32_t value;
  if (std::fread(&value, 4, 1, in) != 1) std::exit(8);
  return value;
}

int main(int, char **argv) {
  void *runtime = dlopen(argv[1], RTLD_NOW);
  if (!runtime) { std::printf("%s\n", dlerror()); return 9; }
  auto base = reinterpret_cast<const OrtApiBase *(*)()>(dlsym(runtime, "OrtGetApiBase"))();
  ort = {base->GetApi(LOTRC_ORT_VERSION)};
  void *env, *options, *session, *memory, *library = nullptr;
  must(ort.at<OrtStatus *(int, const char *, void **)>(3)(std::getenv("SAY") ? 2 : 3, "test", &env));
  must(ort.at<OrtStatus *(void **)>(10)(&options));
  if (argv[2][0] != '-') must(ort.at<OrtStatus *(void *, const char *, void **)>(29)(options, argv[2], &library));
  must(ort.at<OrtStatus *(void *, const char *, void *, void **)>(7)(env, argv[3], options, &session));
  must(ort.at<OrtStatus *(int, int, void **)>(69)(0, 0, &memory));

  const auto counter = std::getenv("TWICE") ? reinterpret_cast<long (*)()>(dlsym(library, "launches")) : nullptr;
  long before = 0;
  const auto tell = [&] {
    if (!counter) return;
    std::printf("%ld ", counter() - before);
    before = counter();
  };
  tell();

  std::FILE *in = std::fopen(argv[4], "rb");
  const int count = number(in);
  const size_t shift = std::getenv("SHIFT") ? 4 : 0;
  std::vector<std::string> names(count);
  std::vector<std::vector<char>> data(count);
  std::vector<const char *> texts(count);
  std::vector<OrtValue *> values(count), before_values(count);
  std::vector<std::vector<char>> before_data(count);
  for (int i = 0; i < count; i++) {
    names[i].resize(number(in));
    if (std::fread(&names[i][0], 1, names[i].size(), in) != names[i].size()) return 8;
    texts[i] = names[i].c_str();
    const int type = number(in);
    size_t bytes = number(in);
    std::vector<int64_t> extents(number(in));
    for (int64_t &extent : extents) bytes *= extent = number(in);
    data[i].resize(bytes + shift);
    if (std::fread(data[i].data() + shift, 1, bytes, in) != bytes) return 8;
    must(ort.at<OrtStatus *(void *, void *, size_t, const int64_t *, size_t, int, OrtValue **)>(49)(
        memory, data[i].data() + shift, bytes, extents.data(), extents.size(), type, &values[i]));
  }
  for (int i = 0; i < count; i++) {
    // a float is half as large with one less in its exponent, which begins at bit 7 of its last 16 bits, of float16 at bit 10
    OrtTensorTypeAndShapeInfo *info;
    int type;
    size_t rank, size;
    must(ort.shape_of(values[i], &info));
    must(ort.at<OrtStatus *(OrtTensorTypeAndShapeInfo *, int *)>(60)(info, &type));
    must(ort.at<OrtStatus *(OrtTensorTypeAndShapeInfo *, size_t *)>(64)(info, &size));
    must(ort.rank(info, &rank));
    std::vector<int64_t> extents(rank);
    must(ort.extents(info, extents.data(), rank));
    before_data[i] = data[i];
    uint16_t *bits = reinterpret_cast<uint16_t *>(before_data[i].data() + shift);
    if (type == 1) for (size_t k = 0; k < size; k++) bits[2 * k + 1] -= 1 << 7;
    if (type == 10) for (size_t k = 0; k < size; k++) bits[k] -= 1 << 10;
    must(ort.at<OrtStatus *(void *, void *, size_t, const int64_t *, size_t, int, OrtValue **)>(49)(
        memory, bits, data[i].size() - shift, extents.data(), rank, type, &before_values[i]));
  }
  std::vector<const char *> wanted;
  for (int i = 6; argv[i]; i++) wanted.push_back(argv[i]);
  std::vector<OrtValue *> results(wanted.size());
  for (int run = 0; run < (counter ? 2 : 1); run++) {
    for (OrtValue *&result : results) result = nullptr;
    must(ort.at<OrtStatus *(void *, void *, const char *const *, const OrtValue *const *, size_t, const char *const *, size_t, OrtValue **)>(9)(
        session, nullptr, texts.data(), (counter && run == 0 ? before_values : values).data(), count, wanted.data(), wanted.size(), results.data()));
    tell();
  }
  if (counter)
    for (const char *count : {"grouped", "early"}) std::printf("%ld ", reinterpret_cast<long (*)()>(dlsym(library, count))());
  std::FILE *out = std::fopen(argv[5], "wb");
  for (OrtValue *result : results) {
    OrtTensorTypeAndShapeInfo *info;
    int type;
    size_t size;
    must(ort.shape_of(result, &info));
    must(ort.at<OrtStatus *(OrtTensorTypeAndShapeInfo *, int *)>(60)(info, &type));
    must(ort.at<OrtStatus *(OrtTensorTypeAndShapeInfo *, size_t *)>(64)(info, &size));
    void *numbers;
    must(ort.data(result, &numbers));
    std::fwrite(numbers, type == 1 ? 4 : 2, size, out);
  }
  std::fclose(out);
  std::fflush(stdout);
  std::_Exit(0);
}
