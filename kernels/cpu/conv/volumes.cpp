#include "kernels/cpu/conv/volumes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {
namespace {

// Note [Volumes]
// A slice of the output is a convolution of images whose channels are those of all slices that its
// taps reach. All outputs that see the same taps, in all volumes, are images of one pass, which
// reads planes of slices where they lie.
struct Slices {
  Tensor volumes;  // contiguous
  int64_t channels, size, plane;

  Slices(const Tensor& t, int64_t groups)
      : volumes(packed(t, t.dtype())),
        channels(t.sizes()[1] / groups),
        size(t.sizes()[2]),
        plane(t.sizes()[3] * t.sizes()[4]) {}

  // Images of `count` slices in each volume, from one on and `step` apart, with `taps` of each,
  // `apart`.
  void put(PatchSource& source, int64_t first, int64_t count, int64_t step, int64_t taps,
           int64_t apart) const {
    const int64_t at = taps > 0 ? first * plane : 0, volume = size * plane;
    source.data = volumes.bytes() + at * static_cast<int64_t>(volumes.itemsize());
    source.channels = channels * taps;
    source.c_stride = volume;
    source.group_stride = channels * volume;
    source.n_stride = volumes.sizes()[1] * volume;
    source.run = count;
    source.run_stride = step * plane;
    source.behind = volumes.numel() - at;
    source.slice = taps > 1 ? channels : 0;
    source.slice_stride = apart * plane;
    if (taps > 1 && channels == 1) {
      source.slice = 0;
      source.c_stride = source.slice_stride;
    }
  }
};

// Slices of the output, one after the other, from which taps [tap, tap + taps) lie inside.
struct Run {
  int64_t first, count, tap, taps;
};

// Output q of a grid reads slices q * step + offsets[...].
std::vector<Run> runs_of(int64_t grid, int64_t step, const Taps& taps, int64_t size) {
  std::vector<Run> runs;
  for (int64_t q = 0; q < grid; ++q) {
    int64_t tap = 0, end = std::ssize(taps.offsets);
    const auto slice = [&](int64_t t) { return q * step + taps.offsets[static_cast<size_t>(t)]; };
    while (tap < end && slice(tap) < 0) ++tap;
    while (tap < end && slice(end - 1) >= size) --end;
    if (!runs.empty() && runs.back().tap == tap && runs.back().taps == end - tap)
      ++runs.back().count;
    else
      runs.push_back({q, 1, tap, end - tap});
  }
  return runs;
}

// Passes over the slices of a grid, given one for a single slice; `out_d` is the distance of the
// grid's slices in the output, `tap_stride` that of slices of the filters.
void run_slices(const ConvMath& math, ConvPass pass, const Slices& slices, const Taps& taps,
                int64_t grid, int64_t step, int64_t out_d, int64_t tap_stride) {
  char* const out = pass.out;
  const char* const filters = pass.filters.data;
  const int64_t out_n = pass.out_n, volumes = slices.volumes.sizes()[0];
  int64_t apart = 1;  // taps among slices
  pass.filters.run = slices.channels;
  if (taps.filter.size() > 1) {
    apart = taps.offsets[1] - taps.offsets[0];
    pass.filters.tap_stride = (taps.filter[1] - taps.filter[0]) * tap_stride;
  }
  pass.out_run = out_d;
  for (const Run& run : runs_of(grid, step, taps, slices.size)) {
    const auto tap = static_cast<size_t>(run.tap);
    const int64_t offset = run.taps > 0 ? taps.offsets[tap] : 0;
    slices.put(pass.source, run.first * step + offset, run.count, step, run.taps, apart);
    pass.images = volumes * run.count;
    pass.out = out + run.first * out_d * math.element;
    pass.out_n = out_n;
    pass.filters.data = filters + (run.taps > 0 ? taps.filter[tap] * tap_stride * math.element : 0);
    if (volumes == 1) {
      pass.source.n_stride = pass.source.run_stride;
      pass.source.run = 1;
      pass.out_n = out_d;
    }
    run_pass(math, pass);
  }
}

ConvPass pass_of(const Conv2dShape& shape, int64_t outs, const void* bias) {
  ConvPass pass;
  pass.layout = ConvLayout::nchw;
  pass.groups = shape.groups;
  pass.outs = outs / shape.groups;
  pass.bias = static_cast<const char*>(bias);
  return pass;
}

}  // namespace

