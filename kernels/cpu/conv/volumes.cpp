#include "kernels/cpu/conv/volumes.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {
namespace {

// Note [Volumes]
// A slice of the output is a convolution of images whose channels are those of all slices that its
// taps reach. Where the channels of a slice follow those of the slice before, these are planes side
// by side, and the images of neighbouring outputs share most of them. So a volume is copied once,
// slice by slice, unless it lies so; all outputs that see the same taps, in all volumes, are then
// the images of one pass. Where taps are not neighbours, slices are sorted by their number modulo
// the distance of taps, and so are outputs.
class Slices {
 public:
  // `before` and `behind`: slices of zeros besides.
  Slices(ConvType type, const Tensor& t, int64_t groups, int64_t spacing, int64_t taps,
         int64_t before = 0, int64_t behind = 0)
      : spacing_(spacing), channels_(t.sizes()[1] / groups), size_(t.sizes()[2] + before + behind) {
    const IntSpan sizes = t.sizes(), strides = t.strides();
    const int64_t plane = sizes[3] * sizes[4], bytes = element_of(type), padded = before + behind;
    per_ = (size_ + spacing - 1) / spacing;
    tensor_ = t;
    if (t.is_contiguous() && padded == 0 &&
        (taps <= 1 || (spacing == 1 && (channels_ == 1 || size_ == 1)))) {
      slice_ = plane;
      channel_ = size_ * plane;
      group_ = channels_ * channel_;
      spacing_ = 1;
    } else {
      channel_ = plane;
      slice_ = channels_ * plane;
      group_ = spacing * per_ * slice_;
      const Tensor sorted = empty({{sizes[0] * groups * group_}}, {t.dtype(), t.device()});
      if (padded > 0) fill(sorted, 0);
      for (int64_t phase = 0; phase < std::min(spacing, sizes[2]); ++phase) {
        const int64_t count = (sizes[2] - phase + spacing - 1) / spacing, at = phase + before;
        const int64_t lengths[] = {sizes[0], groups, channels_, count, sizes[3], sizes[4]};
        copy(Tensor::alias(sorted, lengths,
                           {{groups * group_, group_, channel_, slice_, sizes[4], 1}},
                           (at % spacing * per_ + at / spacing) * slice_),
             Tensor::alias(t, lengths,
                           {{strides[0], channels_ * strides[1], strides[1], spacing * strides[2],
                             strides[3], strides[4]}},
                           t.offset() + phase * strides[2]));
      }
      tensor_ = sorted;
    }
    total_ = sizes[0] * groups * group_;
    volume_ = groups * group_;
    plane_ = plane;
    bytes_ = bytes;
  }

  int64_t spacing() const { return spacing_; }
  int64_t channels() const { return channels_; }
  int64_t size() const { return size_; }

  // Images of `count` slices in each volume, from a slice on and `step` apart, with as many taps.
  void put(PatchSource& source, int64_t first, int64_t count, int64_t step, int64_t taps) const {
    const int64_t at = taps > 0 ? (first % spacing_ * per_ + first / spacing_) * slice_ : 0;
    source.data = tensor_.bytes() + at * bytes_;
    source.channels = channels_ * taps;
    source.c_stride = taps == 1 ? channel_ : plane_;
    source.group_stride = group_;
    source.n_stride = volume_;
    source.run = count;
    source.run_stride = step / spacing_ * slice_;
    source.behind = total_ - at;
  }

