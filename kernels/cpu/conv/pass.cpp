#include "kernels/cpu/conv/pass.h"

#include <algorithm>
#include <optional>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/gemm/scratch.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kTaskWork = int64_t{1} << 18;  // multiply-adds
// Blocks of one task: pixels and outs. One step of both, packed, fits a second-level cache; up to
// kShallowSteps steps, more pixels of planes use the filters better, and their sums travel little.
constexpr int64_t kShallowSteps = 2;
constexpr int64_t kPixels = 112, kShallowPixels = 224, kOuts = 256;
constexpr int64_t kPackLanes = 112, kChannelsTogether = 32;
// Below this part of a panel's columns, outs are better rows.
constexpr int64_t kFewOuts = 4;

// Where a filter's taps lie, from its first one on.
std::vector<int64_t> tap_offsets(const ConvPass& pass) {
  std::vector<int64_t> offsets;
  for (int64_t r : pass.taps_h->filter) {
    for (int64_t s : pass.taps_w->filter) {
      offsets.push_back(r * pass.filters.r_stride + s * pass.filters.s_stride);
    }
  }
  return offsets;
}

// The filters as a matrix, outs x elements of a patch in the order of patches.
class FilterMatrix {
 public:
  FilterMatrix(const ConvMath& math, const ConvPass& pass) : pass_(pass) {
    if (in_order(pass)) {
      data_ = pass.filters.data;
      out_ = pass.filters.out_stride;
      element_ = 1;
      group_ = pass.filters.group_stride;
      return;
    }
    const int64_t elements = pass.source.elements();
    const bool by_element = pass.filters.out_stride == 1 && pass.outs > 1;
    out_ = by_element ? 1 : padded(elements, math.element);
    element_ = by_element ? padded(pass.outs, math.element) : 1;
    group_ = by_element ? elements * element_ : pass.outs * out_;
    copy_.emplace(pass.groups * group_ * math.element);
    data_ = copy_->data();
    if (math.element == 2) copy<uint16_t>();
    if (math.element == 4) copy<uint32_t>();
    if (math.element == 8) copy<uint64_t>();
  }

  const char* at(int64_t group, int64_t out, int64_t element, int bytes) const {
    return data_ + (group * group_ + out * out_ + element * element_) * bytes;
  }
  int64_t out_stride() const { return out_; }
  int64_t element_stride() const { return element_; }

  // Whether the filters are such a matrix already.
  static bool in_order(const ConvPass& pass) {
    const PatchSource& src = pass.source;
    const FilterView& f = pass.filters;
    if (src.elements() == 0) return true;
    const bool ins_last = pass.layout == ConvLayout::nhwc;
    const int64_t s_stride = ins_last ? src.channels : 1;
    const int64_t in_stride = ins_last ? 1 : src.taps_h * src.taps_w;
    return identity(*pass.taps_h) && identity(*pass.taps_w) &&
           (src.channels == 1 || f.in_stride == in_stride) &&
           (src.taps_w == 1 || f.s_stride == s_stride) &&
           (src.taps_h == 1 || f.r_stride == src.taps_w * s_stride);
  }

 private:
  static bool identity(const Taps& taps) {
    for (size_t i = 0; i < taps.filter.size(); ++i) {
      if (taps.filter[i] != static_cast<int64_t>(i)) return false;
    }
    return true;
  }
  // An odd number of cache lines, so that rows do not compete for the same sets.
  static int64_t padded(int64_t elements, int bytes) {
    const int64_t line = 64 / bytes;
    return (ceil_div(elements, line) | 1) * line;
  }

  // A few outs at a time, because neighbours in one order are far apart in the other; all of them
  // where they are neighbours in both.
  template <class T>
  void copy() {
    const FilterView& f = pass_.filters;
    const bool ins_last = pass_.layout == ConvLayout::nhwc;
    const int64_t ins = pass_.source.channels;
    const std::vector<int64_t> taps = tap_offsets(pass_);
    const int64_t tap_count = std::ssize(taps);
    const int64_t tap_step = ins_last ? ins : 1, in_step = ins_last ? 1 : tap_count;
    const int64_t together = out_ == 1 ? kOuts : 16;
    const int64_t chunks = ceil_div(pass_.outs, together);
    parallel_tasks(pass_.groups * chunks, [&](int64_t t) {
      const int64_t group = t / chunks, first = t % chunks * together;
      const int64_t count = std::min(together, pass_.outs - first);
      const T* const from =
          reinterpret_cast<const T*>(f.data) + group * f.group_stride + first * f.out_stride;
      T* const to = reinterpret_cast<T*>(copy_->data()) + group * group_ + first * out_;
      for (int64_t c = 0; c < ins; ++c) {
        const T* const filter = from + c * f.in_stride;
        T* const element = to + c * in_step * element_;
        if (out_ == 1) {
          for (int64_t i = 0; i < tap_count; ++i) {
            std::copy_n(filter + taps[static_cast<size_t>(i)], count,
                        element + i * tap_step * element_);
          }
          continue;
        }
        for (int64_t out = 0; out < count; ++out) {
          for (int64_t i = 0; i < tap_count; ++i) {
            element[out * out_ + i * tap_step] =
                filter[out * f.out_stride + taps[static_cast<size_t>(i)]];
          }
        }
      }
    });
  }

