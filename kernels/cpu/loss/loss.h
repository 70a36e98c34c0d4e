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

// Scores (N, C) or (C); the targets of an item are its classes, up to the first -1.
void multilabel_margin(const Tensor& out, const Tensor& is_target, const Tensor& self,
                       const Tensor& target, int64_t reduction);
void multilabel_margin_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                                const Tensor& target, int64_t reduction);

// Lengths are those of each item; targets are rows of a matrix, or one after the other. log_alpha
// is (N, T, 2 S + 1), in the dtype of the scores.
void ctc_loss(const Tensor& losses, const Tensor& log_alpha, const Tensor& log_probs,
              const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths, int64_t blank);
void ctc_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& log_probs,
                       const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths,
                       const Tensor& losses, const Tensor& log_alpha, int64_t blank,
                       bool zero_infinity);

}  // namespace flambeau::inline v1::cpu
