// Softmax and layer normalisation.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void softmax(const Tensor& out, const Tensor& self, int64_t dim);
void log_softmax(const Tensor& out, const Tensor& self, int64_t dim);
void softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output, int64_t dim);
void log_softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output, int64_t dim);

void layer_norm(const Tensor& out, const Tensor& mean, const Tensor& rstd, const Tensor& input,
                IntSpan normalized_shape, const Tensor& weight, const Tensor& bias, double eps);
// Outputs whose mask is false are left as they are.
void layer_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                         const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                         IntSpan normalized_shape, const Tensor& mean, const Tensor& rstd,
                         const Tensor& weight, const Tensor& bias, std::span<const bool> mask);

}  // namespace flambeau::inline v1::cpu
