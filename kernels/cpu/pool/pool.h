// Max pooling over two dimensions. Indices are places in a plane, as PyTorch's.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void max_pool2d(const Tensor& out, const Tensor& indices, const Tensor& self, IntSpan kernel_size,
                IntSpan stride, IntSpan padding, IntSpan dilation);
void max_pool2d_backward(const Tensor& out, const Tensor& grad, const Tensor& indices);

}  // namespace flambeau::inline v1::cpu
