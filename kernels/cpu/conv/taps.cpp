#include "kernels/cpu/conv/taps.h"

#include <algorithm>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/conv/filters.h"
#include "kernels/cpu/conv/regions.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

// Blocks of one task.
constexpr int64_t kPixels = 224, kOuts = 256;
// So many lanes of an image's last vector may be lost, as a part of its pixels.
constexpr double kMostLost = 1.0 / 16;

auto multiply_of(const ConvMath& math) {
  static const TapMultiply& of =
      of_isa(baseline::tap_multiply, avx2::tap_multiply, avx512::tap_multiply);
  return multiply_by_type(math, of);
}

// As many whole channels as a kernel takes at a time, about equal numbers of them.
std::vector<PatchStep> channel_steps(const GemmKernels& f, int64_t channels, int64_t taps) {
  const int64_t together = even_block(channels, ceil_div(channels, f.max_depth / taps), 1);
  std::vector<PatchStep> steps;
  for (int64_t c = 0; c < channels; c += together) {
    steps.push_back({c * taps, std::min(together, channels - c) * taps});
  }
  return steps;
}

class InPlace {
 public:
  InPlace(const ConvMath& math, const ConvPass& pass)
      : math_(math),
        f_(*math.kernels),
        pass_(pass),
        src_(pass.source),
        taps_(src_.taps_h * src_.taps_w),
        steps_(channel_steps(f_, src_.channels, taps_)),
        filters_(math, pass, steps_, FilterPacking::channel_rows),
        pixels_(src_.grid_h * src_.grid_w) {
    plan();
  }

  void run() const {
    const int64_t pixel_blocks = ceil_div(pixels_, pixel_block_);
    const int64_t out_blocks = ceil_div(pass_.outs, out_block_);
    const int64_t image_blocks = ceil_div(pass_.images, image_block_);
    parallel_tasks(pass_.groups * out_blocks * image_blocks * pixel_blocks, [&](int64_t t) {
      const int64_t pixel = t % pixel_blocks * pixel_block_;
      const int64_t image = t / pixel_blocks % image_blocks * image_block_;
      t /= pixel_blocks * image_blocks;
      const int64_t out = t % out_blocks * out_block_;
      const int64_t pixels = std::min(pixel_block_, pixels_ - pixel);
      const int64_t outs = std::min(out_block_, pass_.outs - out), group = t / out_blocks;
      const Scratch scratch(table_bytes(pixels) + sum_bytes(outs, pixels));
      const TapPanel* const panels = find_panels(pixel, pixels, scratch.data());
      for (int64_t i = image; i < std::min(image + image_block_, pass_.images); ++i) {
        multiply(panels, scratch.data() + table_bytes(pixels), group, i, pixel, pixels, out, outs);
      }
    });
  }

 private:
  // Enough tasks for all threads, unless they would be too small.
  void plan() {
    pixel_block_ = even_block(pixels_, ceil_div(pixels_, kPixels), f_.nr);
    out_block_ = even_block(pass_.outs, ceil_div(pass_.outs, kOuts), f_.mr);
    const auto tasks = [&] {
      return pass_.groups * pass_.images * ceil_div(pixels_, pixel_block_) *
             ceil_div(pass_.outs, out_block_);
    };
    const auto work = [&] { return pixel_block_ * out_block_ * src_.elements(); };
    while (tasks() < wanted_tasks() && work() >= 2 * kTaskWork) {
      if (pixel_block_ > f_.nr) {
        pixel_block_ = even_block(pixel_block_, 2, f_.nr);
      } else if (out_block_ > f_.mr) {
        out_block_ = even_block(out_block_, 2, f_.mr);
      } else {
        break;
      }
    }
    // Images share what find_panels() finds.
    image_block_ = std::clamp<int64_t>(std::min(8 * kTaskWork / work(), tasks() / wanted_tasks()),
                                       1, pass_.images);
  }

  int64_t sum_bytes(int64_t outs, int64_t pixels) const {
    return std::ssize(steps_) == 1 ? 0 : round_up(outs, f_.mr) * round_up(pixels, f_.nr) * f_.acc;
  }

