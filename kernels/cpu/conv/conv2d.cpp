#include "kernels/cpu/conv/conv2d.h"

#include <algorithm>

#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/conv/lanes.h"
#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/conv/regions.h"

namespace flambeau::inline v1::cpu {
namespace {

// What is turned for groups of few channels should stay near; more of it pays for the gradient of
// the input, which is written in steps otherwise.
constexpr int64_t kTurnBytes = 3 << 20;

}  // namespace

Taps forward_taps(int64_t size, int64_t pad, int64_t dilation) {
  Taps taps;
  for (int64_t i = 0; i < size; ++i) {
    taps.offsets.push_back(i * dilation - pad);
    taps.filter.push_back(i);
  }
  return taps;
}

Taps backward_taps(int64_t size, int64_t pad, int64_t dilation, int64_t stride, int64_t phase) {
  Taps taps;
  for (int64_t i = size; i-- > 0;) {
    const int64_t distance = phase + pad - i * dilation;
    if (distance % stride != 0) continue;
    taps.offsets.push_back(distance / stride);
    taps.filter.push_back(i);
  }
  return taps;
}

namespace {

// Along one axis, for all pixels together.
int64_t taps_inside(int64_t grid, int64_t step, const int64_t* offsets, int64_t taps,
                    int64_t size) {
  int64_t inside = 0;
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t i = 0; i < grid; ++i) {
      const int64_t at = i * step + offsets[t];
      inside += at >= 0 && at < size;
    }
  }
  return inside;
}

// Whether leaving out the padding saves more than it takes to turn the input and the output.
bool turning_pays(const ConvMath& math, const Conv2dShape& shape, const PatchSource& source,
                  int64_t outs) {
  // In multiply-adds: of an element that is turned, and of one of a patch that is copied, which
  // planes may not need.
  constexpr int64_t kTurnCost = 32, kCopyCost = 6;
  const int64_t image = shape.c * shape.h * shape.w + shape.k * shape.out_h() * shape.out_w();
  const int64_t turning = shape.n * image * kTurnCost;
  const int64_t work =
      shape.n * source.grid_h * source.grid_w * source.elements() * outs * shape.groups;
  if (work < 2 * turning) return false;
  const auto pays = [&](int64_t saved) {
    return saved > turning + (work - saved) / outs * kCopyCost;
  };
  const int64_t inside =
      taps_inside(source.grid_h, source.step_h, source.off_h, source.taps_h, source.in_h) *
      taps_inside(source.grid_w, source.step_w, source.off_w, source.taps_w, source.in_w);
  if (!pays(work - shape.n * inside * source.channels * outs * shape.groups)) return false;
  return pays(Regions(*math.kernels, source, shape.n, true).saved * outs * shape.groups);
}

}  // namespace

ImageStrides::ImageStrides(ConvLayout layout, int64_t channels, int64_t height, int64_t width)
    : n(channels * height * width) {
  if (layout == ConvLayout::nchw) {
    c = height * width;
    h = width;
    w = 1;
  } else {
    c = 1;
    h = width * channels;
    w = channels;
  }
}

PatchSource image_source(const void* data, const ImageStrides& strides, int64_t channels,
                         int64_t height, int64_t width) {
  PatchSource source;
  source.data = static_cast<const char*>(data);
  source.n_stride = strides.n;
  source.c_stride = strides.c;
  source.group_stride = channels * strides.c;
  source.h_stride = strides.h;
  source.w_stride = strides.w;
  source.channels = channels;
  source.in_h = height;
  source.in_w = width;
  return source;
}

void set_taps(PatchSource& source, const Taps& taps_h, const Taps& taps_w) {
  source.taps_h = std::ssize(taps_h.offsets);
  source.taps_w = std::ssize(taps_w.offsets);
  source.off_h = taps_h.offsets.data();
  source.off_w = taps_w.offsets.data();
}

ForwardPatches::ForwardPatches(ConvLayout layout, const Conv2dShape& shape, const void* x)
    : taps_h(forward_taps(shape.r, shape.pad_h, shape.dil_h)),
      taps_w(forward_taps(shape.s, shape.pad_w, shape.dil_w)),
      source(image_source(x, ImageStrides(layout, shape.c, shape.h, shape.w),
                          shape.c / shape.groups, shape.h, shape.w)) {
  set_taps(source, taps_h, taps_w);
  source.grid_h = shape.out_h();
  source.grid_w = shape.out_w();
  source.step_h = shape.stride_h;
  source.step_w = shape.stride_w;
}

