// Gradients of softmax, layer normalisation and dropout, and their gradients.

#include "core/autograd/formulas.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/exp.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/mean.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/neg.h"
#include "flambeau/ops/ones_like.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"

namespace flambeau::formula {
namespace {

Tensor mul(const Tensor& a, const Tensor& b) { return entry::mul_Tensor(a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return entry::sub_Tensor(a, b, Scalar(int64_t{1})); }
Tensor add(const Tensor& a, const Tensor& b) { return entry::add_Tensor(a, b, Scalar(int64_t{1})); }
Tensor sum(const Tensor& t, int64_t dim) {
  const int64_t dims[] = {dim};
  return entry::sum_dim_IntList(t, IntSpan(dims), true, std::nullopt);
}
Tensor mean(const Tensor& t, const Dims& dims) {
  return entry::mean_dim(t, IntSpan(dims), true, std::nullopt);
}

}  // namespace

// y = softmax, dx = (grad - sum(grad y)) y.
std::tuple<Tensor, Tensor> softmax_double_backward_all(const Tensor& g, const Tensor& grad,
                                                       const Tensor& output, int64_t dim, DType) {
  const Tensor dot = sum(mul(grad, output), dim), weighted = sum(mul(g, output), dim);
  const Tensor to_grad = mul(sub(g, weighted), output);
  const Tensor to_output = sub(sub(mul(g, grad), mul(g, dot)), mul(weighted, grad));
  return {to_grad, to_output};
}

// y = log_softmax, dx = grad - exp(y) sum(grad).
std::tuple<Tensor, Tensor> log_softmax_double_backward_all(const Tensor& g, const Tensor& grad,
                                                           const Tensor& output, int64_t dim) {
  const Tensor p = entry::exp(output), weighted = sum(mul(g, p), dim);
  const Tensor to_output = entry::neg(mul(mul(g, p), sum(grad, dim)));
  return {sub(g, weighted), to_output};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> layer_norm_double_backward_all(
    TensorSpan grads, const Tensor& grad, const Tensor& input, IntSpan normalized_shape,
    const Tensor&, const Tensor& rstd, const Tensor& weight) {
  const Tensor &gx = grads[0], &gw = grads[1], &gb = grads[2];
  // Over the normalised dimensions (inner) and the rows (outer).
  Dims inner, outer;
  const int64_t rows = input.dim() - static_cast<int64_t>(normalized_shape.size());
  for (int64_t d = 0; d < input.dim(); ++d) (d < rows ? outer : inner).push_back(d);
  // Mean and deviation again from the input, so that they are differentiated with it.
  const Tensor centred = sub(input, mean(input, inner));
  const Tensor xhat = mul(centred, rstd);
  const Tensor w = weight.defined() ? weight : entry::ones_like(xhat, {}, {}, {}, {}, {});
  Tensor to_grad, to_input, to_weight;
  const auto accumulate = [](Tensor& into, const Tensor& t) {
    into = into.defined() ? add(into, t) : t;
  };
  // The normalising map N(v) = rstd (v - mean(v) - xhat mean(v xhat)) is its own adjoint.
  const auto normal = [&](const Tensor& v) {
    return mul(rstd, sub(sub(v, mean(v, inner)), mul(xhat, mean(mul(v, xhat), inner))));
  };
  if (gx.defined()) {
    const Tensor dy = mul(grad, w), n = normal(gx);
    accumulate(to_grad, mul(n, w));
    if (weight.defined()) accumulate(to_weight, sum_to(mul(n, grad), weight.sizes()));
    // dx = rstd * (dy - a - xhat b); its derivative along gx with respect to xhat and rstd.
    const Tensor b = mean(mul(dy, xhat), inner);
    const Tensor through_xhat =
        entry::neg(mul(rstd, add(mul(gx, b), mul(dy, mean(mul(gx, xhat), inner)))));
    const Tensor dx = normal(dy);
    const Tensor through_rstd = entry::neg(mul(mul(xhat, rstd), mean(mul(gx, dx), inner)));
    accumulate(to_input, add(normal(through_xhat), through_rstd));
  }
  if (gw.defined()) {
    accumulate(to_grad, mul(xhat, gw));
    accumulate(to_input, normal(mul(grad, gw)));
  }
  if (gb.defined()) accumulate(to_grad, entry::expand(gb, input.sizes(), false));
  if (to_input.defined() && to_input.dtype() != input.dtype())
    to_input = entry::to_dtype(to_input, input.dtype(), false, false, {});
  return {to_grad, to_input, Tensor(), Tensor(), to_weight, Tensor()};
}

Tensor dropout_backward(const Tensor& g, const Tensor& mask, double p, std::optional<bool> train) {
  const double scale = !train.value_or(true) ? 1 : p == 1 ? 0 : 1 / (1 - p);
  return entry::mul_Scalar(mul(g, mask), Scalar(scale));
}

}  // namespace flambeau::formula
