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

// What of a source is in the scratch at a time, and where.
class DepthwisePlan {
 public:
  // `grads`: vectors of gradients are there too.
  DepthwisePlan(ConvType type, ConvLayout layout, const PatchSource& source, bool grads)
      : f(kernels_of(type)),
        src(source),
        planes(layout == ConvLayout::nchw),
        element(type == ConvType::f64   ? 8
                : type == ConvType::f32 ? 4
                                        : 2),
        taps(source.taps_h * source.taps_w),
        block(planes ? 1 : f.lanes),
        vectors(planes ? ceil_div(source.grid_w, f.lanes) : source.grid_w),
        step(planes ? f.lanes : source.step_w * f.lanes),
        grads_(grads),
        span_h_(source.off_h[source.taps_h - 1] - source.off_h[0]) {
    const int64_t span_w = src.off_w[src.taps_w - 1] - src.off_w[0];
    if (planes) {
      // Vectors of the last columns reach beyond the grid.
      column = round_up(src.grid_w, f.lanes) + span_w / src.step_w;
      pitch = column * std::min(src.step_w, span_w + 1);
    } else {
      column = f.lanes;
      pitch = ((src.grid_w - 1) * src.step_w + span_w + 1) * f.lanes;
    }
    for (int64_t r = 0; r < src.taps_h; ++r)
      for (int64_t s = 0; s < src.taps_w; ++s) {
        const int64_t down = src.off_h[r] - src.off_h[0], right = src.off_w[s] - src.off_w[0];
        const int64_t along =
            planes ? right % src.step_w * column + right / src.step_w : right * f.lanes;
        distances.push_back(down * pitch + along);
      }
    rows = 1;
    while (rows < src.grid_h && scratch_bytes(rows + 1) <= kScratchBytes) ++rows;
    rows = ceil_div(src.grid_h, ceil_div(src.grid_h, rows));
  }

  int64_t bands() const { return ceil_div(src.grid_h, rows); }
  int64_t source_bytes() const { return source_bytes(rows); }
  int64_t scratch_bytes() const { return scratch_bytes(rows); }
  // What vectors that are taken together may read beyond the last of them.
  int64_t slack_bytes() const {
    return (f.together - 1) * std::max(step, src.step_h * pitch) * f.sum;
  }

  // Of an image, from a channel on, for the rows of the grid from `row` on.
  DepthwiseBlock load(int64_t image, int64_t channel, int64_t channels, int64_t row,
                      char* scratch) const {
    DepthwiseBlock b{};
    b.source = &src;
    b.src = src.data + (image * src.n_stride + channel * src.c_stride) * element;
    b.row = row;
    b.rows = std::min(rows, src.grid_h - row);
    b.channels = channels;
    b.scratch = scratch;
    b.pitch = pitch;
    b.column = column;
    (planes ? f.load_planes : f.load_channels)(b);
    return b;
  }

  const DepthwiseKernels& f;
  const PatchSource& src;
  const bool planes;
  const int64_t element, taps;
  const int64_t block;    // of channels
  const int64_t vectors;  // of a row of the grid
  const int64_t step;     // between them in the scratch
  int64_t column, pitch, rows;
  std::vector<int64_t> distances;

 private:
  int64_t source_bytes(int64_t of_rows) const {
    return ((of_rows - 1) * src.step_h + span_h_ + 1) * pitch * f.sum;
  }
  int64_t scratch_bytes(int64_t of_rows) const {
    return source_bytes(of_rows) + (grads_ ? of_rows * vectors * f.lanes * f.sum : 0);
  }

  const bool grads_;
  const int64_t span_h_;
};

class DepthwisePass {
 public:
  DepthwisePass(ConvType type, const ConvPass& pass)
      : plan_(type, pass.layout, pass.source, false), pass_(pass) {}

  void run() const {
    const int64_t bands = plan_.bands(), blocks = ceil_div(pass_.groups, plan_.block);
    const int64_t vector = plan_.f.lanes * plan_.f.sum;
    const int64_t work = plan_.rows * plan_.src.grid_w * plan_.block * pass_.outs * plan_.taps;
    parallel_for(pass_.images * blocks * bands, std::max<int64_t>(1, kTaskSums / work),
                 [&](int64_t begin, int64_t end) {
                   const Scratch scratch(plan_.scratch_bytes() + plan_.slack_bytes() +
                                         (plan_.taps + 2) * vector);
                   int64_t loaded = -1;  // whose filters are there
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t image = t / bands % pass_.images;
                     const int64_t group = t / bands / pass_.images * plan_.block;
                     multiply(image, group, t % bands * plan_.rows, scratch.data(), loaded);
                   }
                 });
  }

 private:
  void multiply(int64_t image, int64_t group, int64_t row, char* scratch, int64_t& loaded) const {
    const DepthwiseKernels& f = plan_.f;
    char* const filters = scratch + round_up(plan_.scratch_bytes() + plan_.slack_bytes(), 64);
    char* const bias = filters + plan_.taps * f.lanes * f.sum;
    const int64_t channels = std::min(plan_.block, pass_.groups - group);
    DepthwiseBlock b = plan_.load(image, group, channels, row, scratch);
    b.filters = filters;
    b.bias = pass_.bias ? bias : nullptr;
    b.out_h = pass_.out_h;
    b.out_w = pass_.out_w;
    for (int64_t out = 0; out < pass_.outs; ++out) {
      const int64_t channel = group * pass_.outs + out;
      if (channel != loaded) {
        load_filters(group, out, channels, filters);
        if (pass_.bias) f.widen(bias, pass_.bias + channel * plan_.element, 1, channels);
        loaded = channel;
      }
      b.out = pass_.out + (image * pass_.out_n + channel * pass_.out_channel) * plan_.element;
      (plan_.planes ? f.planes : f.channels)(b, plan_.distances.data());
    }
  }

  void load_filters(int64_t group, int64_t out, int64_t channels, char* to) const {
    const FilterView& view = pass_.filters;
    const int64_t taps_w = plan_.src.taps_w;
    for (int64_t t = 0; t < plan_.taps; ++t) {
      const int64_t r = pass_.taps_h->filter[t / taps_w], s = pass_.taps_w->filter[t % taps_w];
      const int64_t at =
          group * view.group_stride + out * view.out_stride + r * view.r_stride + s * view.s_stride;
      plan_.f.widen(to + t * plan_.block * plan_.f.sum, view.data + at * plan_.element,
                    view.group_stride, channels);
    }
  }

  const DepthwisePlan plan_;
  const ConvPass& pass_;
};