  void multiply(const TapPanel* panels, char* sums, int64_t group, int64_t image, int64_t pixel,
                int64_t pixels, int64_t out, int64_t outs) const {
    const int64_t steps = std::ssize(steps_);
    const GemmOutput target =
        output_of(math_, pass_, group, pass_.out_image(image) + pixel * pass_.out_w, false);
    TapBlock taps{.block = {.rows = outs,
                            .cols = pixels,
                            .partial = steps == 1 ? nullptr : sums,
                            .out = &target,
                            .row = out},
                  .c_stride = src_.c_stride,
                  .taps = taps_,
                  .gap = src_.in_w - src_.grid_w,
                  .panels = panels};
    for (int64_t s = 0; s < steps; ++s) {
      const PatchStep& step = steps_[static_cast<size_t>(s)];
      taps.channels = step.depth / taps_;
      const int64_t channel = step.from / taps_;
      const int64_t at = src_.image(image) + group * src_.group_stride + src_.channel(channel);
      taps.src = src_.data + at * math_.element;
      taps.low = -at;
      taps.high = (src_.behind ? src_.behind : pass_.images * src_.n_stride) - at;
      set_slices(taps, channel);
      taps.block.first = s == 0;
      taps.block.last = s + 1 == steps;
      filters_.put(taps.block, group, {s, 0, step.depth}, out);
      multiply_(taps);
    }
  }

  // Which slices the block's channels are of, from `first` on.
  void set_slices(TapBlock& taps, int64_t first) const {
    taps.left = taps.channels;
    taps.least = 0;
    taps.most = (taps.channels - 1) * src_.c_stride;
    if (src_.slice == 0 || first % src_.slice + taps.channels <= src_.slice) return;
    taps.left = src_.slice - first % src_.slice;
    taps.slice = src_.slice;
    taps.jump = src_.slice_stride - src_.slice * src_.c_stride;
    taps.most = 0;
    for (int64_t c = 1; c < taps.channels; ++c) {
      const int64_t at = src_.channel(first + c) - src_.channel(first);
      taps.least = std::min(taps.least, at);
      taps.most = std::max(taps.most, at);
    }
  }

  int64_t table_bytes(int64_t pixels) const {
    const size_t panel =
        sizeof(TapPanel) + static_cast<size_t>(taps_) * (sizeof(Tap) + sizeof(TapGroup));
    const int64_t lanes = taps_ * int64_t{sizeof(uint64_t)};
    return round_up(ceil_div(pixels, f_.nr) * static_cast<int64_t>(panel) + lanes, 64);
  }

  const TapPanel* find_panels(int64_t pixel, int64_t pixels, char* table) const {
    const int64_t count = ceil_div(pixels, f_.nr), lanes = f_.nr / 2;
    auto* const panels = reinterpret_cast<TapPanel*>(table);
    auto* taps = reinterpret_cast<Tap*>(panels + count);
    auto* groups = reinterpret_cast<TapGroup*>(taps + count * taps_);
    auto* const inside = reinterpret_cast<uint64_t*>(groups + count * taps_);  // lanes, by tap
    for (int64_t p = 0; p < count; ++p) {
      const int64_t first = pixel + p * f_.nr;
      const int64_t cols = std::min<int64_t>(f_.nr, pixel + pixels - first);
      for (int64_t t = 0; t < taps_; ++t) inside[t] = lanes_inside(first, cols, t);
      panels[p] = {taps, groups, 0, place_of(first + lanes) - place_of(first), {}};
      // What is read of a plane, from the first pixel on.
      int64_t reach[] = {0, cols > lanes ? panels[p].second + lanes : lanes};
      for (int v = 0; v < 2; ++v) {
        panels[p].later[v] = lanes_in_next_row(first + v * lanes);
        if (panels[p].later[v] == 0) continue;
        reach[0] = std::min(reach[0], v * panels[p].second + src_.in_w - src_.grid_w);
        reach[1] = std::max(reach[1], v * panels[p].second + src_.in_w - src_.grid_w + lanes);
      }
      for (int64_t t = 0; t < taps_; ++t) {
        const uint64_t bits = inside[t];
        if (bits == 0) continue;  // outside, or in a group already
        int64_t least = INT64_MAX, most = INT64_MIN;
        for (int64_t u = t; u < taps_; ++u) {
          if (inside[u] != bits) continue;
          inside[u] = 0;
          *taps++ = {place_of(first) + offset_of(u), u};
          least = std::min(least, taps[-1].offset);
          most = std::max(most, taps[-1].offset);
        }
        *groups++ = {.end = taps - panels[p].taps,
                     .lanes = {static_cast<uint32_t>(bits & ((uint64_t{1} << lanes) - 1)),
                               static_cast<uint32_t>(bits >> lanes)},
                     .read_from = least + reach[0],
                     .read_to = most + reach[1]};
        ++panels[p].group_count;
      }
    }
    return panels;
  }

