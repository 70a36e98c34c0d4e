#include "kernels/cpu/conv/depthwise.h"

#include <algorithm>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kScratchBytes = 32 << 10;
constexpr int64_t kTaskSums = 1 << 16;  // products of taps
constexpr int64_t kMostOuts = 4;        // of a channel; more share what they read by a product
constexpr int64_t kMostSpan = 64;       // between the first and the last tap

const DepthwiseKernels& kernels_of(ConvType type) {
  static const DepthwiseTable& table =
      of_isa(baseline::depthwise_table, avx2::depthwise_table, avx512::depthwise_table);
  switch (type) {
    case ConvType::f32:
      return table.f32;
    case ConvType::f64:
      return table.f64;
    case ConvType::bf16:
      return table.bf16;
    case ConvType::f16:
      break;
  }
  return table.f16;
}

class DepthwisePass {
 public:
  DepthwisePass(ConvType type, const ConvPass& pass)
      : f_(kernels_of(type)),
        pass_(pass),
        src_(pass.source),
        planes_(pass.layout == ConvLayout::nchw),
        element_(type == ConvType::f64   ? 8
                 : type == ConvType::f32 ? 4
                                         : 2),
        taps_(src_.taps_h * src_.taps_w),
        span_h_(src_.off_h[src_.taps_h - 1] - src_.off_h[0]),
        span_w_(src_.off_w[src_.taps_w - 1] - src_.off_w[0]) {
    plan();
  }

  void run() const {
    const int64_t bands = ceil_div(src_.grid_h, rows_), blocks = ceil_div(pass_.groups, block_);
    const int64_t work = std::min(rows_, src_.grid_h) * src_.grid_w * block_ * pass_.outs * taps_;
    parallel_for(pass_.images * blocks * bands, std::max<int64_t>(1, kTaskSums / work),
                 [&](int64_t begin, int64_t end) {
                   const Scratch scratch(scratch_bytes(rows_));
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t row = t % bands * rows_, group = t / bands % blocks * block_;
                     multiply(t / bands / blocks, group, row, scratch.data());
                   }
                 });
  }

 private:
  void plan() {
    block_ = planes_ ? 1 : f_.lanes;
    if (planes_) {
      // Vectors of the last columns reach beyond the grid.
      column_ = round_up(src_.grid_w, f_.lanes) + span_w_ / src_.step_w;
      pitch_ = column_ * std::min(src_.step_w, span_w_ + 1);
    } else {
      column_ = f_.lanes;
      pitch_ = ((src_.grid_w - 1) * src_.step_w + span_w_ + 1) * f_.lanes;
    }
    for (int64_t r = 0; r < src_.taps_h; ++r)
      for (int64_t s = 0; s < src_.taps_w; ++s) {
        const int64_t down = src_.off_h[r] - src_.off_h[0], right = src_.off_w[s] - src_.off_w[0];
        const int64_t along =
            planes_ ? right % src_.step_w * column_ + right / src_.step_w : right * f_.lanes;
        distances_.push_back(down * pitch_ + along);
      }
    rows_ = src_.grid_h;
    while (rows_ > 1 && scratch_bytes(rows_) > kScratchBytes) rows_ = ceil_div(rows_, 2);
  }

  int64_t scratch_bytes(int64_t rows) const {
    return ((rows - 1) * src_.step_h + span_h_ + 1) * pitch_ * f_.sum +
           (taps_ + 1) * f_.lanes * f_.sum;
  }

  void multiply(int64_t image, int64_t group, int64_t row, char* scratch) const {
    char* const filters = scratch;
    char* const bias = filters + taps_ * f_.lanes * f_.sum;
    DepthwiseBlock b{
        .source = &src_,
        .src = src_.data + (image * src_.n_stride + group * src_.c_stride) * element_,
        .filters = filters,
        .bias = pass_.bias ? bias : nullptr,
        .row = row,
        .rows = std::min(rows_, src_.grid_h - row),
        .channels = std::min(block_, pass_.groups - group),
        .out = nullptr,
        .out_h = pass_.out_h,
        .out_w = pass_.out_w,
        .scratch = bias + f_.lanes * f_.sum,
        .pitch = pitch_,
        .column = column_,
    };
    (planes_ ? f_.load_planes : f_.load_channels)(b);
    for (int64_t out = 0; out < pass_.outs; ++out) {
      const int64_t channel = group * pass_.outs + out;
      load_filters(group, out, b.channels, filters);
      if (pass_.bias) f_.widen(bias, pass_.bias + channel * element_, 1, b.channels);
      b.out = pass_.out + (image * pass_.out_n + channel * pass_.out_channel) * element_;
      (planes_ ? f_.planes : f_.channels)(b, distances_.data());
    }
  }

  void load_filters(int64_t group, int64_t out, int64_t channels, char* to) const {
    const FilterView& view = pass_.filters;
    for (int64_t t = 0; t < taps_; ++t) {
      const int64_t r = pass_.taps_h->filter[t / src_.taps_w];
      const int64_t s = pass_.taps_w->filter[t % src_.taps_w];
      const int64_t at =
          group * view.group_stride + out * view.out_stride + r * view.r_stride + s * view.s_stride;
      f_.widen(to + t * block_ * f_.sum, view.data + at * element_, view.group_stride, channels);
    }
  }

  const DepthwiseKernels& f_;
  const ConvPass& pass_;
  const PatchSource& src_;
  const bool planes_;
  const int64_t element_, taps_, span_h_, span_w_;
  int64_t block_ = 1, column_ = 1, pitch_ = 1, rows_ = 1;
  std::vector<int64_t> distances_;
};

}  // namespace

bool is_depthwise(const ConvPass& pass) {
  const PatchSource& src = pass.source;
  const auto span = [](const int64_t* offsets, int64_t taps) {
    return offsets[taps - 1] - offsets[0];
  };
  const bool planes = pass.layout == ConvLayout::nchw;
  return src.channels == 1 && pass.groups > 1 && pass.activation == Activation::none &&
         src.elements() > 0 && src.grid_h > 0 && src.grid_w > 0 &&
         (planes ? pass.outs <= kMostOuts : pass.outs == 1 && pass.out_channel == 1) &&
         span(src.off_h, src.taps_h) <= kMostSpan && span(src.off_w, src.taps_w) <= kMostSpan &&
         src.step_h <= kMostSpan && src.step_w <= kMostSpan;
}

void run_depthwise(ConvType type, const ConvPass& pass) { DepthwisePass(type, pass).run(); }

}  // namespace flambeau::inline v1::cpu
