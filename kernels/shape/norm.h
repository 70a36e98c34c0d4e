// Shape and dtype rules of softmax and layer normalisation.
#pragma once

#include <functional>
#include <numeric>

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

template <class T>
void check_softmax_dtype(const char* op, const T& self) {
  check<NotImplementedError>(is_floating(self.dtype()), op, ": \"", op, "\" not implemented for '",
                             dtype_name(self.dtype()), "': give dtype=torch.float32 or convert");
}

template <class T>
Spec softmax(const T& self, int64_t dim, bool half_to_float) {
  check(!half_to_float, "softmax: softmax with half to float conversion is not supported on CPU");
  wrap_dim(dim, self.dim(), "softmax");
  check_softmax_dtype("softmax", self);
  return {Dims(self.sizes()), self.dtype(), {}};
}

template <class T>
Spec softmax_backward(const T& grad, const T& output, int64_t dim, DType input_dtype) {
  wrap_dim(dim, grad.dim(), "softmax_backward");
  check(same(grad.sizes(), output.sizes()), "softmax_backward: grad ", show(grad.sizes()),
        " and output ", show(output.sizes()), " must have the same shape");
  check(grad.dtype() == output.dtype() && input_dtype == grad.dtype(),
        "softmax_backward: grad, output and input_dtype must be of one dtype, got ",
        dtype_name(grad.dtype()), ", ", dtype_name(output.dtype()), " and ",
        dtype_name(input_dtype), ": convert them first");
  check<NotImplementedError>(is_floating(input_dtype),
                             "softmax_backward: \"softmax_backward\" not implemented for '",
                             dtype_name(grad.dtype()), "' with input_dtype '",
                             dtype_name(input_dtype), "': convert with .to(torch.float32)");
  return {Dims(grad.sizes()), input_dtype, {}};
}

// How many of the leading dimensions are rows; checks the shapes against normalized_shape.
template <class T>
size_t layer_norm_rows(const T& input, IntSpan normalized_shape, const T& weight, const T& bias) {
  check(!normalized_shape.empty(),
        "layer_norm: Expected normalized_shape to be at least "
        "1-dimensional, i.e., containing at least one element, but got normalized_shape = ",
        show(normalized_shape));
  check(!weight.defined() || same(weight.sizes(), normalized_shape),
        "layer_norm: Expected weight to "
        "be of same shape as normalized_shape, but got weight of shape ",
        show(weight.defined() ? weight.sizes() : IntSpan()),
        " and normalized_shape = ", show(normalized_shape));
  check(!bias.defined() || same(bias.sizes(), normalized_shape),
        "layer_norm: Expected bias to be of "
        "same shape as normalized_shape, but got bias of shape ",
        show(bias.defined() ? bias.sizes() : IntSpan()),
        " and normalized_shape = ", show(normalized_shape));
  const size_t n = static_cast<size_t>(input.dim()), k = normalized_shape.size();
  if (n < k || !same(input.sizes().subspan(n - k), normalized_shape))
    raise("layer_norm: Given normalized_shape=", show(normalized_shape),
          ", expected input with shape [*, ", concat(show(normalized_shape)).substr(1),
          ", but got input of size ", show(input.sizes()));
  return n - k;
}

template <class T>
std::array<Spec, 3> layer_norm(const T& input, IntSpan normalized_shape, const T& weight,
                               const T& bias) {
  const size_t rows = layer_norm_rows(input, normalized_shape, weight, bias);
  check<NotImplementedError>(is_floating(input.dtype()),
                             "layer_norm: \"LayerNormKernelImpl\" not "
                             "implemented for '",
                             dtype_name(input.dtype()), "'");
  check(!weight.defined() || weight.dtype() == input.dtype() || weight.dtype() == DType::float32,
        "layer_norm: mixed dtype (CPU): expect parameter to have scalar type of Float or ",
        dtype_name(input.dtype()), ", got ",
        dtype_name(weight.defined() ? weight.dtype() : DType::float32));
  Dims stat(input.sizes());
  for (size_t d = rows; d < stat.size(); ++d) stat[d] = 1;
  const DType stat_dtype =
      weight.defined() && weight.dtype() != input.dtype() ? weight.dtype() : input.dtype();
  return {Spec{Dims(input.sizes()), input.dtype(), {}}, Spec{stat, stat_dtype, {}},
          Spec{stat, stat_dtype, {}}};
}

template <class T>
std::array<Spec, 3> layer_norm_backward(const T& grad, const T& input, IntSpan normalized_shape,
                                        const T& mean, const T& rstd, const T& weight,
                                        const T& bias) {
  const std::array<Spec, 3> forward = layer_norm(input, normalized_shape, weight, bias);
  const Dims& stat = forward[1].sizes;
  const auto rows = std::accumulate(stat.begin(), stat.end(), int64_t{1}, std::multiplies<>());
  check(same(grad.sizes(), input.sizes()), "layer_norm_backward: grad_out of shape ",
        show(grad.sizes()), " does not fit an input of shape ", show(input.sizes()));
  check(mean.numel() == rows && rstd.numel() == rows, "layer_norm_backward: mean of shape ",
        show(mean.sizes()), " and rstd of shape ", show(rstd.sizes()), " do not fit ", rows,
        " rows of an input of shape ", show(input.sizes()));
  const DType affine = weight.defined() ? weight.dtype()
                       : bias.defined() ? bias.dtype()
                                        : input.dtype();
  return {Spec{Dims(input.sizes()), input.dtype(), {}}, Spec{Dims(normalized_shape), affine, {}},
          Spec{Dims(normalized_shape), affine, {}}};
}

}  // namespace flambeau::shape
