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
constexpr int64_t kMostChannels = 7, kFewOuts = 2;  // of a group that has more than one channel
constexpr int64_t kMostSpan = 64;                   // between the first and the last tap
constexpr int64_t kParts = 16;                      // of sums over images and rows
constexpr int64_t kMostPairs = 4096, kFewPairs = 32,
                  kFewLanes = 16;  // of an out and an element of a patch

}  // namespace

const DepthwiseKernels& depthwise_kernels(ConvType type) {
  static const DepthwiseTable& table =
      of_isa(baseline::depthwise_table, avx2::depthwise_table, avx512::depthwise_table);
  return of_type(table, type);
}

namespace {

// What of a source is in the scratch at a time, and where.
class DepthwisePlan {
 public:
  // `channels` are there together; `grads`: so many gradients too.
  DepthwisePlan(ConvType type, const PatchSource& source, int64_t channels, int64_t grads)
      : f(depthwise_kernels(type)),
        src(source),
        element(element_of(type)),
        taps(source.taps_h * source.taps_w),
        vectors(ceil_div(source.grid_w, f.lanes)),
        channels_(channels),
        grads_(grads),
        span_h_(source.off_h[source.taps_h - 1] - source.off_h[0]) {
    const int64_t span_w = src.off_w[src.taps_w - 1] - src.off_w[0];
    // Vectors of the last columns reach beyond the grid.
    column = round_up(src.grid_w, f.lanes) + span_w / src.step_w;
    pitch = column * std::min(src.step_w, span_w + 1);
    for (int64_t r = 0; r < src.taps_h; ++r)
      for (int64_t s = 0; s < src.taps_w; ++s) {
        const int64_t down = src.off_h[r] - src.off_h[0], right = src.off_w[s] - src.off_w[0];
        distances.push_back(down * pitch + right % src.step_w * column + right / src.step_w);
      }
    rows = 1;
    while (rows < src.grid_h && scratch_bytes(rows + 1) <= kScratchBytes) ++rows;
    rows = ceil_div(src.grid_h, ceil_div(src.grid_h, rows));
    for (int64_t c = 1; c < channels; ++c)
      for (int64_t t = 0; t < taps; ++t)
        distances.push_back(c * (source_bytes() / f.sum) + distances[static_cast<size_t>(t)]);
  }

  int64_t bands() const { return ceil_div(src.grid_h, rows); }
  int64_t source_bytes() const { return source_bytes(rows); }
  int64_t scratch_bytes() const { return scratch_bytes(rows); }
  // What vectors that are taken together may read beyond the last of them.
  int64_t slack_bytes() const {
    return (f.together - 1) * std::max(f.lanes, src.step_h * pitch) * f.sum;
  }

  // Whole images leave the same zeros around them.
  bool clears_once() const { return bands() == 1; }
  void clear(char* scratch) const {
    if (clears_once()) std::fill_n(scratch, channels_ * source_bytes(), 0);
  }

  // A channel of a group of an image, for the rows of the grid from `row` on; into a scratch that
  // was cleared.
  DepthwiseBlock load(int64_t image, int64_t group, int64_t channel, int64_t row,
                      char* scratch) const {
    DepthwiseBlock b{};
    b.source = &src;
    b.src =
        src.data + (src.image(image) + group * src.group_stride + src.channel(channel)) * element;
    b.row = row;
    b.rows = std::min(rows, src.grid_h - row);
    b.scratch = scratch;
    b.pitch = pitch;
    b.column = column;
    b.cleared = clears_once();
    f.load(b);
    return b;
  }

  const DepthwiseKernels& f;
  const PatchSource& src;
  const int64_t element, taps;
  const int64_t vectors;  // of a row of the grid
  int64_t column, pitch, rows;
  std::vector<int64_t> distances;

 private:
  int64_t source_bytes(int64_t of_rows) const {
    return ((of_rows - 1) * src.step_h + span_h_ + 1) * pitch * f.sum;
  }
  int64_t scratch_bytes(int64_t of_rows) const {
    return channels_ * source_bytes(of_rows) + grads_ * of_rows * vectors * f.lanes * f.sum;
  }

