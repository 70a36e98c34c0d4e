// The planes of max pooling; one table per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// The windows along a dimension: window o holds the elements begin[o], begin[o] + dilate, ...
// before end[o]. Where all are alike, but for being cut at the borders, they follow each other by
// `step`.
struct PoolDim {
  int64_t in, out, dilate;
  const int64_t *begin, *end;
  int64_t step, kernel, pad;  // step is 0 where windows are not alike
};

// Windows that slide over a plane of three dimensions: depth, rows, columns.
struct PoolWindow {
  PoolDim dims[3];
};

// The largest element of each window and its place in the plane: the first of equal ones, but the
// last NaN; -1 for a window that lies in the padding, between whose elements the image passes.
using PoolPlane = void (*)(const void* x, void* y, int64_t* where, const PoolWindow& window);

// The same for one row of windows of an image whose channels are neighbours in memory, and whose
// planes have no more than INT32_MAX elements. Rows are counted through all depths.
using PoolRow = void (*)(const void* x, void* y, int64_t* where, const PoolWindow& window,
                         int64_t channels, int64_t row);

struct PoolLoops {
  PoolPlane plane;
  PoolRow row;
};
struct PoolKernels {
  PoolLoops f32, f64, f16, bf16, i64, i32, i16, i8, u8;
};

namespace baseline {
extern const PoolKernels pool_kernels;
}
namespace avx2 {
extern const PoolKernels pool_kernels;
}
namespace avx512 {
extern const PoolKernels pool_kernels;
}

}  // namespace flambeau::inline v1::cpu