 private:
  Tensor tensor_;
  int64_t spacing_, channels_, size_;
  int64_t per_ = 0, slice_ = 0, channel_ = 0, group_ = 0, volume_ = 0, total_ = 0, plane_ = 0;
  int64_t bytes_ = 0;
};

// Slices of the output that are computed together: `count` of them `step` apart, from which taps
// [tap, tap + taps) lie inside.
struct Run {
  int64_t first, count, step, tap, taps;
};

// Output q of a grid reads slices q * step + offsets[...].
std::vector<Run> runs_of(int64_t grid, int64_t step, const Taps& taps, int64_t size,
                         int64_t spacing) {
  const int64_t apart = spacing / std::gcd(step, spacing);
  std::vector<Run> runs;
  for (int64_t class_of = 0; class_of < std::min(apart, grid); ++class_of) {
    const size_t before = runs.size();
    for (int64_t q = class_of; q < grid; q += apart) {
      int64_t tap = 0, end = std::ssize(taps.offsets);
      const auto slice = [&](int64_t t) { return q * step + taps.offsets[static_cast<size_t>(t)]; };
      while (tap < end && slice(tap) < 0) ++tap;
      while (tap < end && slice(end - 1) >= size) --end;
      if (runs.size() > before && runs.back().tap == tap && runs.back().taps == end - tap)
        ++runs.back().count;
      else
        runs.push_back({q, 1, apart, tap, end - tap});
    }
  }
  return runs;
}

// Passes over the slices of a grid, given one for a single slice; `out_d` is the distance of the
// grid's slices in the output, `tap_stride` that of slices of the filters.
void run_slices(const ConvMath& math, ConvPass pass, const Slices& slices, const Taps& taps,
                int64_t grid, int64_t step, int64_t volumes, int64_t out_d, int64_t tap_stride) {
  char* const out = pass.out;
  const char* const filters = pass.filters.data;
  const int64_t out_n = pass.out_n;
  pass.filters.run = slices.channels();
  if (taps.filter.size() > 1)
    pass.filters.tap_stride = (taps.filter[1] - taps.filter[0]) * tap_stride;
  for (const Run& run : runs_of(grid, step, taps, slices.size(), slices.spacing())) {
    const auto tap = static_cast<size_t>(run.tap);
    const int64_t offset = run.taps > 0 ? taps.offsets[tap] : 0;
    slices.put(pass.source, run.first * step + offset, run.count, run.step * step, run.taps);
    pass.images = volumes * run.count;
    pass.out = out + run.first * out_d * math.element;
    pass.out_run = run.step * out_d;
    pass.out_n = out_n;
    pass.filters.data = filters + (run.taps > 0 ? taps.filter[tap] * tap_stride * math.element : 0);
    if (volumes == 1) {
      pass.source.n_stride = pass.source.run_stride;
      pass.source.run = 1;
      pass.out_n = pass.out_run;
    }
    run_pass(math, pass);
  }
}

// The distance of taps in the depth; of one tap, 1.
int64_t spacing_of(const Taps& taps) {
  return taps.offsets.size() > 1 ? taps.offsets[1] - taps.offsets[0] : 1;
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
  const Slices slices(type, x, s.groups, spacing_of(taps), shape.t);
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
  run_slices(math, pass, slices, taps, shape.out_d, shape.stride_d, s.n, out[2], w[2]);
}

void conv3d_grad_input(ConvType type, const Conv3dShape& shape, const Tensor& dy,
                       const Tensor& filters, const void* bias, const Tensor& dx) {
  const Conv2dShape& s = shape.slice;
  if (s.n == 0 || s.c == 0) return;
  const ConvMath math(type);
  const IntSpan out = dx.strides(), w = filters.strides();
  for (int64_t phase = 0; phase < std::min(shape.stride_d, shape.d); ++phase) {
    const Taps taps = backward_taps(shape.t, shape.pad_d, shape.dil_d, shape.stride_d, phase);
    const int64_t count = std::ssize(taps.offsets);
    const Slices slices(type, dy, s.groups, spacing_of(taps), count);
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
        run_slices(math, pass, slices, taps, grid, 1, s.n, shape.stride_d * out[2], w[2]);
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
  if (shape.t == 1 || shape.dil_d != 1 || s.c / s.groups * s.r * s.s > kFewElements) return false;
  int64_t zeros = 0;
  for (int64_t q = 0; q < shape.out_d; ++q) {
    const int64_t first = q * shape.stride_d - shape.pad_d;
    zeros += std::clamp<int64_t>(-first, 0, shape.t) +
             std::clamp<int64_t>(first + shape.t - shape.d, 0, shape.t);
  }
  return zeros * kFewZeros <= shape.out_d * shape.t;
}

// The gradient of all taps, whose channels are those of one image.
void grad_joined_filters(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& dy,
                         const Tensor& gradient) {
  Conv2dShape images = shape.slice;
  images.n *= shape.out_d;
  images.c *= shape.t;
  const int64_t channels = shape.slice.c / images.groups,
                behind = std::max<int64_t>(
                    0, (shape.out_d - 1) * shape.stride_d + shape.t - shape.pad_d - shape.d);
  const Slices slices(type, x, images.groups, 1, shape.t, shape.pad_d, behind);
  const ForwardPatches patches(ConvLayout::nchw, images, nullptr);
  PatchSource source = patches.source;
  slices.put(source, 0, shape.out_d, shape.stride_d, shape.t);
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
