// conv2d and max_pool2d over their recorded ops.

#include "kernels/shape/conv.h"

#include "flambeau/kernels/conv.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/as_strided.h"
#include "flambeau/ops/convolution.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/new_zeros.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/squeeze.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"

namespace flambeau::inline v1::native {
namespace {

Dims two(IntSpan v) { return v.size() == 1 ? Dims{v[0], v[0]} : Dims(v); }

// The last two dimensions with zeros before and behind.
Tensor padded(const Tensor& input, IntSpan before, IntSpan behind) {
  Dims shape(input.sizes());
  const int64_t first = input.dim() - 2;
  for (int d = 0; d < 2; ++d) shape[first + d] += before[d] + behind[d];
  const Tensor out = entry::new_zeros(input, shape, {}, {}, {}, {});
  Tensor inside = out;
  for (int d = 0; d < 2; ++d) {
    const int64_t end = before[d] + input.sizes()[first + d];
    inside = entry::slice_Tensor(inside, first + d, before[d], end, 1);
  }
  entry::copy_(inside, input, false);
  return out;
}

// For dtypes that the convolution kernels leave out: a product of the weight with all windows.
Tensor window_convolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                          IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  const Dims none{0, 0};
  const Dims out =
      shape::convolution(input, weight, bias, stride, padding, dilation, false, none, groups).sizes;
  const Tensor x = padded(input, padding, padding);
  const IntSpan w = weight.sizes(), s = x.strides();
  const int64_t patch = w[1] * w[2] * w[3], places = out[2] * out[3];
  const Tensor windows =
      entry::as_strided(x, Dims{out[0], groups, w[1], w[2], w[3], out[2], out[3]},
                        Dims{s[0], w[1] * s[1], s[1], dilation[0] * s[2], dilation[1] * s[3],
                             stride[0] * s[2], stride[1] * s[3]},
                        x.offset());
  const Tensor columns = entry::reshape(windows, Dims{out[0], groups, patch, places});
  const Tensor rows = entry::reshape(weight, Dims{groups, w[0] / groups, patch});
  const Tensor result = entry::reshape(entry::matmul(rows, columns), out);
  if (!bias.defined()) return result;
  return entry::add_Tensor(result, entry::view(bias, Dims{w[0], 1, 1}), Scalar(int64_t{1}));
}

Tensor batched_convolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                           IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  check(input.dim() == 3 || input.dim() == 4,
        "conv2d: Expected 3D (unbatched) or 4D (batched) input to "
        "conv2d, but got input of size: ",
        show(input.sizes()));
  check(weight.dim() == 4,
        "conv2d: Expected 4D weight, but got weight of size: ", show(weight.sizes()));
  const Dims none{0, 0};
  const auto run = [&](const Tensor& x) {
    if (!is_floating(x.dtype()))
      return window_convolution(x, weight, bias, two(stride), padding, two(dilation), groups);
    return entry::convolution(x, weight, bias, two(stride), padding, two(dilation), false, none,
                              groups);
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
  check(padding == "same", "conv2d: Invalid padding string: '", padding,
        "': 'same' and 'valid' exist");
  check(weight.dim() == 4,
        "conv2d: Expected 4D weight, but got weight of size: ", show(weight.sizes()));
  const Dims step = two(stride), dilate = two(dilation);
  check(step[0] == 1 && step[1] == 1,
        "conv2d: padding='same' is not supported for strided convolutions");
  Dims before(2, 0), extra(2, 0);
  for (int d = 0; d < 2; ++d) {
    const int64_t total = dilate[d] * (weight.sizes()[2 + d] - 1);
    before[d] = total / 2;
    extra[d] = total % 2;
  }
  if (extra[0] == 0 && extra[1] == 0)
    return batched_convolution(input, weight, bias, stride, before, dilation, groups);
  // An odd total: one more row or column of zeros behind.
  const Tensor wider = padded(input, Dims{0, 0}, extra);
  return batched_convolution(wider, weight, bias, stride, before, dilation, groups);
}

}  // namespace flambeau::inline v1::native
