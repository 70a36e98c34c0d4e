#include "kernels/cpu/conv/convolution.h"

#include <algorithm>
#include <array>

#include "kernels/cpu/conv/conv2d.h"
#include "kernels/cpu/conv/integers.h"
#include "kernels/cpu/conv/volumes.h"
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

// Along one dimension: of the input, the filter, the output.
struct Axis {
  int64_t in = 1, taps = 1, out = 1, stride = 1, pad = 0, dilation = 1;

  // Nothing but a size: pixels stay as they are.
  bool plain() const { return taps == 1 && stride == 1 && pad == 0 && in == out; }
};

// How tensors of one to three dimensions are seen: as images, or as volumes where no two of the
// dimensions can be joined. Where there is one window, and it is all of the input, all elements are
// channels.
enum class View : uint8_t { line, image, joined, volume, whole };

bool is_whole(const std::array<Axis, 3>& axes) {
  bool any = false;
  for (const Axis& a : axes) {
    if (a.taps != a.in || a.pad != 0 || a.out != 1 || a.dilation != 1) return false;
    any |= a.taps > 1;
  }
  return any;
}

// Rows and columns as one dimension, where memory allows it.
bool joins(const Tensor& t) {
  const IntSpan sizes = t.sizes(), s = t.strides();
  return sizes[3] == 1 || sizes[4] == 1 || s[3] == sizes[4] * s[4];
}

Tensor seen(const Tensor& t, View view) {
  const IntSpan n = t.sizes(), s = t.strides();
  if (view == View::line) {
    return Tensor::alias(t, {{n[0], n[1], 1, n[2]}}, {{s[0], s[1], n[2] * s[2], s[2]}}, t.offset());
  }
  if (view == View::whole) {
    const int64_t channels = count(n.subspan(1));
    return Tensor::alias(t, {{n[0], channels, 1, 1}}, {{channels, 1, 1, 1}}, t.offset());
  }
  if (view != View::joined) return t;
  return Tensor::alias(t, {{n[0], n[1], n[2], n[3] * n[4]}},
                       {{s[0], s[1], s[2], n[4] == 1 ? s[3] : s[4]}}, t.offset());
}

// Whether images have the channels of a pixel side by side, and other neighbours than pixels.
bool is_last(const Tensor& images) {
  return images.is_contiguous(MemoryFormat::channels_last) && !images.is_contiguous();
}

// A convolution, and the tensors of one, of which a transposed one has input and output exchanged.
struct Problem {
  ConvType type;
  View view;
  // Of images: they lie as the shape rule lays out the results, channels last where input or weight
  // do; or so for the time of the call, where that pays.
  MemoryFormat format = MemoryFormat::contiguous;
  Conv3dShape shape;

  Problem(const Tensor& x, const Tensor& weight, const Tensor& y, IntSpan stride, IntSpan padding,
          IntSpan dilation, int64_t groups)
      : type(type_of(x.dtype())) {
    const size_t rank = weight.sizes().size() - 2;
    std::array<Axis, 3> axes;
    for (size_t i = 0; i < rank; ++i) {
      Axis& a = axes[3 - rank + i];
      const auto of = [i](IntSpan values) { return values[values.size() == 1 ? 0 : i]; };
      a = {x.sizes()[2 + i], weight.sizes()[2 + i], y.sizes()[2 + i],
           of(stride),       of(padding),           of(dilation)};
      // Steps that are never taken may be of any size.
      if (a.taps == 1) a.dilation = 1;
      if (a.out == 1) a.stride = std::min(a.stride, std::max<int64_t>(1, a.in + 2 * a.pad));
    }
    view = rank == 1 ? View::line : rank == 2 ? View::image : View::volume;
    if (view == View::volume && axes[1].plain() && axes[2].plain() && joins(x) && joins(y)) {
      view = View::joined;
      Axis pixels;
      pixels.in = pixels.out = axes[1].in * axes[2].in;
      axes = {Axis{}, axes[0], pixels};
    }
    if (is_whole(axes) && x.is_contiguous() && weight.is_contiguous() && y.is_contiguous()) {
      view = View::whole;
      axes = {};
    }
    const auto& [d, h, w] = axes;
    const int64_t elements = view == View::whole ? count(x.sizes().subspan(2)) : 1;
    shape = {.slice = {.n = x.sizes()[0],
                       .c = x.sizes()[1] * elements,
                       .h = h.in,
                       .w = w.in,
                       .k = y.sizes()[1],
                       .r = h.taps,
                       .s = w.taps,
                       .stride_h = h.stride,
                       .stride_w = w.stride,
                       .pad_h = h.pad,
                       .pad_w = w.pad,
                       .dil_h = h.dilation,
                       .dil_w = w.dilation,
                       .groups = groups,
                       .most_h = h.out,
                       .most_w = w.out},
             .d = d.in,
             .t = d.taps,
             .stride_d = d.stride,
             .pad_d = d.pad,
             .dil_d = d.dilation,
             .out_d = d.out};
  }

