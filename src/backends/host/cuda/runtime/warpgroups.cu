#ifdef LOTRC_SM90A
// what the copy engine loads: rows x cols (0: tokens) from element `offset` on, `pitch` elements from row to row,
// in boxes of `box` rows of 64
struct MapRow {
  int buffer;
  size_t offset, rows, cols, pitch;
  uint32_t box;
};
static const MapRow MAPS[MAP_COUNT] = {
#insert maps
};

// the kernels for warpgroups, and the bytes of their rings
static cudaError_t allow_rings([[maybe_unused]] lotrc_adapters *a) {
#insert kernels
  return cudaSuccess;
}

// Makes maps of the matrices as they are now: in the memory and with the rows of this call.
static cudaError_t current_maps(lotrc_adapters *a, std::initializer_list<int> numbers) {
  for (const int number : numbers) {
    const MapRow &row = MAPS[number];
    const bool half = BUFFERS[row.buffer].type == LOTRC_FLOAT16;
    const char *first = static_cast<const char *>(a->buffer[row.buffer]) + 2 * row.offset;
    LOTRC_TRY(make_map(a, &a->map[number], half, first, row.rows == 0 ? a->rows : row.rows, row.cols == 0 ? a->rows : row.cols,
                       row.pitch, row.box));
  }
  return cudaSuccess;
}
#endif
