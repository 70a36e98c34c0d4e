// Convolution of integers, which wrap around.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// Over one to three dimensions, of any strides; `bias` may be undefined.
void convolve_integers(const Tensor& out, const Tensor& input, const Tensor& weight,
                       const Tensor& bias, IntSpan stride, IntSpan padding, IntSpan dilation,
                       bool transposed, int64_t groups);

}  // namespace flambeau::inline v1::cpu