  const ConvPass& pass_;
  std::optional<Scratch> copy_;
  const char* data_;
  int64_t out_, element_, group_;  // distances, in elements
};

// The filters packed, step by step: as rows of A or columns of B.
class PackedFilters {
 public:
  PackedFilters(const ConvMath& math, const ConvPass& pass, const GemmSteps& steps, bool as_rows)
      : f_(*math.kernels),
        as_rows_(as_rows),
        depth_(steps.depth),
        step_bytes_(as_rows_ ? packed_a_bytes(f_, pass.outs)
                             : packed_b_bytes(f_, pass.outs, steps.depth)),
        steps_(steps.count),
        packed_(pass.groups * steps.count * step_bytes_) {
    if (as_rows_ && pass.layout == ConvLayout::nchw && math.packs_panels() &&
        !FilterMatrix::in_order(pass)) {
      if (math.element == 4) copy_rows<uint32_t>(pass);
      if (math.element == 8) copy_rows<uint64_t>(pass);
      return;
    }
    const FilterMatrix matrix(math, pass);
    const int64_t lanes = round_up(kPackLanes, as_rows_ ? f_.mr : f_.nr);
    const int64_t chunks = ceil_div(pass.outs, lanes);
    parallel_tasks(pass.groups * steps.count * chunks, [&](int64_t t) {
      const int64_t out = t % chunks * lanes, count = std::min(lanes, pass.outs - out);
      const int64_t step = t / chunks % steps.count, group = t / chunks / steps.count;
      const int64_t depth = steps.depth_of(step, pass.source.elements());
      const char* from = matrix.at(group, out, step * steps.depth, math.element);
      char* to = const_cast<char*>(at(group, step, out, depth));
      (as_rows_ ? f_.pack_a : f_.pack_b)(from, matrix.out_stride(), matrix.element_stride(), false,
                                         count, depth, to);
    });
  }

  const char* at(int64_t group, int64_t step, int64_t out, int64_t depth) const {
    const char* base = packed_.data() + (group * steps_ + step) * step_bytes_;
    return base + (as_rows_ ? packed_a_bytes(f_, out) : packed_b_bytes(f_, out, depth));
  }

 private:
  // Straight from the filters to rows.
  template <class T>
  void copy_rows(const ConvPass& pass) {
    constexpr int64_t bytes = sizeof(T);
    const FilterView& f = pass.filters;
    const std::vector<int64_t> taps = tap_offsets(pass);
    std::vector<int64_t> places;  // of a row's elements
    for (int64_t e = 0; e < pass.source.elements(); ++e) {
      places.push_back(e / depth_ * (step_bytes_ / bytes) + e % depth_);
    }
    // A few channels for all outs: mostly, the outs of a channel lie side by side.
    const int64_t channels = pass.source.channels, chunks = ceil_div(channels, kChannelsTogether);
    parallel_tasks(pass.groups * chunks, [&](int64_t t) {
      const int64_t group = t / chunks, first = t % chunks * kChannelsTogether;
      const T* const filters = reinterpret_cast<const T*>(f.data) + group * f.group_stride;
      T* const rows = reinterpret_cast<T*>(const_cast<char*>(at(group, 0, 0, 0)));
      for (int64_t c = first; c < std::min(first + kChannelsTogether, channels); ++c) {
        const int64_t* const place = places.data() + c * std::ssize(taps);
        for (int64_t out = 0; out < pass.outs; ++out) {
          const T* const filter = filters + out * f.out_stride + c * f.in_stride;
          T* const row = rows + out * (f_.a_row / bytes);
          for (size_t i = 0; i < taps.size(); ++i) row[place[i]] = filter[taps[i]];
        }
      }
    });
  }

  const GemmKernels& f_;
  bool as_rows_;
  int64_t depth_, step_bytes_, steps_;
  Scratch packed_;
};