void conv3d(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& filters,
            const void* bias, const Tensor& y) {
  const Conv2dShape& s = shape.slice;
  if (s.n == 0 || s.k == 0) return;
  const ConvMath math(type);
  const Taps taps = forward_taps(shape.t, shape.pad_d, shape.dil_d);
  const Slices slices(x, s.groups);
  const ForwardPatches patches(ConvLayout::nchw, s, nullptr);
  const IntSpan out = y.strides();
  ConvPass pass = pass_of(s, s.k, bias);
  pass.source = patches.source;
  pass.taps_h = &patches.taps_h;
  pass.taps_w = &patches.taps_w;
  const IntSpan w = filters.strides();
  pass.filters = {filters.bytes(), pass.outs * w[0], w[0], w[1], w[3], w[4]};
  pass.out = y.bytes();
  pass.out_n = out[0];
  pass.out_channel = out[1];
  pass.out_h = out[3];
  pass.out_w = out[4];
  run_slices(math, pass, slices, taps, shape.out_d, shape.stride_d, out[2], w[2]);
}

void conv3d_grad_input(ConvType type, const Conv3dShape& shape, const Tensor& dy,
                       const Tensor& filters, const void* bias, const Tensor& dx) {
  const Conv2dShape& s = shape.slice;
  if (s.n == 0 || s.c == 0) return;
  const ConvMath math(type);
  const IntSpan out = dx.strides(), w = filters.strides();
  const Slices slices(dy, s.groups);
  for (int64_t phase = 0; phase < std::min(shape.stride_d, shape.d); ++phase) {
    const Taps taps = backward_taps(shape.t, shape.pad_d, shape.dil_d, shape.stride_d, phase);
    const int64_t grid = (shape.d - phase + shape.stride_d - 1) / shape.stride_d;
    ConvPass pass = pass_of(s, s.c, bias);
    pass.filters = {filters.bytes(), s.k / s.groups * w[0], w[1], w[0], w[3], w[4]};
    pass.out_n = out[0];
    pass.out_channel = out[1];
    pass.out_h = s.stride_h * out[3];
    pass.out_w = s.stride_w * out[4];
    for (int64_t h = 0; h < std::min(s.stride_h, s.h); ++h) {
      for (int64_t v = 0; v < std::min(s.stride_w, s.w); ++v) {
        const BackwardPatches patches(ConvLayout::nchw, s, nullptr, h, v);
        pass.source = patches.source;
        pass.taps_h = &patches.taps_h;
        pass.taps_w = &patches.taps_w;
        pass.out = dx.bytes() + (phase * out[2] + h * out[3] + v * out[4]) * math.element;
        run_slices(math, pass, slices, taps, grid, 1, shape.stride_d * out[2], w[2]);
      }
    }
  }
}

namespace {

// Slice after slice of all volumes; slices in the order of their number modulo `step`.
struct SliceRows {
  Tensor tensor;
  int64_t step, per, slice;