BackwardPatches::BackwardPatches(ConvLayout layout, const Conv2dShape& shape, const void* dy,
                                 int64_t h, int64_t w)
    : taps_h(backward_taps(shape.r, shape.pad_h, shape.dil_h, shape.stride_h, h)),
      taps_w(backward_taps(shape.s, shape.pad_w, shape.dil_w, shape.stride_w, w)),
      source(image_source(dy, ImageStrides(layout, shape.k, shape.out_h(), shape.out_w()),
                          shape.k / shape.groups, shape.out_h(), shape.out_w())) {
  set_taps(source, taps_h, taps_w);
  source.grid_h = (shape.h - h + shape.stride_h - 1) / shape.stride_h;
  source.grid_w = (shape.w - w + shape.stride_w - 1) / shape.stride_w;
}

void conv2d(ConvType type, ConvLayouts layouts, const Conv2dShape& shape, const void* x,
            const ConvFilters& filters, const void* bias, void* y, Activation activation) {
  if (shape.n == 0 || shape.k == 0) return;
  const ForwardPatches patches(layouts.src, shape, x);
  const ImageStrides out(layouts.dst, shape.k, shape.out_h(), shape.out_w());
  ConvPass pass;
  pass.layout = layouts.src;
  pass.source = patches.source;
  pass.images = shape.n;
  pass.groups = shape.groups;
  pass.outs = shape.k / shape.groups;
  pass.filters = {static_cast<const char*>(filters.data),
                  pass.outs * filters.k_stride,
                  filters.k_stride,
                  filters.c_stride,
                  filters.r_stride,
                  filters.s_stride};
  pass.taps_h = &patches.taps_h;
  pass.taps_w = &patches.taps_w;
  pass.out = static_cast<char*>(y);
  pass.out_n = out.n;
  pass.out_h = out.h;
  pass.out_w = out.w;
  pass.out_channel = out.c;
  pass.bias = static_cast<const char*>(bias);
  pass.activation = activation;
  run_pass(ConvMath(type), pass);
}

void conv2d_grad_input(ConvType type, ConvLayouts layouts, const Conv2dShape& shape, const void* dy,
                       const ConvFilters& filters, const void* bias, void* dx) {
  if (shape.n == 0 || shape.c == 0) return;
  const ImageStrides in(layouts.dst, shape.c, shape.h, shape.w);
  const ConvMath math(type);
  ConvPass pass;
  pass.layout = layouts.src;
  pass.images = shape.n;
  pass.groups = shape.groups;
  pass.outs = shape.c / shape.groups;
  pass.filters = {static_cast<const char*>(filters.data),
                  shape.k / shape.groups * filters.k_stride,
                  filters.c_stride,
                  filters.k_stride,
                  filters.r_stride,
                  filters.s_stride};
  pass.out_n = in.n;
  pass.out_h = shape.stride_h * in.h;
  pass.out_w = shape.stride_w * in.w;
  pass.out_channel = in.c;
  pass.bias = static_cast<const char*>(bias);
  for (int64_t h = 0; h < std::min(shape.stride_h, shape.h); ++h) {
    for (int64_t w = 0; w < std::min(shape.stride_w, shape.w); ++w) {
      const BackwardPatches patches(layouts.src, shape, dy, h, w);
      pass.source = patches.source;
      pass.taps_h = &patches.taps_h;
      pass.taps_w = &patches.taps_w;
      pass.out = static_cast<char*>(dx) + (h * in.h + w * in.w) * math.element;
      run_pass(math, pass);
    }
  }
}

bool conv2d_turns(ConvType type, const Conv2dShape& shape) {
  const ForwardPatches patches(ConvLayout::nhwc, shape, nullptr);
  return turning_pays(ConvMath(type), shape, patches.source, shape.k / shape.groups);
}

bool conv2d_grad_input_turns(ConvType type, const Conv2dShape& shape) {
  if (shape.stride_h != 1 || shape.stride_w != 1) return false;
  const BackwardPatches patches(ConvLayout::nhwc, shape, nullptr, 0, 0);
  return turning_pays(ConvMath(type), shape, patches.source, shape.c / shape.groups);
}

bool conv2d_prefers_nhwc(ConvType type, const Conv2dShape& shape, bool grad_input) {
  if (!fills_lanes(type, ConvLayout::nhwc, shape) || shape.out_h() * shape.out_w() == 0)
    return false;
  const int64_t lanes = depthwise_kernels(type).lanes, width = shape.out_w();
  const int64_t bytes = shape.n * shape.c * shape.h * shape.w * element_of(type);
  if (bytes > (grad_input && shape.stride_w > 1 ? 3 : 1) * kTurnBytes) return false;
  if (shape.stride_w > 1) return width < 3 * lanes;
  return width < (shape.c == shape.groups ? 2 * lanes : lanes);
}

}  // namespace flambeau::inline v1::cpu
