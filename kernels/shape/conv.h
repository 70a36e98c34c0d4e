// Shape rules of convolution and pooling over two dimensions.
#pragma once

#include "core/dispatch/checked.h"
#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

// One dimension of a window that slides over an input, in checked arithmetic: kernels add these
// numbers to places without a look.
struct Sliding {
  int64_t window;  // from the first to the last tap
  int64_t padded;  // the input with its padding

  Sliding(int64_t in, int64_t kernel, int64_t padding, int64_t dilation)
      : window(printed::add(printed::mul(dilation, printed::sub(kernel, 1)), 1)),
        padded(printed::add(in, printed::mul(2, padding))) {
    printed::add(padded, window);
  }
};

template <class T>
bool channels_last(const T& input, const T& weight) {
  return input.suggest_memory_format() == MemoryFormat::channels_last ||
         weight.suggest_memory_format() == MemoryFormat::channels_last;
}

template <class T>
Spec image_spec(const T& like, Dims sizes, DType dtype, bool last) {
  Spec spec{std::move(sizes), dtype, {}};
  if (last) spec.strides = channels_last_strides(spec.sizes);
  return spec;
}

template <class T>
Spec convolution(const T& input, const T& weight, const T& bias, IntSpan stride, IntSpan padding,
                 IntSpan dilation, bool transposed, IntSpan, int64_t groups) {
  check<NotImplementedError>(!transposed, "convolution: transposed=True is not supported");
  check<NotImplementedError>(input.dim() == 4 && weight.dim() == 4,
                             "convolution: only 4-D input and "
                             "weight are supported, got shapes ",
                             show(input.sizes()), " and ", show(weight.sizes()));
  check(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
        "convolution: stride, padding and dilation need 2 elements each");
  check(groups > 0, "convolution: non-positive groups is not supported");
  for (int d = 0; d < 2; ++d) {
    check(stride[d] > 0, "convolution: non-positive stride is not supported, got ", show(stride));
    check(padding[d] >= 0, "convolution: negative padding is not supported, got ", show(padding));
    check(dilation[d] > 0, "convolution: dilation should be greater than zero, got ",
          show(dilation));
  }
  const IntSpan x = input.sizes(), w = weight.sizes();
  check(w[0] >= groups, "convolution: Given groups=", groups, ", expected weight to be at least ",
        groups, " at dimension 0, but got weight of size ", show(w), " instead");
  check(w[0] % groups == 0, "convolution: Given groups=", groups,
        ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size ",
        show(w), " instead");
  check(x[1] == w[1] * groups, "convolution: Given groups=", groups, ", weight of size ", show(w),
        ", expected input", show(x), " to have ", w[1] * groups, " channels, but got ", x[1],
        " channels instead");
  check(!bias.defined() || (bias.dim() == 1 && bias.sizes()[0] == w[0]),
        "convolution: Given weight of "
        "size ",
        show(w), ", expected bias to be 1-dimensional with ", w[0],
        " elements, but got bias of size ", show(bias.defined() ? bias.sizes() : IntSpan()),
        " instead");
  check(input.dtype() == weight.dtype(), "convolution: Input type (", dtype_name(input.dtype()),
        ") and weight type (", dtype_name(weight.dtype()), ") should be the same");
  check(!bias.defined() || bias.dtype() == input.dtype(), "convolution: Input type (",
        dtype_name(input.dtype()), ") and bias type (",
        dtype_name(bias.defined() ? bias.dtype() : input.dtype()), ") should be the same");
  Dims sizes{x[0], w[0], 0, 0};
  for (int d = 0; d < 2; ++d) {
    const auto slide = [&](int i) { return Sliding(x[2 + i], w[2 + i], padding[i], dilation[i]); };
    const Sliding s = slide(d);
    check(s.window <= s.padded, "convolution: Calculated padded input size per channel: (",
          slide(0).padded, " x ", slide(1).padded, "). Kernel size: (", slide(0).window, " x ",
          slide(1).window, "). Kernel size can't be greater than actual input size");
    sizes[2 + d] = (s.padded - s.window) / stride[d] + 1;
  }
  return image_spec(input, sizes, input.dtype(), channels_last(input, weight));
}

template <class T>
std::array<Spec, 3> convolution_backward(const T& grad_output, const T& input, const T& weight,
                                         IntSpan stride, IntSpan padding, IntSpan dilation,
                                         bool transposed, IntSpan output_padding, int64_t groups,
                                         std::span<const bool> mask) {
  const Spec output = convolution(input, weight, T(), stride, padding, dilation, transposed,
                                  output_padding, groups);
  check(same(grad_output.sizes(), output.sizes),
        "convolution_backward: expected grad_output of shape ", show(output.sizes),
        ", as the output of the convolution, but got ", show(grad_output.sizes()));
  check(grad_output.dtype() == input.dtype(), "convolution_backward: grad_output type (",
        dtype_name(grad_output.dtype()), ") and input type (", dtype_name(input.dtype()),
        ") should be the same");
  const bool last = channels_last(input, weight);
  const Spec unwanted{{0}, input.dtype(), {}};
  return {mask[0] ? image_spec(input, Dims(input.sizes()), input.dtype(), last) : unwanted,
          mask[1] ? image_spec(weight, Dims(weight.sizes()), weight.dtype(), last) : unwanted,
          mask[2] ? Spec{{weight.sizes()[0]}, weight.dtype(), {}} : unwanted};
}

