// Rows of normalising ops, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// Rows of n elements, one after the other, with a mean and a deviation each, in the compute type.
// weight and bias may be null.
template <class T>
using LayerNorm = void (*)(void* out, T* mean, T* rstd, const void* x, const T* weight,
                           const T* bias, int64_t rows, int64_t n, double eps);

struct LayerNormKernels {
  LayerNorm<float> f32;
  LayerNorm<double> f64;
  LayerNorm<float> f16, bf16;
};

template <class T>
struct RowKernels {
  // One row of n elements.
  void (*layer_norm_backward)(T* out, const T* grad, const T* x, const T* weight, T mean, T rstd,
                              int64_t n);
  // Adds a row's share to the gradients of weight and bias; either may be null.
  void (*layer_norm_affine)(T* grad_weight, T* grad_bias, const T* grad, const T* x, T mean, T rstd,
                            int64_t n);
  // dst += src
  void (*accumulate)(T* dst, const T* src, int64_t n);
};

// Rows of n elements divided by the root of their mean square; weight may be null.
template <class T>
struct RmsNormKernels {
  void (*forward)(void* out, T* rstd, const void* x, const T* weight, int64_t rows, int64_t n,
                  double eps);
  // Adds to grad_weight; it and out may be null.
  void (*backward)(void* out, T* grad_weight, const void* grad, const void* x, const T* weight,
                   const T* rstd, int64_t rows, int64_t n);
};

struct AllRmsNormKernels {
  RmsNormKernels<float> f32;
  RmsNormKernels<double> f64;
  RmsNormKernels<float> f16, bf16;
};

struct NormKernels {
  RowKernels<float> f32;
  RowKernels<double> f64;
};

}  // namespace flambeau::inline v1::cpu