bool is_small(const PatchSource& src) {
  const auto span = [](const int64_t* offsets, int64_t taps) {
    return offsets[taps - 1] - offsets[0];
  };
  return src.elements() > 0 && src.grid_h > 0 && src.grid_w > 0 &&
         span(src.off_h, src.taps_h) <= kMostSpan && span(src.off_w, src.taps_w) <= kMostSpan &&
         src.step_h <= kMostSpan && src.step_w <= kMostSpan;
}

}  // namespace

bool is_depthwise(const ConvPass& pass) {
  return pass.source.channels == 1 && pass.groups > 1 && pass.activation == Activation::none &&
         (pass.layout == ConvLayout::nchw ? pass.outs <= kMostOuts
                                          : pass.outs == 1 && pass.out_channel == 1) &&
         is_small(pass.source);
}

void run_depthwise(ConvType type, const ConvPass& pass) { DepthwisePass(type, pass).run(); }

// ---- the gradient of the filters

bool is_depthwise(ConvLayout layout, const Conv2dShape& shape, const PatchSource& source) {
  const int64_t outs = shape.k / shape.groups;
  return source.channels == 1 && shape.groups > 1 &&
         outs <= (layout == ConvLayout::nchw ? kMostOuts : 1) && is_small(source);
}

// Each image has sums of its own, which are added in order.
void depthwise_grad_filters(ConvType type, ConvLayout layout, const Conv2dShape& shape,
                            const PatchSource& source, const void* dy,
                            const MutableConvFilters& gradient) {
  const DepthwisePlan plan(type, layout, source, true);
  const DepthwiseKernels& f = plan.f;
  const ImageStrides grad(layout, shape.k, shape.out_h(), shape.out_w());
  const int64_t blocks = ceil_div(shape.groups, plan.block), outs = shape.k / shape.groups;
  const int64_t vector = f.lanes * f.sum, part = outs * plan.taps * vector;
  const Scratch sums(shape.n * blocks * part);
  std::fill_n(sums.data(), shape.n * blocks * part, 0);
  const int64_t work = source.grid_h * source.grid_w * plan.block * outs * plan.taps;
  parallel_for(blocks * shape.n, std::max<int64_t>(1, kTaskSums / work),
               [&](int64_t t, int64_t end) {
                 const Scratch scratch(plan.scratch_bytes());
                 char* const vectors = scratch.data() + plan.source_bytes();
                 for (; t < end; ++t) {
                   const int64_t image = t % shape.n, channel = t / shape.n * plan.block;
                   const int64_t channels = std::min(plan.block, shape.groups - channel);
                   for (int64_t row = 0; row < source.grid_h; row += plan.rows) {
                     DepthwiseBlock b = plan.load(image, channel, channels, row, scratch.data());
                     b.out_h = grad.h;
                     b.out_w = grad.w;
                     for (int64_t out = 0; out < outs; ++out) {
                       const int64_t at = image * grad.n + (channel * outs + out) * grad.c;
                       b.out = const_cast<char*>(static_cast<const char*>(dy)) + at * plan.element;
                       (plan.planes ? f.load_grad_planes : f.load_grad_channels)(b, vectors);
                       f.correlate(b, vectors, plan.vectors, plan.step, plan.distances.data(),
                                   plan.taps, sums.data() + t * part + out * plan.taps * vector);
                     }
                   }
                 }
               });
  parallel_for(blocks, 16, [&](int64_t block, int64_t end) {
    for (; block < end; ++block) {
      char* const first = sums.data() + block * shape.n * part;
      for (int64_t i = 1; i < shape.n; ++i) f.add(first, first + i * part, part / f.sum);
      const int64_t channel = block * plan.block;
      for (int64_t v = 0; v < outs * plan.taps; ++v) {
        const int64_t out = channel * outs + v / plan.taps, tap = v % plan.taps;
        const int64_t at = out * gradient.k_stride + tap / source.taps_w * gradient.r_stride +
                           tap % source.taps_w * gradient.s_stride;
        if (plan.planes) f.join_lanes(first + v * vector);
        f.narrow(static_cast<char*>(gradient.data) + at * plan.element, gradient.k_stride,
                 first + v * vector, std::min(plan.block, shape.groups - channel));
      }
    }
  });
}

}  // namespace flambeau::inline v1::cpu
