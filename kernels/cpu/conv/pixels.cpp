#include "kernels/cpu/conv/pixels.h"

#include <algorithm>
#include <utility>
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
// Pixels of a row that keep the multipliers busy; elements that repay turning the outs.
constexpr int64_t kFewPixels = 5, kFewElements = 24;
// Bytes between pixels from which on they compete for the same cache lines.
constexpr int64_t kFarBytes = 2048;
// Of a tap, from which on it pays to leave some out.
constexpr int64_t kManyChannels = 128;
// A pass that leaves out more than this part of its products is better cut.
constexpr int64_t kMostSaved = 25;

auto multiply_of(const ConvMath& math) {
  static const PixelMultiply& of =
      of_isa(baseline::pixel_multiply, avx2::pixel_multiply, avx512::pixel_multiply);
  return multiply_by_type(math, of);
}

class Pixels {
 public:
  Pixels(const ConvMath& math, const ConvPass& pass)
      : math_(math),
        f_(*math.kernels),
        pass_(pass),
        src_(pass.source),
        steps_(Regions(f_, src_, pass.images, false).steps),
        filters_(math, pass, steps_, FilterPacking::tap_columns),
        span_h_(src_.off_h[src_.taps_h - 1] - src_.off_h[0]),
        span_w_(src_.off_w[src_.taps_w - 1] - src_.off_w[0]),
        copies_(reaches_out() || (src_.c_stride == 1 && far(src_.w_stride * src_.step_w))) {
    plan();
    h_stride_ = src_.h_stride;
    w_stride_ = src_.w_stride;
    c_stride_ = src_.c_stride;
    if (copies_) {
      const int64_t cols = (src_.grid_w - 1) * src_.step_w + span_w_ + 1;
      const int64_t rows = (band_ - 1) * src_.step_h + span_h_ + 1;
      if (src_.c_stride == 1) {
        const int64_t line = 64 / math.element;
        w_stride_ = far(src_.channels * src_.step_w) ? src_.channels + line : src_.channels;
        h_stride_ = cols * w_stride_;
        copy_bytes_ = rows * h_stride_ * math.element;
      } else {
        w_stride_ = 1;
        h_stride_ = cols;
        c_stride_ = rows * cols;
        copy_bytes_ = src_.channels * c_stride_ * math.element;
      }
    }
    for (int64_t r = 0; r < src_.taps_h; ++r)
      for (int64_t s = 0; s < src_.taps_w; ++s)
        for (int64_t c = 0; c < src_.channels; ++c)
          offsets_.push_back((src_.off_h[r] - src_.off_h[0]) * h_stride_ +
                             (src_.off_w[s] - src_.off_w[0]) * w_stride_ +
                             (copies_ ? c * c_stride_ : src_.channel(c)));
  }

  void run() const {
    const int64_t bands = ceil_div(src_.grid_h, band_);
    const int64_t out_blocks = ceil_div(pass_.outs, out_block_);
    parallel_tasks(pass_.groups * out_blocks * pass_.images * bands, [&](int64_t t) {
      const int64_t row = t % bands * band_, image = t / bands % pass_.images;
      t /= bands * pass_.images;
      const int64_t out = t % out_blocks * out_block_;
      multiply(t / out_blocks, image, row, std::min(band_, src_.grid_h - row), out,
               std::min(out_block_, pass_.outs - out));
    });
  }

 private:
  bool reaches_out() const {
    return src_.off_h[0] < 0 || src_.off_w[0] < 0 ||
           (src_.grid_h - 1) * src_.step_h + src_.off_h[src_.taps_h - 1] >= src_.in_h ||
           (src_.grid_w - 1) * src_.step_w + src_.off_w[src_.taps_w - 1] >= src_.in_w;
  }
  bool far(int64_t distance) const { return distance * math_.element % kFarBytes == 0; }

  // Enough tasks for all threads, unless they would be too small.
  void plan() {
    out_block_ = even_block(pass_.outs, ceil_div(pass_.outs, kOuts), f_.nr);
    band_ = std::clamp<int64_t>(kPixels / src_.grid_w, 1, src_.grid_h);
    band_ = even_block(src_.grid_h, ceil_div(src_.grid_h, band_), 1);
    const auto tasks = [&] {
      return pass_.groups * pass_.images * ceil_div(src_.grid_h, band_) *
             ceil_div(pass_.outs, out_block_);
    };
    while (tasks() < wanted_tasks() &&
           band_ * src_.grid_w * out_block_ * src_.elements() >= 2 * kTaskWork) {
      if (band_ > 1) {
        band_ = even_block(band_, 2, 1);
      } else if (out_block_ > f_.nr) {
        out_block_ = even_block(out_block_, 2, f_.nr);
      } else {
        break;
      }
    }
  }

