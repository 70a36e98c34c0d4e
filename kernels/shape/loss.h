// Shape and dtype rules of losses.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/pointwise.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

// ATen's numbers.
constexpr int64_t kNone = 0, kMean = 1, kSum = 2;

inline void check_reduction(const char* op, int64_t reduction) {
  check<ValueError>(reduction >= kNone && reduction <= kSum, op, ": ", reduction,
                    " is not a valid value for reduction: 0 is none, 1 mean, 2 sum");
}

template <class T>
DType joint_dtype(const T& a, const T& b) {
  Promotion promotion;
  promotion.add(a);
  promotion.add(b);
  return promotion.result();
}

inline void check_mse(std::string_view op, DType dtype) {
  check<NotImplementedError>(is_floating(dtype), op, ": \"mse_cpu\" not implemented for '",
                             dtype_name(dtype), "': convert with .to(torch.float32)");
}

template <class T>
Spec mse_loss(const T& self, const T& target, int64_t reduction) {
  check_reduction("mse_loss", reduction);
  const DType dtype = joint_dtype(self, target);
  check_mse("mse_loss", dtype);
  const Dims shape = broadcast(self.sizes(), target.sizes(), "mse_loss");
  return {reduction == kNone ? shape : Dims(), dtype, {}};
}

template <class T>
Spec mse_loss_backward(const T& grad, const T& self, const T& target) {
  const DType dtype = joint_dtype(self, target);
  check_mse("mse_loss_backward", dtype);
  const Dims shape = broadcast(self.sizes(), target.sizes(), "mse_loss_backward");
  return {broadcast(shape, grad.sizes(), "mse_loss_backward"), dtype, {}};
}

template <class T>
void check_nll(const char* op, const T& self, const T& target, const T& weight, int64_t classes,
               int64_t reduction) {
  check_reduction(op, reduction);
  check(is_floating(self.dtype()), op, ": expected floating scores, got ",
        dtype_name(self.dtype()));
  check(target.dtype() == DType::int64 || target.dtype() == DType::uint8, op,
        ": expected scalar type Long but found ", dtype_name(target.dtype()),
        ": class indices are torch.int64");
  check(!weight.defined() || (weight.dim() == 1 && weight.numel() == classes), op,
        ": weight tensor should be defined either for all ", classes,
        " classes or no classes but got weight tensor of shape: ",
        show(weight.defined() ? weight.sizes() : IntSpan()));
  if (weight.defined() && weight.dtype() != self.dtype())
    raise(op, ": expected scalar type ", scalar_type_name(self.dtype()), " but found ",
          scalar_type_name(weight.dtype()), ": weight and input must be of one dtype");
}

template <class T>
std::array<Spec, 2> nll_loss(const T& self, const T& target, const T& weight, int64_t reduction) {
  check(self.dim() > 0 && self.dim() <= 2, "nll_loss: input tensor should be 1D or 2D, got shape ",
        show(self.sizes()));
  check(target.dim() <= 1,
        "nll_loss: 0D or 1D target tensor expected, multi-target not supported, got "
        "shape ",
        show(target.sizes()));
  const bool no_batch = self.dim() == 1 && target.dim() == 0;
  check(no_batch || (target.dim() == 1 && self.sizes()[0] == target.sizes()[0]),
        "nll_loss: size mismatch (got input: ", show(self.sizes()),
        ", target: ", show(target.sizes()), ")");
  check_nll("nll_loss", self, target, weight, self.sizes().back(), reduction);
  Dims shape;
  if (reduction == kNone && self.dim() == 2) shape.push_back(self.sizes()[0]);
  return {Spec{shape, self.dtype(), {}}, Spec{Dims(), self.dtype(), {}}};
}

template <class T>
std::array<Spec, 2> nll_loss2d(const T& self, const T& target, const T& weight, int64_t reduction) {
  check(self.dim() == 4,
        "nll_loss2d: only batches of spatial inputs supported (4D tensors), but got "
        "input of size: ",
        show(self.sizes()));
  check(target.dim() == 3,
        "nll_loss2d: only batches of spatial targets supported (3D tensors) but got "
        "targets of size: : ",
        show(target.sizes()));
  check(self.sizes()[0] == target.sizes()[0] && self.sizes()[2] == target.sizes()[1] &&
            self.sizes()[3] == target.sizes()[2],
        "nll_loss2d: size mismatch (got input: ", show(self.sizes()),
        " , target: ", show(target.sizes()), ")");
  check_nll("nll_loss2d", self, target, weight, self.sizes()[1], reduction);
  return {Spec{reduction == kNone ? Dims(target.sizes()) : Dims(), self.dtype(), {}},
          Spec{Dims(), self.dtype(), {}}};
}

// Of the gradient: what the loss was computed from is checked by the rule that gave `loss`.
template <class T>
Spec nll_gradient(const char* op, const Spec& loss, const T& grad, const T& self,
                  const T& total_weight) {
  check(loss.sizes.empty() ? grad.numel() == 1 : same(grad.sizes(), loss.sizes), op,
        ": grad_output of shape ", show(grad.sizes()), " does not fit a loss of shape ",
        show(loss.sizes));
  check(total_weight.numel() == 1, op,
        ": expected total_weight to be a single element tensor, got shape ",
        show(total_weight.sizes()));
  return {Dims(self.sizes()), self.dtype(), {}};
}

template <class T>
Spec nll_loss_backward(const T& grad, const T& self, const T& target, const T& weight,
                       int64_t reduction, const T& total_weight) {
  const Spec loss = nll_loss(self, target, weight, reduction)[0];
  return nll_gradient("nll_loss_backward", loss, grad, self, total_weight);
}

template <class T>
Spec nll_loss2d_backward(const T& grad, const T& self, const T& target, const T& weight,
                         int64_t reduction, const T& total_weight) {
  const Spec loss = nll_loss2d(self, target, weight, reduction)[0];
  return nll_gradient("nll_loss2d_backward", loss, grad, self, total_weight);
}

}  // namespace flambeau::shape
