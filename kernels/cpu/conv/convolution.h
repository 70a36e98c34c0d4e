// Convolution of tensors over two dimensions, and its gradients.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void convolution(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups);
// Outputs whose mask is false have no elements.
void convolution_backward(const Tensor& grad_input, const Tensor& grad_weight,
                          const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                          const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                          int64_t groups, std::span<const bool> mask);

}  // namespace flambeau::inline v1::cpu
