#include "kernels/cpu/conv/flat.h"

#include <algorithm>

#include "core/parallel/parallel.h"
#include "kernels/cpu/conv/regions.h"
#include "kernels/cpu/conv/taps.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kImagesBytes = 4 << 20;  // of copied images at a time
constexpr int64_t kFewProducts = 32;  // of a pixel and a channel, which do not repay the copies

class Flat {
 public:
  Flat(const ConvMath& math, const ConvPass& pass) : math_(math), pass_(pass), flat_(pass) {
    const PatchSource& src = pass.source;
    const int64_t taps_h = src.taps_h, taps_w = src.taps_w;
    width_ = src.grid_w + src.off_w[taps_w - 1] - src.off_w[0];
    plane_ = (src.grid_h + src.off_h[taps_h - 1] - src.off_h[0]) * width_;
    pixels_ = (src.grid_h - 1) * width_ + src.grid_w;
    for (int64_t r = 0; r < taps_h; ++r) {
      for (int64_t s = 0; s < taps_w; ++s) {
        taps_.offsets.push_back((src.off_h[r] - src.off_h[0]) * width_ + src.off_w[s] -
                                src.off_w[0]);
        taps_.filter.push_back(pass.taps_h->filter[static_cast<size_t>(r)] * taps_w +
                               pass.taps_w->filter[static_cast<size_t>(s)]);
      }
    }
    row_ = {.offsets = {0}, .filter = {0}};
    flat_.layout = ConvLayout::nchw;
    flat_.taps_h = &row_;
    flat_.taps_w = &taps_;
    set_taps(flat_.source, row_, taps_);
    flat_.source.n_stride = pass.groups * src.channels * plane_;
    flat_.source.group_stride = src.channels * plane_;
    flat_.source.run = 1;
    flat_.source.slice = 0;
    flat_.source.behind = 0;
    flat_.source.c_stride = flat_.source.h_stride = plane_;
    flat_.source.w_stride = 1;
    flat_.source.in_h = flat_.source.grid_h = 1;
    flat_.source.in_w = plane_;
    flat_.source.grid_w = pixels_;
    flat_.out_n = pass.groups * pass.outs * pixels_;
    flat_.out_channel = flat_.out_h = pixels_;
    flat_.out_w = 1;
    if (taps_w == 1) flat_.filters.s_stride = pass.filters.r_stride;
  }
  Flat(const Flat&) = delete;

  bool pays() const {
    const PatchSource& src = pass_.source;
    const bool even = src.taps_h == 1 || src.taps_w == 1 ||
                      pass_.filters.r_stride == src.taps_w * pass_.filters.s_stride;
    return even && 2 * width_ <= 3 * src.grid_w &&
           pass_.outs * src.taps_h * src.taps_w >= kFewProducts && reads_in_place(math_, flat_);
  }

  void run() {
    const int64_t bytes = (flat_.source.n_stride + flat_.out_n) * math_.element;
    const int64_t some = std::clamp<int64_t>(kImagesBytes / bytes, 1, pass_.images);
    const Scratch scratch(some * bytes);
    char* const results = scratch.data() + some * flat_.source.n_stride * math_.element;
    flat_.source.data = scratch.data();
    flat_.out = results;
    for (int64_t first = 0; first < pass_.images; first += some) {
      flat_.images = std::min(some, pass_.images - first);
      parallel_for(flat_.images, std::max<int64_t>(1, 4 * kTaskWork / bytes),
                   [&](int64_t i, int64_t end) {
                     for (; i < end; ++i) copy_in(first + i, i, scratch.data());
                   });
      run_in_place(math_, flat_);
      parallel_for(flat_.images, std::max<int64_t>(1, 4 * kTaskWork / bytes),
                   [&](int64_t i, int64_t end) {
                     for (; i < end; ++i) copy_out(i, first + i, results);
                   });
    }
  }

 private:
  // `count` elements, `from_step` and `to_step` apart.
  void move(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t count) const {
    const auto as = [&](auto one) {
      using T = decltype(one);
      const T* f = reinterpret_cast<const T*>(from);
      T* t = reinterpret_cast<T*>(to);
      if (from_step == 1 && to_step == 1) return std::copy_n(f, count, t), void();
      for (int64_t i = 0; i < count; ++i) t[i * to_step] = f[i * from_step];
    };
    math_.element == 4 ? as(uint32_t{}) : as(uint64_t{});
  }

  void copy_in(int64_t image, int64_t at, char* scratch) const {
    const PatchSource& src = pass_.source;
    const int64_t bytes = math_.element, rows = plane_ / width_;
    const int64_t low = std::clamp<int64_t>(-src.off_w[0], 0, width_);
    const int64_t high = std::clamp<int64_t>(src.in_w - src.off_w[0], low, width_);
    for (int64_t c = 0; c < pass_.groups * src.channels; ++c) {
      char* to = scratch + (at * flat_.source.n_stride + c * plane_) * bytes;
      for (int64_t i = 0; i < rows; ++i, to += width_ * bytes) {
        const int64_t row = i + src.off_h[0];
        if (row < 0 || row >= src.in_h) {
          std::fill_n(to, width_ * bytes, 0);
          continue;
        }
        std::fill_n(to, low * bytes, 0);
        const int64_t from = src.image(image) + c / src.channels * src.group_stride +
                             src.channel(c % src.channels) + row * src.h_stride +
                             (low + src.off_w[0]) * src.w_stride;
        move(src.data + from * bytes, src.w_stride, to + low * bytes, 1, high - low);
        std::fill_n(to + high * bytes, (width_ - high) * bytes, 0);
      }
    }
  }

  void copy_out(int64_t at, int64_t image, const char* results) const {
    const int64_t bytes = math_.element;
    for (int64_t k = 0; k < pass_.groups * pass_.outs; ++k) {
      const char* from = results + (at * flat_.out_n + k * pixels_) * bytes;
      char* to = pass_.out + (pass_.out_image(image) + k * pass_.out_channel) * bytes;
      for (int64_t i = 0; i < pass_.source.grid_h; ++i) {
        move(from, 1, to, pass_.out_w, pass_.source.grid_w);
        from += width_ * bytes;
        to += pass_.out_h * bytes;
      }
    }
  }

  const ConvMath& math_;
  const ConvPass& pass_;
  ConvPass flat_;
  Taps taps_, row_;
  int64_t width_ = 0, plane_ = 0, pixels_ = 0;  // of a row, of a plane, to be computed
};

}  // namespace

bool flattens(const ConvMath& math, const ConvPass& pass) {
  const PatchSource& src = pass.source;
  return math.packs_panels() && src.elements() > 0 && src.step_h == 1 && src.step_w == 1 &&
         8 * pass.outs < 3 * math.kernels->nr && repays_copy(src) && Flat(math, pass).pays();
}

void run_flat(const ConvMath& math, const ConvPass& pass) { Flat(math, pass).run(); }

}  // namespace flambeau::inline v1::cpu