  const int64_t channels_, grads_;
  const int64_t span_h_;
};

class DepthwisePass {
 public:
  DepthwisePass(ConvType type, const ConvPass& pass)
      : plan_(type, pass.source, pass.source.channels, 0), pass_(pass) {}

  void run() const {
    const int64_t bands = plan_.bands();
    const int64_t elements = plan_.src.elements();
    const int64_t work = plan_.rows * plan_.src.grid_w * pass_.outs * elements;
    parallel_for(pass_.images * pass_.groups * bands, std::max<int64_t>(1, kTaskSums / work),
                 [&](int64_t begin, int64_t end) {
                   const Scratch scratch(plan_.scratch_bytes() + plan_.slack_bytes() +
                                         (elements + 1) * plan_.f.sum + 64);
                   plan_.clear(scratch.data());
                   int64_t loaded = -1;  // whose filters are there
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t image = t / bands % pass_.images;
                     const int64_t group = t / bands / pass_.images;
                     multiply(image, group, t % bands * plan_.rows, scratch.data(), loaded);
                   }
                 });
  }

 private:
  void multiply(int64_t image, int64_t group, int64_t row, char* scratch, int64_t& loaded) const {
    const DepthwiseKernels& f = plan_.f;
    char* const filters = scratch + round_up(plan_.scratch_bytes() + plan_.slack_bytes(), 64);
    char* const bias = filters + plan_.src.elements() * f.sum;
    DepthwiseBlock b;
    for (int64_t c = plan_.src.channels; c-- > 0;)
      b = plan_.load(image, group, c, row, scratch + c * plan_.source_bytes());
    b.filters = filters;
    b.bias = pass_.bias ? bias : nullptr;
    b.out_h = pass_.out_h;
    b.out_w = pass_.out_w;
    for (int64_t out = 0; out < pass_.outs; ++out) {
      const int64_t channel = group * pass_.outs + out;
      if (channel != loaded) {
        load_filters(group, out, filters);
        if (pass_.bias) f.widen(bias, pass_.bias + channel * plan_.element, 1, 1);
        loaded = channel;
      }
      b.out = pass_.out + (pass_.out_image(image) + channel * pass_.out_channel) * plan_.element;
      f.multiply(b, plan_.distances.data());
    }
  }