// One argument stands for both dimensions; an empty stride is the kernel's size.
inline std::array<int64_t, 2> pair_of(IntSpan v, const char* op, const char* name) {
  check(v.size() == 1 || v.size() == 2, op, ": ", name,
        " must either be a single int, or a tuple of two "
        "ints");
  return {v[0], v[v.size() - 1]};
}

// The kernels know the other dtypes only.
inline void check_pools(std::string_view op, DType dtype) {
  const bool wide_unsigned =
      dtype == DType::uint16 || dtype == DType::uint32 || dtype == DType::uint64;
  check<NotImplementedError>(!is_complex(dtype) && dtype != DType::boolean && !wide_unsigned, op,
                             ": \"max_pool2d\" not implemented for '", dtype_name(dtype),
                             "': convert with .to(torch.float32)");
}

template <class T>
std::array<Spec, 2> max_pool2d(const T& self, IntSpan kernel_size, IntSpan stride, IntSpan padding,
                               IntSpan dilation, bool ceil_mode) {
  const auto kernel = pair_of(kernel_size, "max_pool2d", "kernel_size");
  check(stride.empty() || stride.size() <= 2,
        "max_pool2d: stride must either be omitted, a single int, "
        "or a tuple of two ints");
  const auto step = stride.empty() ? kernel : pair_of(stride, "max_pool2d", "stride");
  const auto pad = pair_of(padding, "max_pool2d", "padding");
  const auto dilate = pair_of(dilation, "max_pool2d", "dilation");
  check(self.dim() == 3 || self.dim() == 4,
        "max_pool2d: non-empty 3D or 4D (batch mode) tensor expected "
        "for input, got shape ",
        show(self.sizes()));
  check_pools("max_pool2d", self.dtype());
  Dims sizes(self.sizes());
  for (int d = 0; d < 2; ++d) {
    check(kernel[d] > 0, "max_pool2d: kernel size should be greater than zero, but got ",
          show(kernel_size));
    check(step[d] > 0, "max_pool2d: stride should be greater than zero, but got ", show(stride));
    check(dilate[d] > 0, "max_pool2d: dilation should be greater than zero, but got ",
          show(dilation));
    check(pad[d] >= 0, "max_pool2d: pad must be non-negative, but got pad: ", pad[d]);
    const size_t at = sizes.size() - 2 + d;
    const int64_t in = sizes[at];
    const auto [window, padded] = Sliding(in, kernel[d], pad[d], dilate[d]);
    check(pad[d] <= window / 2,
          "max_pool2d: pad should be at most half of effective kernel size, but "
          "got pad=",
          pad[d], ", kernel_size=", kernel[d], " and dilation=", dilate[d]);
    const int64_t room = padded - window;
    int64_t out = (room < 0 ? -1 : room / step[d]) + 1;
    if (ceil_mode) {
      out = printed::sub(printed::add(room, step[d]), 1) / step[d] + 1;
      if (printed::mul(out - 1, step[d]) >= in + pad[d]) --out;
    }
    check(out >= 1, "max_pool2d: Given input size: ", show(self.sizes()),
          ". Calculated output size is too small");
    sizes[at] = out;
  }
  for (size_t d = self.dim() == 4 ? 1 : 0; d < sizes.size(); ++d)
    check(self.sizes()[d] > 0,
          "max_pool2d: Expected 3D or 4D (batch mode) tensor with optional 0 dim "
          "batch size for input, but got: ",
          show(self.sizes()));
  const bool last = self.dim() == 4 && self.suggest_memory_format() == MemoryFormat::channels_last;
  return {image_spec(self, sizes, self.dtype(), last), image_spec(self, sizes, DType::int64, last)};
}

template <class T>
Spec max_pool2d_backward(const T& grad, const T& self, const T& indices) {
  check_pools("max_pool2d_with_indices_backward", self.dtype());
  const IntSpan g = grad.sizes(), x = self.sizes();
  check((x.size() == 3 || x.size() == 4) && g.size() == x.size() && same(g, indices.sizes()) &&
            std::equal(g.begin(), g.end() - 2, x.begin()),
        "max_pool2d_with_indices_backward: grad_output of shape ", show(g),
        " and indices of shape ", show(indices.sizes()), " do not fit an input of shape ", show(x));
  check(indices.dtype() == DType::int64 && grad.dtype() == self.dtype(),
        "max_pool2d_with_indices_backward: indices must be int64 and grad_output of the input's "
        "dtype, got ",
        dtype_name(indices.dtype()), " and ", dtype_name(grad.dtype()), " for ",
        dtype_name(self.dtype()));
  const bool last = self.dim() == 4 && self.suggest_memory_format() == MemoryFormat::channels_last;
  return image_spec(self, Dims(self.sizes()), self.dtype(), last);
}

}  // namespace flambeau::shape