  SliceRows(const Tensor& t, int64_t step_between) : step(step_between) {
    const IntSpan sizes = t.sizes(), from = t.strides();
    per = (sizes[2] + step - 1) / step;
    const int64_t plane = sizes[3] * sizes[4];
    slice = sizes[0] * sizes[1] * plane;
    if (t.is_contiguous() && step == 1 && (sizes[2] == 1 || sizes[0] * sizes[1] == 1)) {
      tensor = t;
      return;
    }
    tensor = empty({{step * per * slice}}, {t.dtype(), t.device()});
    for (int64_t phase = 0; phase < std::min(step, sizes[2]); ++phase) {
      const int64_t count = (sizes[2] - phase + step - 1) / step;
      const int64_t lengths[] = {sizes[0], sizes[1], count, sizes[3], sizes[4]};
      copy(Tensor::alias(tensor, lengths, {{sizes[1] * plane, plane, slice, sizes[4], 1}},
                         phase * per * slice),
           Tensor::alias(t, lengths, {{from[0], from[1], step * from[2], from[3], from[4]}},
                         t.offset() + phase * from[2]));
    }
  }
  const char* at(int64_t number) const {
    return tensor.bytes() +
           (number % step * per + number / step) * slice * static_cast<int64_t>(tensor.itemsize());
  }
};

// Elements of a tap that are so few that all taps are better taken together, and the part of the
// products that may be with slices of zeros then.
constexpr int64_t kFewElements = 256;
constexpr int64_t kFewZeros = 8;

bool joins_taps(const Conv3dShape& shape) {
  const Conv2dShape& s = shape.slice;
  if (shape.t == 1 || s.c / s.groups * s.r * s.s > kFewElements) return false;
  int64_t zeros = 0;
  for (int64_t q = 0; q < shape.out_d; ++q) {
    for (int64_t tap = 0; tap < shape.t; ++tap) {
      const int64_t at = q * shape.stride_d - shape.pad_d + tap * shape.dil_d;
      zeros += at < 0 || at >= shape.d;
    }
  }
  return zeros * kFewZeros <= shape.out_d * shape.t;
}

// Volumes with slices of zeros before and behind their own.
Tensor with_zeros(const Tensor& t, int64_t before, int64_t behind) {
  if (before == 0 && behind == 0) return t;
  const IntSpan n = t.sizes();
  const int64_t depth = n[2] + before + behind, plane = n[3] * n[4];
  const Tensor made = empty({{n[0], n[1], depth, n[3], n[4]}}, {t.dtype(), t.device()});
  const auto part = [&](int64_t from, int64_t count) {
    return Tensor::alias(made, {{n[0], n[1], count, n[3], n[4]}}, made.strides(), from * plane);
  };
  if (before > 0) fill(part(0, before), 0);
  if (behind > 0) fill(part(depth - behind, behind), 0);
  copy(part(before, n[2]), t);
  return made;
}

// The gradient of all taps, whose channels are those of one image.
void grad_joined_filters(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& dy,
                         const Tensor& gradient) {
  Conv2dShape images = shape.slice;
  images.n *= shape.out_d;
  images.c *= shape.t;
  const int64_t channels = shape.slice.c / images.groups,
                behind = std::max<int64_t>(0, (shape.out_d - 1) * shape.stride_d +
                                                  shape.dil_d * (shape.t - 1) + 1 - shape.pad_d -
                                                  shape.d);
  const Slices slices(with_zeros(x, shape.pad_d, behind), images.groups);
  const ForwardPatches patches(ConvLayout::nchw, images, nullptr);
  PatchSource source = patches.source;
  slices.put(source, 0, shape.out_d, shape.stride_d, shape.t, shape.dil_d);
  const IntSpan from = dy.strides();
  const int64_t sizes[] = {dy.sizes()[0], dy.sizes()[2], dy.sizes()[1], dy.sizes()[3],
                           dy.sizes()[4]};
  const Tensor g =
      packed(Tensor::alias(dy, sizes, {{from[0], from[2], from[1], from[3], from[4]}}, dy.offset()),
             dy.dtype());
  const int64_t image = images.r * images.s, filter = channels * shape.t * image;
  const Tensor sums = empty({{images.k * filter}}, {gradient.dtype(), gradient.device()});
  conv2d_grad_filters(type, ConvLayout::nchw, images, source, g.bytes(),
                      {sums.bytes(), filter, image, images.s, 1});
  copy(gradient,
       Tensor::alias(sums, gradient.sizes(), {{filter, image, channels * image, images.s, 1}}, 0));
}

}  // namespace

// The gradient of each tap is one of images: all slices of the output that it is in, of all
// volumes, and those of the input that it reads.
void conv3d_grad_filters(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& dy,
                         const Tensor& gradient) {
  if (joins_taps(shape)) return grad_joined_filters(type, shape, x, dy, gradient);
  const SliceRows from(x, std::min(shape.stride_d, std::max<int64_t>(1, shape.d)));
  const SliceRows of(dy, 1);
  const IntSpan to = gradient.strides();
  for (int64_t tap = 0; tap < shape.t; ++tap) {
    const int64_t offset = tap * shape.dil_d - shape.pad_d, step = shape.stride_d;
    const int64_t first = offset < 0 ? (step - 1 - offset) / step : 0;
    const int64_t end =
        offset < shape.d ? std::min(shape.out_d, (shape.d - 1 - offset) / step + 1) : 0;
    const Tensor part = Tensor::alias(
        gradient, {{gradient.sizes()[0], gradient.sizes()[1], shape.slice.r, shape.slice.s}},
        {{to[0], to[1], to[3], to[4]}}, gradient.offset() + tap * to[2]);
    if (first >= end) {
      fill(part, 0);
      continue;
    }
    Conv2dShape images = shape.slice;
    images.n *= end - first;
    conv2d_grad_filters(type, ConvLayout::nchw, images, from.at(first * step + offset),
                        of.at(first), {part.bytes(), to[0], to[1], to[3], to[4]});
  }
}

}  // namespace flambeau::inline v1::cpu
