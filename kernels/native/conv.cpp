// conv2d and max_pool2d over their recorded ops.

#include "flambeau/kernels.h"
#include "flambeau/ops.h"
#include "kernels/shape/conv.h"

namespace flambeau::native {
namespace {

Dims two(IntSpan v) { return v.size() == 1 ? Dims{v[0], v[0]} : Dims(v); }

Tensor batched_convolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                           IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  check(input.dim() == 3 || input.dim() == 4, "conv2d: Expected 3D (unbatched) or 4D (batched) input to "
        "conv2d, but got input of size: ", show(input.sizes()));
  check(weight.dim() == 4, "conv2d: Expected 4D weight, but got weight of size: ", show(weight.sizes()));
  const Dims none{0, 0};
  const auto run = [&](const Tensor& x) {
    return entry::convolution(x, weight, bias, two(stride), padding, two(dilation), false, none, groups);
  };
  if (input.dim() == 4) return run(input);
  return entry::squeeze_dim(run(entry::unsqueeze(input, 0)), 0);
}

}  // namespace

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
              IntSpan padding, IntSpan dilation, int64_t groups) {
  return batched_convolution(input, weight, bias, stride, two(padding), dilation, groups);
}

Tensor conv2d_named(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                    std::string_view padding, IntSpan dilation, int64_t groups) {
  if (padding == "valid")
    return batched_convolution(input, weight, bias, stride, Dims{0, 0}, dilation, groups);
  check(padding == "same", "conv2d: Invalid padding string: '", padding, "': 'same' and 'valid' exist");
  check(weight.dim() == 4, "conv2d: Expected 4D weight, but got weight of size: ", show(weight.sizes()));
  const Dims step = two(stride), dilate = two(dilation);
  check(step[0] == 1 && step[1] == 1, "conv2d: padding='same' is not supported for strided convolutions");
  Dims before(2, 0), extra(2, 0);
  for (int d = 0; d < 2; ++d) {
    const int64_t total = dilate[d] * (weight.sizes()[2 + d] - 1);
    before[d] = total / 2;
    extra[d] = total % 2;
  }
  if (extra[0] == 0 && extra[1] == 0)
    return batched_convolution(input, weight, bias, stride, before, dilation, groups);
  // An odd total: one more row or column of zeros behind.
  Dims shape(input.sizes());
  const size_t n = shape.size();
  for (int d = 0; d < 2; ++d) shape[n - 2 + d] += extra[d];
  const Tensor padded = entry::new_zeros(input, shape, {}, {}, {}, {});
  Tensor inside = padded;
  for (int d = 0; d < 2; ++d)
    inside = entry::slice_Tensor(inside, static_cast<int64_t>(n) - 2 + d, 0, input.sizes()[n - 2 + d], 1);
  entry::copy_(inside, input, false);
  return batched_convolution(padded, weight, bias, stride, before, dilation, groups);
}

Tensor max_pool2d(const Tensor& self, IntSpan kernel_size, IntSpan stride, IntSpan padding,
                  IntSpan dilation, bool ceil_mode) {
  return std::get<0>(
      entry::max_pool2d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode));
}

}  // namespace flambeau::native
