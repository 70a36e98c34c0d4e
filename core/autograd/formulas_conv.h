#pragma once

#include "core/autograd/node.h"
#include "core/dispatch/value.h"

namespace flambeau::formula {

std::optional<IntSpan> optional_sizes(const Dims& sizes);
std::tuple<Tensor, Tensor, Tensor> convolution_double_backward_all(
    TensorSpan grads, const Tensor& grad, const Tensor& input, const Tensor& weight, IntSpan stride,
    IntSpan padding, IntSpan dilation, bool transposed, IntSpan output_padding, int64_t groups,
    const std::array<bool, 3>& needs);
Tensor max_pool2d_double_backward(const Tensor& g, const Tensor& indices);

}  // namespace flambeau::formula