// ---- the product
class Pass {
 public:
  Pass(const ConvMath& math, const ConvPass& pass)
      : math_(math),
        f_(*math.kernels),
        pass_(pass),
        steps_(f_, pass.source.elements()),
        planes_(pass.layout == ConvLayout::nchw),
        pixels_first_(!planes_ && pass.outs > f_.nr / kFewOuts),
        filters_(math, pass, steps_, !pixels_first_),
        pixels_(pass.images * pass.source.grid_h * pass.source.grid_w) {
    plan();
  }

  void run() const {
    const int64_t pixel_blocks = ceil_div(pixels_, pixel_block_);
    const int64_t out_blocks = ceil_div(pass_.outs, out_block_);
    parallel_tasks(pass_.groups * out_blocks * pixel_blocks, [&](int64_t t) {
      const int64_t pixel = t % pixel_blocks * pixel_block_;
      const int64_t out = t / pixel_blocks % out_blocks * out_block_;
      multiply(t / pixel_blocks / out_blocks, pixel, std::min(pixel_block_, pixels_ - pixel), out,
               std::min(out_block_, pass_.outs - out));
    });
  }

 private:
  // Enough tasks for all threads, unless they would be too small.
  void plan() {
    const int64_t pixel_step = pixels_first_ ? f_.mr : f_.nr;
    const int64_t out_step = pixels_first_ ? f_.nr : f_.mr;
    const int64_t most = planes_ && steps_.count <= kShallowSteps ? kShallowPixels : kPixels;
    pixel_block_ = even_block(pixels_, ceil_div(pixels_, most), pixel_step);
    out_block_ = even_block(pass_.outs, ceil_div(pass_.outs, kOuts), out_step);
    const int64_t wanted = in_parallel_region() || num_threads() == 1 ? 1 : 4 * num_threads();
    const int64_t depth = std::max<int64_t>(1, pass_.source.elements());
    while (pass_.groups * ceil_div(pixels_, pixel_block_) * ceil_div(pass_.outs, out_block_) <
               wanted &&
           pixel_block_ * out_block_ * depth >= 2 * kTaskWork) {
      if (pixel_block_ > pixel_step) {
        pixel_block_ = even_block(pixel_block_, 2, pixel_step);
      } else if (out_block_ > out_step) {
        out_block_ = even_block(out_block_, 2, out_step);
      } else {
        break;
      }
    }
  }

  void multiply(int64_t group, int64_t pixel, int64_t pixels, int64_t out, int64_t outs) const {
    const int64_t offsets = round_up(pixels * int64_t{sizeof(int64_t)}, 64);
    const int64_t rows = pixels_first_ ? pixels : outs, cols = pixels_first_ ? outs : pixels;
    const int64_t patches =
        pixels_first_ ? packed_a_bytes(f_, pixels) : packed_b_bytes(f_, pixels, steps_.depth);
    const int64_t copy = round_up(copy_bytes(pixels), 64);
    const int64_t sums =
        steps_.count == 1 ? 0 : round_up(rows, f_.mr) * round_up(cols, f_.nr) * f_.acc;
    const Scratch scratch(offsets + patches + copy + sums);
    char* const packed = scratch.data() + offsets;
    char* const copied = packed + patches;
    const GemmOutput target = output(group, pixel, pixels, scratch.data());
    GemmBlock block{.rows = rows,
                    .cols = cols,
                    .partial = sums ? copied + copy : nullptr,
                    .out = &target,
                    .row = pixels_first_ ? 0 : out,
                    .col = pixels_first_ ? out : 0};
    PatchSource source = pass_.source;
    source.data += group * source.channels * source.c_stride * math_.element;
    for (int64_t s = 0; s < steps_.count; ++s) {
      block.depth = steps_.depth_of(s, source.elements());
      block.first = s == 0;
      block.last = s + 1 == steps_.count;
      const char* const filters = filters_.at(group, s, out, block.depth);
      block.a = pixels_first_ ? packed : filters;
      block.b = pixels_first_ ? filters : packed;
      const int64_t from = s * steps_.depth;
      if (planes_) {
        pack_planes(source, pixel, pixels, from, block.depth, packed, copied);
      } else {
        pack_rows(source, pixel, pixels, from, block.depth, packed, copied);
      }
      f_.multiply(block);
    }
  }

  bool straight_rows() const { return pixels_first_ && math_.packs_rows(); }

