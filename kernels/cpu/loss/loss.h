// Losses. `reduction` is ATen's: 0 none, 1 mean, 2 sum.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void mse_loss(const Tensor& out, const Tensor& self, const Tensor& target, int64_t reduction);
void mse_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                       const Tensor& target, int64_t reduction);

// Classes are dimension 1 of (N, C, ...) scores, or the only dimension.
void nll_loss(const Tensor& out, const Tensor& total_weight, const Tensor& self,
              const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore_index);
void nll_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                       const Tensor& target, const Tensor& weight, int64_t reduction,
                       int64_t ignore_index, const Tensor& total_weight);
void nll_loss2d(const Tensor& out, const Tensor& total_weight, const Tensor& self,
                const Tensor& target, const Tensor& weight, int64_t reduction,
                int64_t ignore_index);
void nll_loss2d_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                         const Tensor& target, const Tensor& weight, int64_t reduction,
                         int64_t ignore_index, const Tensor& total_weight);

}  // namespace flambeau::inline v1::cpu
