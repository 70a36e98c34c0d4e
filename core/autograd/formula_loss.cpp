// Gradients of the gradients of losses.

#include "core/autograd/formulas.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/neg.h"
#include "flambeau/ops/nll_loss_nd.h"
#include "flambeau/ops/sub.h"
#include "kernels/shape/loss.h"

namespace flambeau::formula {

std::tuple<Tensor, Tensor, Tensor> mse_loss_double_backward_all(const Tensor& g, const Tensor& grad,
                                                                const Tensor& self,
                                                                const Tensor& target,
                                                                int64_t reduction) {
  const double scale =
      reduction == shape::kMean ? 2.0 / static_cast<double>(std::max<int64_t>(g.numel(), 1)) : 2.0;
  const Tensor scaled = entry::mul_Scalar(g, Scalar(scale));
  const Tensor difference = entry::sub_Tensor(self, target, Scalar(int64_t{1}));
  const Tensor to_grad = sum_to(entry::mul_Tensor(scaled, difference), grad.sizes());
  const Tensor to_self = entry::mul_Tensor(scaled, grad);
  return {to_grad, sum_to(to_self, self.sizes()), sum_to(entry::neg(to_self), target.sizes())};
}

// The gradient is linear in grad_output, so this is the loss itself of g.
Tensor nll_loss_double_backward(const Tensor& g, const Tensor& target, const Tensor& weight,
                                int64_t reduction, int64_t ignore_index,
                                const Tensor& total_weight) {
  (void)total_weight;
  return entry::nll_loss_nd(g, target, weight, reduction, ignore_index);
}

}  // namespace flambeau::formula