  // Memory for patches that are converted or turned when they are packed.
  int64_t copy_bytes(int64_t pixels) const {
    if (planes_)
      return math_.packs_panels() ? 0 : steps_.depth * round_up(pixels, 64) * math_.element;
    return straight_rows() ? 0 : pixels * steps_.depth * math_.element;
  }

  void pack_planes(const PatchSource& source, int64_t pixel, int64_t pixels, int64_t from,
                   int64_t depth, char* packed, char* copied) const {
    const int64_t to = from + depth;
    if (math_.packs_panels()) {
      return math_.copy->planes(source, pixel, pixels, from, to,
                                {packed, f_.nr, f_.nr, f_.nr * depth});
    }
    const int64_t pitch = round_up(pixels, 64);
    math_.copy->planes(source, pixel, pixels, from, to, {copied, pitch, pitch, 0});
    f_.pack_b(copied, 1, pitch, false, pixels, depth, packed);
  }

  void pack_rows(const PatchSource& source, int64_t pixel, int64_t pixels, int64_t from,
                 int64_t depth, char* packed, char* copied) const {
    const int64_t width = round_up(depth, f_.depth_unit);
    if (straight_rows()) {
      math_.copy->rows(source, pixel, pixels, from, from + depth, width, packed, math_.row_pitch());
    } else {
      math_.copy->rows(source, pixel, pixels, from, from + depth, depth, copied, depth);
      (pixels_first_ ? f_.pack_a : f_.pack_b)(copied, depth, 1, false, pixels, depth, packed);
    }
  }

  GemmOutput output(int64_t group, int64_t pixel, int64_t pixels, char* table) const {
    GemmOutput out;
    const int64_t channel = group * pass_.outs;
    out.c = pass_.out + channel * pass_.out_channel * f_.store;
    out.epilogue.activation = pass_.activation;
    if (pass_.bias) out.epilogue.bias.data = pass_.bias + channel * f_.store;
    (pixels_first_ ? out.epilogue.bias.col_stride : out.epilogue.bias.row_stride) = 1;
    out.plain = !pass_.bias && pass_.activation == Activation::none;
    (pixels_first_ ? out.col_stride : out.row_stride) = pass_.out_channel;

    const PatchSource& grid = pass_.source;
    const bool gapless =
        pass_.out_h == grid.grid_w * pass_.out_w && pass_.out_n == grid.grid_h * pass_.out_h;
    if (gapless) {
      out.c += pixel * pass_.out_w * f_.store;
      (pixels_first_ ? out.row_stride : out.col_stride) = pass_.out_w;
      return out;
    }
    auto* const offsets = reinterpret_cast<int64_t*>(table);
    int64_t w = pixel % grid.grid_w, h = pixel / grid.grid_w % grid.grid_h;
    int64_t image = pixel / grid.grid_w / grid.grid_h;
    for (int64_t i = 0; i < pixels; ++i) {
      offsets[i] = image * pass_.out_n + h * pass_.out_h + w * pass_.out_w;
      if (++w < grid.grid_w) continue;
      w = 0;
      if (++h < grid.grid_h) continue;
      h = 0;
      ++image;
    }
    (pixels_first_ ? out.row_offsets : out.col_offsets) = offsets;
    return out;
  }

  const ConvMath& math_;
  const GemmKernels& f_;
  const ConvPass& pass_;
  GemmSteps steps_;
  bool planes_;        // of the source
  bool pixels_first_;  // pixels are the rows of the product, not its columns
  PackedFilters filters_;
  int64_t pixels_;
  int64_t pixel_block_, out_block_;
};

}  // namespace

const ConvKernels& conv_kernels() {
  static const ConvKernels& kernels =
      of_isa(baseline::conv_kernels, avx2::conv_kernels, avx512::conv_kernels);
  return kernels;
}

GemmType gemm_type_of(ConvType type, bool sums) {
  switch (type) {
    case ConvType::f32:
      return GemmType::f32;
    case ConvType::f64:
      return GemmType::f64;
    case ConvType::bf16:
      return sums ? GemmType::bf16_f32 : GemmType::bf16;
    case ConvType::f16:
      break;
  }
  return sums ? GemmType::f16_f32 : GemmType::f16;
}

ConvMath::ConvMath(ConvType type)
    : kernels(&gemm_kernels(gemm_type_of(type, false))),
      sums(&gemm_kernels(gemm_type_of(type, true))),
      copy(&conv_kernels().copy(kernels->element)),
      element(kernels->element) {}

void run_pass(const ConvMath& math, const ConvPass& pass) { Pass(math, pass).run(); }

}  // namespace flambeau::cpu
