// How kernels of order K 2^m divide their work; for host and device.
#pragma once

namespace sylvester::cuda::detail {

// kBase 0: any other K, its signs from a table.
template <int kBase_, int kWidth_, int kOutputs_, int kThreads_, int kBlocks_>
struct BaseShape {
  static constexpr int kBase = kBase_;
  static constexpr int kWidth = kWidth_;      // columns of a thread; 4 or 8 with a table
  static constexpr int kOutputs = kOutputs_;  // outputs of a thread, with a table
  static constexpr int kThreads = kThreads_;  // at most
  static constexpr int kBlocks = kBlocks_;    // of one processor, at least
  static constexpr int kChunkBits = 5;        // stages of the first pass
};

// Bases whose signs are constants in kernels of bfloat16; float16 and float32 have no 36 and 44.
constexpr bool is_unrolled(int base) {
  return base == 12 || base == 20 || base == 28 || base == 36 || base == 40 || base == 44;
}
// Sign tables: [K][groups][kGroupFloats] of +-1, a group the outputs of a thread.
inline constexpr int kGroupFloats = 12;
inline constexpr int kSlabTerms = 16;
constexpr int base_groups(int base, int outputs) { return (base + outputs - 1) / outputs; }
// From this base on a thread has 8 columns: fewer instructions an addition, but too few threads for
// smaller bases.
inline constexpr int kWideBase = 128;
// The number of outputs, 10 to 12, that wastes the fewest.
constexpr int base_outputs(int base) {
  int best = kGroupFloats;
  for (int outputs = kGroupFloats - 1; outputs >= 10; --outputs) {
    if (base_groups(base, outputs) * outputs < base_groups(base, best) * best) best = outputs;
  }
  return best;
}
// Threads' portions of a tile of `columns` columns along K.
template <class S>
constexpr int base_items(int base, int columns) {
  if (S::kBase != 0) return columns / S::kWidth;
  return (columns + S::kWidth - 1) / S::kWidth * base_groups(base, S::kOutputs);
}
// Whether a whole table stays in shared memory.
constexpr bool sign_table_resident(int base, int line) { return base * line * 4 <= 32 * 1024; }

}  // namespace sylvester::cuda::detail
