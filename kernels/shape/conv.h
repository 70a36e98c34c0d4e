// Shape rules of convolution and pooling over two dimensions.
#pragma once

#include "core/tensor/checked.h"
#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::inline v1::shape {

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

inline Spec image_spec(Dims sizes, DType dtype, bool last) {
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
  return image_spec(sizes, input.dtype(), channels_last(input, weight));
}

// One argument stands for both dimensions; an empty stride is the kernel's size.
inline std::array<int64_t, 2> pair_of(IntSpan v, const char* op, const char* name) {
  check(v.size() == 1 || v.size() == 2, op, ": ", name,
        " must either be a single int, or a tuple of two "
        "ints");
  return {v[0], v[v.size() - 1]};
}

}  // namespace flambeau::inline v1::shape
