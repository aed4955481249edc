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
