// train TRAIN_DIR BATCHES.safetensors ADAPTER.safetensors: trains, made from signature.json alone.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <onnxruntime_cxx_api.h>
#include <string>
#include <vector>

using Json = nlohmann::ordered_json;
struct Tensor { ONNXTensorElementDataType type; std::vector<int64_t> shape; std::string bytes; };
struct File { std::map<std::string, Tensor> tensors; Json metadata; };

static std::string contents(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

static File read_safetensors(const std::string &path) {
  static const std::map<std::string, ONNXTensorElementDataType> types = {
      {"F32", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT}, {"F16", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
      {"I64", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64}, {"I32", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
      {"BOOL", ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL}};
  const std::string data = contents(path);
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--) length = length << 8 | static_cast<unsigned char>(data.at(i));
  File file;
  const Json header = Json::parse(data.substr(8, length));
  for (auto &[name, entry] : header.items()) {
    if (name == "__metadata__") { file.metadata = entry; continue; }
    const size_t from = entry["data_offsets"][0], to = entry["data_offsets"][1];
    file.tensors[name] = {types.at(entry["dtype"]), entry["shape"], data.substr(8 + length + from, to - from)};
  }
  return file;
}

static void write_safetensors(const std::string &path, const Json &params, const File &held) {
  Json header = {{"__metadata__", held.metadata}};
  std::string data;
  for (const Json &row : params) {
    const Tensor &tensor = held.tensors.at(row["name"]);
    header[row["name"]] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream out(path, std::ios::binary);
  for (uint64_t i = 0, left = text.size(); i < 8; i++, left >>= 8) out.put(static_cast<char>(left & 255));
  out << text << data;
}

int main(int, char **argv) {
  const std::string folder = std::string(argv[1]) + "/";
  const Json signature = Json::parse(contents(folder + "signature.json")), &step = signature["graphs"]["step"];
  if (signature.contains("rates")) throw std::runtime_error("rates of groups of parameters are not supported");
  const auto beta = [&](const char *name) { return signature["optimizer"]["constants"].value(name, 0.0); };
  File held = read_safetensors(folder + "state.safetensors"), data = read_safetensors(argv[2]);
  Ort::Env env;
  Ort::SessionOptions options;
  for (auto &[key, value] : signature["session"].items()) options.AddConfigEntry(key.c_str(), value.get<std::string>().c_str());
  Ort::Session session(env, (folder + step["file"].get<std::string>()).c_str(), options);
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<std::string> outputs, inputs;
  for (const Json &port : step["outputs"]) outputs.push_back(port["name"]);
  for (const Json &port : step["inputs"]) inputs.push_back(port["name"]);
  std::vector<const char *> wanted, given;
  for (const auto &name : outputs) wanted.push_back(name.c_str());
  for (const auto &name : inputs) given.push_back(name.c_str());
  const Tensor &rates = data.tensors.at("lr"); // one rate for each step; the inputs of step K are K/NAME
  double t = 1, scale = 1;
  for (int64_t number = 0; number < rates.shape[0]; number++) {
    // in double: a float32 power of a large step loses digits
    std::map<std::string, float> scalars = {
        {"lr", reinterpret_cast<const float *>(rates.bytes.data())[number]}, {"loss_scale", scale},
        {"bc1", 1 - std::pow(beta("beta1"), t)}, {"bc2", 1 - std::pow(beta("beta2"), t)},
        {"draw", number % signature.value("draws", 1)}};
    std::vector<Ort::Value> feeds;
    for (const Json &port : step["inputs"]) {
      const std::string name = port["name"], role = port["role"];
      if (role == "scalar") {
        feeds.push_back(Ort::Value::CreateTensor<float>(memory, &scalars.at(port["scalar"]), 1, nullptr, 0));
        continue;
      }
      Tensor &tensor = role == "batch" || role == "label" ? data.tensors.at(std::to_string(number) + "/" + name) : held.tensors.at(name);
      feeds.push_back(Ort::Value::CreateTensor(memory, tensor.bytes.data(), tensor.bytes.size(), tensor.shape.data(), tensor.shape.size(), tensor.type));
    }
    auto results = session.Run({}, given.data(), feeds.data(), feeds.size(), wanted.data(), wanted.size());
    for (size_t at = 0; at < outputs.size(); at++) {
      const char *bytes = results[at].GetTensorData<char>();
      if (step["outputs"][at]["role"] == "loss") std::printf("%.9g\n", results[at].GetTensorData<float>()[0]);
      if (step["outputs"][at]["role"] == "finite") bytes[0] ? t++ : scale /= 2;
      for (const Json &port : step["inputs"])
        if (port.value("next", "") == outputs[at]) held.tensors[port["name"]].bytes.assign(bytes, held.tensors[port["name"]].bytes.size());
    }
  }
  write_safetensors(argv[3], signature["params"], held);
}
