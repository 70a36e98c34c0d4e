// The planes of max pooling; one table per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// Windows that slide over a plane; arrays hold rows, then columns.
struct PoolWindow {
  int64_t kernel[2], step[2], pad[2], dilate[2];
  int64_t in[2], out[2];
};

// The largest element of each window and its place in the plane: the first of equal ones, but the
// last NaN; -1 for a window that lies in the padding, between whose elements the image passes.
template <class T>
using PoolPlane = void (*)(const T* x, T* y, int64_t* where, const PoolWindow& window);

// The same for one row of windows of an image whose channels are neighbours in memory, and whose
// planes have no more than INT32_MAX elements.
template <class T>
using PoolRow = void (*)(const T* x, T* y, int64_t* where, const PoolWindow& window,
                         int64_t channels, int64_t row);

template <class T>
struct PoolLoops {
  PoolPlane<T> plane;
  PoolRow<T> row;
};
struct PoolKernels {
  PoolLoops<float> f32;
  PoolLoops<double> f64;
  PoolLoops<int64_t> i64;
  PoolLoops<int32_t> i32;
  PoolLoops<int16_t> i16;
  PoolLoops<int8_t> i8;
  PoolLoops<uint8_t> u8;
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
