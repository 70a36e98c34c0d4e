// What an instruction set offers to the driver of scans.
#pragma once

#include "kernels/cpu/pointwise/loop.h"

namespace flambeau::inline v1::cpu {

enum class Scan : uint8_t { sum, product, max, min, logsumexp, count };
constexpr int kScans = static_cast<int>(Scan::count);

struct ScanKernel {
  int64_t state_bytes = 0;  // 0: not defined for this type
  // n elements of a row from `state` on, which becomes where the row ends. `index` is the place of
  // the first element; `indices` are the extremes' places. Without dst only the state is wanted.
  void (*row)(const void* src, void* dst, int64_t* indices, int64_t n, int64_t index, void* state);
  // n steps of `cols` columns each, which lie `stride` elements apart; a state per column. `index`
  // is the place of the first element of column 0, and `apart` how much later those of the next
  // are.
  void (*columns)(const void* src, void* dst, int64_t* indices, int64_t cols, int64_t stride,
                  int64_t n, int64_t index, int64_t apart, void* states);
  void (*identity)(void* states, int64_t n);
  void (*join)(void* state, const void* later);
  // Whole rows, one after the other; null where rows are better scanned side by side.
  void (*rows)(const void* src, void* dst, int64_t rows, int64_t n);
};

struct ScanKernels {
  ScanKernel by[kScans][kComputes];
};

namespace baseline {
extern const ScanKernels scan_kernels;
}
namespace avx2 {
extern const ScanKernels scan_kernels;
}
namespace avx512 {
extern const ScanKernels scan_kernels;
}

}  // namespace flambeau::inline v1::cpu
