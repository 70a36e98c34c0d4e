#pragma once

#include "core/autograd/node.h"
#include "core/dispatch/value.h"

namespace flambeau::formula {

std::tuple<Tensor, Tensor, Tensor> mse_loss_double_backward_all(const Tensor& g, const Tensor& grad,
                                                                const Tensor& self,
                                                                const Tensor& target,
                                                                int64_t reduction);
Tensor nll_loss_double_backward(const Tensor& g, const Tensor& target, const Tensor& weight,
                                int64_t reduction, int64_t ignore_index,
                                const Tensor& total_weight);

}  // namespace flambeau::formula
