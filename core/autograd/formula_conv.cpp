// Gradients of the gradients of convolution and pooling.

#include "core/autograd/formulas.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/convolution.h"
#include "flambeau/ops/convolution_backward.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/gather.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/view.h"

namespace flambeau::formula {

// Valid as long as the node that keeps `sizes` is.
std::optional<IntSpan> optional_sizes(const Dims& sizes) {
  return sizes.empty() ? std::nullopt : std::optional<IntSpan>(sizes);
}

// The gradients are convolutions too, linear in each argument: the gradient with respect to
// grad_output is the forward of (ggI, W), (I, ggW) and ggb; that to the input is its own gradient
// under the weight ggW, and the other way round.
std::tuple<Tensor, Tensor, Tensor> convolution_double_backward_all(
    TensorSpan grads, const Tensor& grad, const Tensor& input, const Tensor& weight, IntSpan stride,
    IntSpan padding, IntSpan dilation, bool transposed, IntSpan output_padding, int64_t groups,
    const std::array<bool, 3>& needs) {
  const Tensor &ggi = grads[0], &ggw = grads[1], &ggb = grads[2];
  Tensor to_grad, to_input, to_weight;
  const auto forward = [&](const Tensor& x, const Tensor& w) {
    const Tensor y = entry::convolution(x, w, Tensor(), stride, padding, dilation, transposed,
                                        output_padding, groups);
    to_grad = to_grad.defined() ? entry::add_Tensor(to_grad, y, Scalar(int64_t{1})) : y;
  };
  const auto gradient = [&](const Tensor& x, const Tensor& w, bool of_input) {
    const bool mask[] = {of_input, !of_input, false};
    return entry::convolution_backward(grad, x, w, std::nullopt, stride, padding, dilation,
                                       transposed, output_padding, groups,
                                       std::span<const bool>(mask));
  };
  if (needs[0]) {
    if (ggi.defined()) forward(ggi, weight);
    if (ggw.defined()) forward(input, ggw);
    if (ggb.defined()) {
      const int64_t shape[] = {1, ggb.sizes()[0], 1, 1};
      const Tensor wide = entry::expand(entry::view(ggb, shape), grad.sizes(), false);
      to_grad = to_grad.defined() ? entry::add_Tensor(to_grad, wide, Scalar(int64_t{1})) : wide;
    }
  }
  if (needs[1] && ggw.defined()) to_input = std::get<0>(gradient(input, ggw, true));
  if (needs[2] && ggi.defined()) to_weight = std::get<1>(gradient(ggi, weight, false));
  return {to_grad, to_input, to_weight};
}

// Each window's gradient came from one place: read it there.
Tensor max_pool2d_double_backward(const Tensor& g, const Tensor& indices) {
  Dims flat(indices.sizes()), planes(g.sizes());
  const size_t n = flat.size();
  flat.resize(n - 1);
  planes.resize(n - 1);
  flat[n - 2] = indices.sizes()[n - 2] * indices.sizes()[n - 1];
  planes[n - 2] = g.sizes()[n - 2] * g.sizes()[n - 1];
  const Tensor read =
      entry::gather(entry::reshape(g, planes), -1, entry::reshape(indices, flat), false);
  return entry::view(read, indices.sizes());
}

}  // namespace flambeau::formula
