// Rows of normalising ops, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

constexpr int64_t kStripColumns = 64;

// One row of n elements, or up to kStripColumns columns that lie side by side, whose n elements are
// `step` apart.
template <class T>
struct MapLoops {
  void (*row)(T* out, const T* x, int64_t n);
  void (*columns)(T* out, const T* x, int64_t n, int64_t step, int64_t width);
};
template <class T>
struct BackwardLoops {
  void (*row)(T* out, const T* grad, const T* y, int64_t n);
  void (*columns)(T* out, const T* grad, const T* y, int64_t n, int64_t step, int64_t width);
};

template <class T>
struct RowKernels {
  MapLoops<T> softmax, log_softmax;
  BackwardLoops<T> softmax_backward, log_softmax_backward;
  // weight and bias may be null.
  void (*layer_norm)(T* out, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                     int64_t n, double eps);
  void (*layer_norm_backward)(T* out, const T* grad, const T* x, const T* weight, T mean, T rstd,
                              int64_t n);
  // Adds a row's share to the gradients of weight and bias; either may be null.
  void (*layer_norm_affine)(T* grad_weight, T* grad_bias, const T* grad, const T* x, T mean, T rstd,
                            int64_t n);
  // dst += src
  void (*accumulate)(T* dst, const T* src, int64_t n);
};

struct NormKernels {
  RowKernels<float> f32;
  RowKernels<double> f64;
};

}  // namespace flambeau::inline v1::cpu