  void load_filters(int64_t group, int64_t out, char* to) const {
    const FilterView& view = pass_.filters;
    const int64_t taps_w = plan_.src.taps_w;
    for (int64_t e = 0; e < plan_.src.elements(); ++e) {
      const int64_t t = e % plan_.taps;
      const int64_t r = pass_.taps_h->filter[t / taps_w], s = pass_.taps_w->filter[t % taps_w];
      const int64_t at = group * view.group_stride + out * view.out_stride +
                         view.in(e / plan_.taps) + r * view.r_stride + s * view.s_stride;
      plan_.f.widen(to + e * plan_.f.sum, view.data + at * plan_.element, 1, 1);
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
  const int64_t channels = pass.source.channels;
  return (channels == 1 ? pass.outs <= kMostOuts
                        : channels <= kMostChannels && pass.outs <= kFewOuts) &&
         pass.groups > 1 && pass.activation == Activation::none &&
         pass.layout == ConvLayout::nchw && is_small(pass.source);
}

void run_depthwise(ConvType type, const ConvPass& pass) { DepthwisePass(type, pass).run(); }

// ---- the gradient of the filters

bool correlates(ConvType type, ConvLayout layout, const Conv2dShape& shape,
                const PatchSource& source) {
  if (layout != ConvLayout::nchw || !is_small(source)) return false;
  const int64_t outs = shape.k / shape.groups, elements = source.elements();
  const int64_t width = source.grid_w, few = std::min(outs, elements);
  const int64_t taps = source.taps_h * source.taps_w;
  // What is lost of rows' vectors and of taps together, unless a product would lose as much.
  const int64_t all =
      round_up(width, depthwise_kernels(type).lanes) * round_up(taps, kTapsTogether);
  const bool wide = 17 * all <= 20 * width * taps;
  return elements > source.channels && outs * elements <= kMostPairs && few <= kFewPairs &&
         (wide || few < kFewLanes);
}

// Images are cut into bands of rows, and all bands into parts by their number alone; each part has
// sums of its own, which are added in order.
void correlate_grad_filters(ConvType type, const Conv2dShape& shape, const PatchSource& source,
                            const void* dy, const MutableConvFilters& gradient) {
  const int64_t outs = shape.k / shape.groups, channels = source.channels;
  const DepthwisePlan plan(type, source, 1, std::min(outs, depthwise_kernels(type).outs));
  const DepthwiseKernels& f = plan.f;
  const ImageStrides grad(ConvLayout::nchw, shape.k, shape.out_h(), shape.out_w());
  const int64_t vector = f.lanes * f.sum, filter = channels * plan.taps * vector;
  const int64_t units = shape.n * plan.bands(), parts = std::min(units, kParts);
  const Scratch sums(parts * shape.groups * outs * filter);
  const int64_t work = units / parts * plan.rows * source.grid_w * outs * channels * plan.taps;
  const auto sums_of = [&](int64_t group, int64_t part) {
    return sums.data() + (group * parts + part) * outs * filter;
  };
  parallel_for(
      shape.groups * parts, std::max<int64_t>(1, kTaskSums / work), [&](int64_t t, int64_t end) {
        const Scratch scratch(channels * plan.source_bytes());
        for (int64_t c = 0; c < channels; ++c) plan.clear(scratch.data() + c * plan.source_bytes());
        for (; t < end; ++t) {
          const int64_t part = t % parts, group = t / parts;
          char* const to = sums_of(group, part);
          std::fill_n(to, outs * filter, 0);
          for (int64_t u = part * units / parts; u < (part + 1) * units / parts; ++u) {
            const int64_t image = u / plan.bands(), row = u % plan.bands() * plan.rows;
            DepthwiseBlock b{};
            for (int64_t c = 0; c < channels; ++c)
              b = plan.load(image, group, c, row, scratch.data() + c * plan.source_bytes());
            b.out_h = grad.h;
            b.out_w = grad.w;
            for (int64_t out = 0; out < outs; out += f.outs) {
              const int64_t at = image * grad.n + (group * outs + out) * grad.c;
              b.out = const_cast<char*>(static_cast<const char*>(dy)) + at * plan.element;
              for (int64_t c = 0; c < channels; ++c) {
                b.scratch = scratch.data() + c * plan.source_bytes();
                f.correlate(b, std::min(f.outs, outs - out), grad.c, plan.distances.data(),
                            plan.taps, to + out * filter + c * plan.taps * vector, filter / f.sum);
              }
            }
          }
        }
      });
  parallel_for(shape.k, std::max<int64_t>(1, kTaskSums / (channels * plan.taps * parts * f.lanes)),
               [&](int64_t out, int64_t end) {
                 for (; out < end; ++out) {
                   char* const first = sums_of(out / outs, 0) + out % outs * filter;
                   for (int64_t i = 1; i < parts; ++i)
                     f.add(first, first + i * outs * filter, filter / f.sum);
                   for (int64_t v = 0; v < channels * plan.taps; ++v) {
                     const int64_t tap = v % plan.taps;
                     const int64_t at = out * gradient.k_stride +
                                        v / plan.taps * gradient.c_stride +
                                        tap / source.taps_w * gradient.r_stride +
                                        tap % source.taps_w * gradient.s_stride;
                     f.join_lanes(first + v * vector);
                     f.narrow(static_cast<char*>(gradient.data) + at * plan.element, 1,
                              first + v * vector, 1);
                   }
                 }
               });
}

}  // namespace flambeau::inline v1::cpu
