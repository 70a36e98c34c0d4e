// Convolution of tensors over one to three dimensions, and its gradients.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// Transposed ones are the gradient of a convolution's input; their output has the size that is
// wanted already.
void convolution(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 IntSpan stride, IntSpan padding, IntSpan dilation, bool transposed,
                 int64_t groups);
// Outputs whose mask is false have no elements.
void convolution_backward(const Tensor& grad_input, const Tensor& grad_weight,
                          const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                          const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                          bool transposed, int64_t groups, std::span<const bool> mask);

}  // namespace flambeau::inline v1::cpu