  void multiply(int64_t group, int64_t image, int64_t row, int64_t rows, int64_t out,
                int64_t outs) const {
    const int64_t steps = std::ssize(steps_);
    const int64_t row_sums =
        steps == 1 ? 0 : round_up(src_.grid_w, f_.mr) * round_up(outs, f_.nr) * f_.acc;
    const int64_t copied = round_up(copy_bytes_, 64);
    const Scratch scratch(copied + rows * row_sums);
    const char* src = first_of(group, image, row);
    if (copies_) {
      copy(src_.data + (src_.image(image) + group * src_.group_stride) * math_.element, row, rows,
           scratch.data());
      src = scratch.data();
    }
    GemmOutput target =
        output_of(math_, pass_, group, pass_.out_image(image) + row * pass_.out_h, true);
    PixelBlock pixels{.block = {.rows = src_.grid_w, .cols = outs, .out = &target, .col = out},
                      .src = nullptr,
                      .distance = src_.step_w * w_stride_,
                      .offsets = offsets_.data()};
    char* const first = target.c;
    for (int64_t s = 0; s < steps; ++s) {
      for (int64_t i = 0; i < rows; ++i) {
        const auto [from, to] = elements_of(row + i);
        const PatchStep& step = steps_[static_cast<size_t>(s)];
        const int64_t begin = std::max(from, step.from), end = std::min(to, step.end());
        // A row that sees nothing has one step, of no elements.
        if (begin >= end && (s > 0 || from < to)) continue;
        const int64_t skipped = begin >= end ? 0 : begin - step.from;
        pixels.block.depth = std::max<int64_t>(0, end - begin);
        pixels.block.first = begin == from || begin >= end;
        pixels.block.last = end == to || begin >= end;
        pixels.offsets = offsets_.data() + step.from + skipped;
        filters_.put(pixels.block, group, {s, skipped, pixels.block.depth}, out);
        pixels.src = src + i * src_.step_h * h_stride_ * math_.element;
        pixels.block.partial = steps == 1 ? nullptr : scratch.data() + copied + i * row_sums;
        target.c = first + i * pass_.out_h * f_.store;
        multiply_(pixels);
      }
    }
  }

  // Of the patches of a row of the grid, those inside the image.
  std::pair<int64_t, int64_t> elements_of(int64_t row) const {
    const int64_t at = row * src_.step_h, line = src_.taps_w * src_.channels;
    int64_t tap = 0, end = src_.taps_h;
    while (tap < end && at + src_.off_h[tap] < 0) ++tap;
    while (tap < end && at + src_.off_h[end - 1] >= src_.in_h) --end;
    return {tap * line, end * line};
  }

  // What the first tap reads for the first pixel of a row.
  const char* first_of(int64_t group, int64_t image, int64_t row) const {
    const int64_t at = src_.image(image) + group * src_.group_stride +
                       (row * src_.step_h + src_.off_h[0]) * src_.h_stride +
                       src_.off_w[0] * src_.w_stride;
    return src_.data + at * math_.element;
  }

  // What rows of the grid read, with zeros outside the image.
  void copy(const char* image, int64_t row, int64_t rows, char* to) const {
    const int64_t bytes = math_.element;
    const int64_t cols = (src_.grid_w - 1) * src_.step_w + span_w_ + 1;
    const int64_t first = row * src_.step_h + src_.off_h[0];
    const int64_t count = (rows - 1) * src_.step_h + span_h_ + 1;
    const int64_t low = std::clamp<int64_t>(-src_.off_w[0], 0, cols);
    const int64_t high = std::clamp<int64_t>(src_.in_w - src_.off_w[0], low, cols);
    const bool last = src_.c_stride == 1;
    const bool whole = !last || (src_.w_stride == src_.channels && w_stride_ == src_.channels);
    const int64_t pixel = whole && last ? src_.channels : 1;  // elements
    const auto put = [&](char* line, const char* from, bool inside) {
      if (!inside) return std::fill_n(line, cols * w_stride_ * bytes, 0), void();
      std::fill_n(line, low * w_stride_ * bytes, 0);
      std::fill_n(line + high * w_stride_ * bytes, (cols - high) * w_stride_ * bytes, 0);
      from += (low + src_.off_w[0]) * src_.w_stride * bytes;
      line += low * w_stride_ * bytes;
      if (whole) {
        std::copy_n(from, (high - low) * pixel * bytes, line);
        return;
      }
      for (int64_t i = low; i < high; ++i) {
        std::copy_n(from, src_.channels * bytes, line);
        from += src_.w_stride * bytes;
        line += w_stride_ * bytes;
      }
    };
    for (int64_t c = 0; c < (last ? 1 : src_.channels); ++c) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t from = src_.channel(c) + (first + i) * src_.h_stride;
        put(to + (c * c_stride_ + i * h_stride_) * bytes, image + from * bytes,
            first + i >= 0 && first + i < src_.in_h);
      }
    }
  }

  const ConvMath& math_;
  const GemmKernels& f_;
  const ConvPass& pass_;
  const PatchSource& src_;
  const std::vector<PatchStep> steps_;
  const PackedFilters filters_;
  const int64_t span_h_, span_w_;
  const bool copies_;
  void (*const multiply_)(const PixelBlock&) = multiply_of(math_);
  int64_t band_ = 1, out_block_ = 1;
  int64_t h_stride_ = 0, w_stride_ = 0, c_stride_ = 0, copy_bytes_ = 0;  // of what is read
  std::vector<int64_t> offsets_;
};

}  // namespace

bool reads_pixels(const ConvMath& math, const ConvPass& pass) {
  const PatchSource& src = pass.source;
  const int64_t lanes = math.kernels->nr / 2;
  if (multiply_of(math) == nullptr || src.elements() == 0 || src.grid_w < kFewPixels ||
      4 * pass.outs < 3 * lanes || !repays_copy(src))
    return false;
  // Planes are copied pixel by pixel where steps are long.
  const int64_t most_outs = (src.step_w > 2 ? 8 : 2) * lanes;
  if (pass.out_channel != 1 && (src.elements() < kFewElements || pass.outs > most_outs))
    return false;
  if (pass.layout == ConvLayout::nchw || src.channels < kManyChannels) return true;
  const Regions cut(*math.kernels, src, pass.images, true);
  return cut.saved * kMostSaved <= pass.images * src.grid_h * src.grid_w * src.elements();
}

void run_pixels(const ConvMath& math, const ConvPass& pass) { Pixels(math, pass).run(); }

}  // namespace flambeau::inline v1::cpu