  int64_t offset_of(int64_t tap) const {
    return src_.off_h[tap / src_.taps_w] * src_.h_stride + src_.off_w[tap % src_.taps_w];
  }

  // In a plane, of what a tap at (0, 0) reads for a pixel.
  int64_t place_of(int64_t pixel) const {
    return pixel / src_.grid_w * src_.h_stride + pixel % src_.grid_w;
  }

  uint32_t lanes_in_next_row(int64_t pixel) const {
    if (src_.in_w == src_.grid_w) return 0;
    const int64_t lanes = f_.nr / 2, left = src_.grid_w - pixel % src_.grid_w;
    return left >= lanes ? 0 : static_cast<uint32_t>((1 << lanes) - (1 << left));
  }

  uint64_t lanes_inside(int64_t pixel, int64_t count, int64_t tap) const {
    const int64_t off_h = src_.off_h[tap / src_.taps_w], off_w = src_.off_w[tap % src_.taps_w];
    uint64_t lanes = 0;
    int64_t row = pixel / src_.grid_w, col = pixel % src_.grid_w;
    for (int64_t lane = 0; lane < count; ++row, col = 0) {
      const int64_t length = std::min(count - lane, src_.grid_w - col);
      const int64_t low = std::clamp<int64_t>(-off_w - col, 0, length);
      const int64_t high = std::clamp<int64_t>(src_.in_w - off_w - col, low, length);
      if (row + off_h >= 0 && row + off_h < src_.in_h) {
        lanes |= (uint64_t{1} << (lane + high)) - (uint64_t{1} << (lane + low));
      }
      lane += length;
    }
    return lanes;
  }

  const ConvMath& math_;
  const GemmKernels& f_;
  const ConvPass& pass_;
  const PatchSource& src_;
  const int64_t taps_;
  const std::vector<PatchStep> steps_;
  const PackedFilters filters_;
  const int64_t pixels_;  // of an image
  void (*const multiply_)(const TapBlock&) = multiply_of(math_);
  int64_t image_block_ = 1, pixel_block_ = 1, out_block_ = 1;
};

}  // namespace

bool reads_in_place(const ConvMath& math, const ConvPass& pass) {
  const PatchSource& src = pass.source;
  const int64_t pixels = src.grid_h * src.grid_w, lanes = math.kernels->nr / 2;
  const int64_t taps = src.taps_h * src.taps_w;
  return pass.layout == ConvLayout::nchw && multiply_of(math) != nullptr && src.elements() > 0 &&
         taps <= math.kernels->max_depth && src.step_h == 1 && src.step_w == 1 &&
         (src.grid_w == src.in_w || src.grid_w >= lanes) && pass.out_h == src.grid_w * pass.out_w &&
         static_cast<double>(round_up(pixels, lanes) - pixels) <=
             kMostLost * static_cast<double>(pixels);
}

void run_in_place(const ConvMath& math, const ConvPass& pass) { InPlace(math, pass).run(); }

}  // namespace flambeau::inline v1::cpu