  bool volumes() const { return view == View::volume; }
  // Whether what is seen of a tensor has its channels last, whatever the tensor has.
  bool lies_last(const Tensor& images) const {
    return view == View::whole || (view == View::joined && is_last(images));
  }
  ConvLayout layout() const {
    return format == MemoryFormat::channels_last ? ConvLayout::nhwc : ConvLayout::nchw;
  }
};

// What a pass reads: images in the layout of the problem, or turned; lines also as they lie.
struct Source {
  ConvLayout layout;
  Tensor tensor;

  Source(const Tensor& images, const Problem& p, bool turned) {
    const bool last = turned || p.format == MemoryFormat::channels_last ||
                      (p.view != View::image && is_last(images));
    layout = last ? ConvLayout::nhwc : ConvLayout::nchw;
    tensor = contiguous_in(images, last ? MemoryFormat::channels_last : MemoryFormat::contiguous);
  }
};

ConvFilters filters_of(const Tensor& weight) {
  const IntSpan s = weight.strides();
  return {weight.bytes(), s[0], s[1], s[2], s[3]};
}

// The bias of a transposed convolution, for each of the channels that are seen.
Tensor seen_bias(const Tensor& bias, const Problem& p) {
  if (p.view != View::whole || !bias.defined() || bias.numel() == 0) return bias;
  const int64_t channels = bias.numel(), elements = p.shape.slice.c / channels;
  return packed(Tensor::alias(bias, {{channels, elements}}, {{1, 0}}, bias.offset()), bias.dtype());
}

const char* bytes_of(const Tensor& bias) { return bias.defined() ? bias.bytes() : nullptr; }

// y = x * weight + bias. `last`: tensors of the call have their channels last.
void forward(Problem p, bool last, const Tensor& x, const Tensor& weight, const Tensor& bias,
             const Tensor& out) {
  if (p.volumes()) return conv3d(p.type, p.shape, x, weight, bytes_of(bias), out);
  const Conv2dShape& shape = p.shape.slice;
  const Tensor images = seen(out, p.view);
  if (last || p.lies_last(images) || conv2d_prefers_nhwc(p.type, shape, false))
    p.format = MemoryFormat::channels_last;
  const Source from(seen(x, p.view), p, conv2d_turns(p.type, shape));
  const Tensor y = place_for(images, out.dtype(), p.format);
  conv2d(p.type, {from.layout, p.layout()}, shape, from.tensor.bytes(),
         filters_of(seen(weight, p.view)), bytes_of(bias), y.bytes());
  deliver(images, y);
}

// The gradient of x, given that of y; plus a bias.
void backward(Problem p, bool last, const Tensor& dy, const Tensor& weight, const Tensor& bias,
              const Tensor& out) {
  if (p.volumes()) return conv3d_grad_input(p.type, p.shape, dy, weight, bytes_of(bias), out);
  const Conv2dShape& shape = p.shape.slice;
  const Tensor images = seen(out, p.view);
  if (last || p.lies_last(images) || conv2d_prefers_nhwc(p.type, shape, true))
    p.format = MemoryFormat::channels_last;
  const Source from(seen(dy, p.view), p, conv2d_grad_input_turns(p.type, shape));
  const Tensor by = seen_bias(bias, p), dx = place_for(images, out.dtype(), p.format);
  conv2d_grad_input(p.type, {from.layout, p.layout()}, shape, from.tensor.bytes(),
                    filters_of(seen(weight, p.view)), bytes_of(by), dx.bytes());
  deliver(images, dx);
}

