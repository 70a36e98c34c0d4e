#include "kernels/cpu/conv/convolution.h"

#include "kernels/cpu/conv/conv2d.h"
#include "kernels/cpu/conv/integers.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/shape/conv.h"

namespace flambeau::inline v1::cpu {
namespace {

ConvType type_of(DType dtype) {
  check<NotImplementedError>(is_floating(dtype), "convolution: not implemented for ",
                             dtype_name(dtype), ": convert with .to(torch.float32)");
  switch (dtype) {
    case DType::float64:
      return ConvType::f64;
    case DType::bfloat16:
      return ConvType::bf16;
    case DType::float16:
      return ConvType::f16;
    default:
      return ConvType::f32;
  }
}

Tensor contiguous_in(const Tensor& t, MemoryFormat format) { return packed(t, t.dtype(), format); }

// All images lie as the shape rule lays out the results, channels last where input or weight do;
// or so for the time of the call, where that pays.
struct Problem {
  ConvType type;
  MemoryFormat format;
  ConvLayout layout;
  Conv2dShape shape;

  Problem(const Tensor& input, const Tensor& weight, IntSpan stride, IntSpan padding,
          IntSpan dilation, int64_t groups, bool grad_input)
      : type(type_of(input.dtype())) {
    const IntSpan x = input.sizes(), w = weight.sizes();
    shape = {.n = x[0],
             .c = x[1],
             .h = x[2],
             .w = x[3],
             .k = w[0],
             .r = w[2],
             .s = w[3],
             .stride_h = stride[0],
             .stride_w = stride[1],
             .pad_h = padding[0],
             .pad_w = padding[1],
             .dil_h = dilation[0],
             .dil_w = dilation[1],
             .groups = groups};
    // Steps that are never taken may be of any size.
    if (shape.r == 1) shape.dil_h = 1;
    if (shape.s == 1) shape.dil_w = 1;
    shape.stride_h = std::min(shape.stride_h, shape.h + 2 * shape.pad_h);
    shape.stride_w = std::min(shape.stride_w, shape.w + 2 * shape.pad_w);
    const bool last =
        shape::channels_last(input, weight) || conv2d_prefers_nhwc(type, shape, grad_input);
    format = last ? MemoryFormat::channels_last : MemoryFormat::contiguous;
    layout = last ? ConvLayout::nhwc : ConvLayout::nchw;
  }
};

// What a pass reads: images in the layout of the problem, or turned.
struct Source {
  ConvLayout layout;
  Tensor tensor;

  Source(const Tensor& images, const Problem& p, bool turned)
      : layout(turned ? ConvLayout::nhwc : p.layout),
        tensor(contiguous_in(images, turned ? MemoryFormat::channels_last : p.format)) {}
};

ConvFilters filters_of(const Tensor& weight) {
  const IntSpan s = weight.strides();
  return {weight.bytes(), s[0], s[1], s[2], s[3]};
}

}  // namespace

void convolution(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  if (out.numel() == 0) return;
  if (is_integral(out.dtype(), false)) {
    return convolve_integers(out, input, weight, bias, stride, padding, dilation, groups);
  }
  const Problem p(input, weight, stride, padding, dilation, groups, false);
  const Source x(input, p, conv2d_turns(p.type, p.shape));
  const Tensor b = bias.defined() ? contiguous_in(bias, MemoryFormat::contiguous) : bias;
  const Tensor y = place_for(out, out.dtype(), p.format);
  conv2d(p.type, {x.layout, p.layout}, p.shape, x.tensor.bytes(), filters_of(weight),
         b.defined() ? b.bytes() : nullptr, y.bytes());
  deliver(out, y);
}

void convolution_backward(const Tensor& grad_input, const Tensor& grad_weight,
                          const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                          const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                          int64_t groups, std::span<const bool> mask) {
  if (grad.numel() == 0) {
    for (const Tensor& t : {grad_input, grad_weight, grad_bias})
      if (t.defined()) fill(t, 0);
    return;
  }
  const Problem p(input, weight, stride, padding, dilation, groups, mask[0]);
  if (mask[0]) {
    const Source dy(grad, p, conv2d_grad_input_turns(p.type, p.shape));
    const Tensor dx = place_for(grad_input, grad_input.dtype(), p.format);
    conv2d_grad_input(p.type, {dy.layout, p.layout}, p.shape, dy.tensor.bytes(), filters_of(weight),
                      dx.bytes());
    deliver(grad_input, dx);
  }
  if (mask[1]) {
    const bool planes = conv2d_grad_filters_prefers_nchw(p.type, p.shape);
    const MemoryFormat format = planes ? MemoryFormat::contiguous : p.format;
    const Tensor x = contiguous_in(input, format), g = contiguous_in(grad, format);
    const IntSpan s = grad_weight.strides();
    conv2d_grad_filters(p.type, planes ? ConvLayout::nchw : p.layout, p.shape, x.bytes(), g.bytes(),
                        {grad_weight.bytes(), s[0], s[1], s[2], s[3]});
  }
  if (mask[2]) {
    const Tensor dy = contiguous_in(grad, p.format);
    conv2d_grad_bias(p.type, p.layout, p.shape, dy.bytes(), grad_bias.bytes());
  }
}

}  // namespace flambeau::inline v1::cpu
