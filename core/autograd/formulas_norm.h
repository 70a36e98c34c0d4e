#pragma once

#include "core/autograd/node.h"
#include "core/dispatch/value.h"

namespace flambeau::formula {

std::tuple<Tensor, Tensor> softmax_double_backward_all(const Tensor& g, const Tensor& grad,
                                                       const Tensor& output, int64_t dim,
                                                       DType dtype);
std::tuple<Tensor, Tensor> log_softmax_double_backward_all(const Tensor& g, const Tensor& grad,
                                                           const Tensor& output, int64_t dim);
// For grad_out, input, mean, rstd, weight and bias: those of mean, rstd and bias are undefined.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> layer_norm_double_backward_all(
    TensorSpan grads, const Tensor& grad, const Tensor& input, IntSpan normalized_shape,
    const Tensor& mean, const Tensor& rstd, const Tensor& weight);
Tensor dropout_backward(const Tensor& g, const Tensor& mask, double p, std::optional<bool> train);

}  // namespace flambeau::formula