// The gradient of the weight.
void gradient(Problem p, bool last, const Tensor& x, const Tensor& dy, const Tensor& out) {
  if (p.volumes()) return conv3d_grad_filters(p.type, p.shape, x, dy, out);
  const Conv2dShape& shape = p.shape.slice;
  if (last || p.view == View::whole || conv2d_prefers_nhwc(p.type, shape, false))
    p.format = MemoryFormat::channels_last;
  if (conv2d_grad_filters_prefers_nchw(p.type, shape)) p.format = MemoryFormat::contiguous;
  const Tensor from = contiguous_in(seen(x, p.view), p.format);
  const Tensor g = contiguous_in(seen(dy, p.view), p.format), to = seen(out, p.view);
  const IntSpan s = to.strides();
  conv2d_grad_filters(p.type, p.layout(), shape, from.bytes(), g.bytes(),
                      {to.bytes(), s[0], s[1], s[2], s[3]});
}

// The sum of the output's gradient over all but its channels.
void gradient_of_bias(const Tensor& grad, const Tensor& out) {
  const Tensor g =
      grad.dim() == 4 && is_last(grad) ? grad : contiguous_in(grad, MemoryFormat::contiguous);
  const IntSpan sizes = g.sizes();
  const int64_t pixels = count(sizes.subspan(2));
  Conv2dShape shape{};
  shape.n = sizes[0];
  shape.k = sizes[1];
  shape.most_h = 1;
  shape.most_w = pixels;
  conv2d_grad_bias(type_of(grad.dtype()), g.is_contiguous() ? ConvLayout::nchw : ConvLayout::nhwc,
                   shape, g.bytes(), out.bytes());
}

}  // namespace

void convolution(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 IntSpan stride, IntSpan padding, IntSpan dilation, bool transposed,
                 int64_t groups) {
  if (out.numel() == 0) return;
  if (is_integral(out.dtype(), false)) {
    return convolve_integers(out, input, weight, bias, stride, padding, dilation, transposed,
                             groups);
  }
  const Tensor b = bias.defined() ? contiguous_in(bias, MemoryFormat::contiguous) : bias;
  const bool last = input.dim() == 4 && shape::channels_last(input, weight);
  if (transposed) {
    const Problem p(out, weight, input, stride, padding, dilation, groups);
    return backward(p, last, input, weight, b, out);
  }
  const Problem p(input, weight, out, stride, padding, dilation, groups);
  forward(p, last, input, weight, b, out);
}

void convolution_backward(const Tensor& grad_input, const Tensor& grad_weight,
                          const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                          const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                          bool transposed, int64_t groups, std::span<const bool> mask) {
  if (grad.numel() == 0 || input.numel() == 0) {
    if (mask[0]) fill(grad_input, 0);
    if (mask[1]) fill(grad_weight, 0);
    if (mask[2]) grad.numel() == 0 ? fill(grad_bias, 0) : gradient_of_bias(grad, grad_bias);
    return;
  }
  const Tensor &x = transposed ? grad : input, &y = transposed ? input : grad;
  const Problem p(x, weight, y, stride, padding, dilation, groups);
  const bool last = input.dim() == 4 && shape::channels_last(input, weight);
  if (mask[0]) {
    if (transposed)
      forward(p, last, grad, weight, {}, grad_input);
    else
      backward(p, last, grad, weight, {}, grad_input);
  }
  if (mask[1]) gradient(p, last, x, y, grad_weight);
  if (mask[2]) gradient_of_bias(grad, grad_bias);
}

}  // namespace flambeau::inline v1::cpu
