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
// last NaN.
template <class T>
using PoolPlane = void (*)(const T* x, T* y, int64_t* where, const PoolWindow& window);

struct PoolKernels {
  PoolPlane<float> f32;
  PoolPlane<double> f64;
  PoolPlane<int64_t> i64;
  PoolPlane<int32_t> i32;
  PoolPlane<int16_t> i16;
  PoolPlane<int8_t> i8;
  PoolPlane<uint8_t> u8;
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
