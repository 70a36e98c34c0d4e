#include "kernels/cpu/conv/pass.h"

#include <algorithm>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/conv/filters.h"
#include "kernels/cpu/conv/flat.h"
#include "kernels/cpu/conv/lanes.h"
#include "kernels/cpu/conv/pixels.h"
#include "kernels/cpu/conv/regions.h"
#include "kernels/cpu/conv/taps.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

// Blocks of one task: pixels and outs. One step of both, packed, fits a second-level cache; up to
// kShallowSteps steps, more pixels of planes use the filters better, and their sums travel little.
constexpr int64_t kShallowSteps = 2;
constexpr int64_t kPixels = 112, kShallowPixels = 224, kOuts = 256;
// Below this part of a panel's columns, outs are better rows.
constexpr int64_t kFewOuts = 4;

class Pass {
 public:
  Pass(const ConvMath& math, const ConvPass& pass)
      : math_(math),
        f_(*math.kernels),
        pass_(pass),
        planes_(pass.layout == ConvLayout::nchw),
        pixels_first_(!planes_ && pass.outs > f_.nr / kFewOuts),
        regions_(f_, pass.source, pass.images, pixels_first_),
        filters_(math, pass, regions_.steps, packing()) {
    plan();
  }

  void run() const {
    const int64_t out_blocks = ceil_div(pass_.outs, out_block_), blocks = std::ssize(blocks_);
    parallel_tasks(pass_.groups * out_blocks * blocks, [&](int64_t t) {
      const int64_t out = t / blocks % out_blocks * out_block_;
      multiply(t / blocks / out_blocks, blocks_[static_cast<size_t>(t % blocks)], out,
               std::min(out_block_, pass_.outs - out));
    });
  }

 private:
  // Pixels of a region that one task computes.
  struct PixelBlock {
    const Region* region;
    int64_t pixel, pixels;
  };

  FilterPacking packing() const {
    if (planes_) return FilterPacking::channel_rows;
    return pixels_first_ ? FilterPacking::tap_columns : FilterPacking::tap_rows;
  }

  // Enough tasks for all threads, unless they would be too small.
  void plan() {
    const int64_t pixel_step = pixels_first_ ? f_.mr : f_.nr;
    const int64_t out_step = pixels_first_ ? f_.nr : f_.mr;
    const bool shallow = planes_ && std::ssize(regions_.steps) <= kShallowSteps;
    int64_t most_pixels = shallow ? kShallowPixels : kPixels;
    out_block_ = even_block(pass_.outs, ceil_div(pass_.outs, kOuts), out_step);
    const int64_t wanted = wanted_tasks();
    const int64_t depth = std::max<int64_t>(1, pass_.source.elements());
    for (;;) {
      const int64_t pixels = cut_pixels(most_pixels, pixel_step);
      const int64_t tasks = pass_.groups * std::ssize(blocks_) * ceil_div(pass_.outs, out_block_);
      if (tasks >= wanted || pixels * out_block_ * depth < 2 * kTaskWork) return;
      if (pixels > pixel_step) {
        most_pixels = even_block(pixels, 2, pixel_step);
      } else if (out_block_ > out_step) {
        out_block_ = even_block(out_block_, 2, out_step);
      } else {
        return;
      }
    }
  }

  // Into blocks of at most `most` pixels; gives the length of the longest.
  int64_t cut_pixels(int64_t most, int64_t step) {
    blocks_.clear();
    int64_t longest = 0;
    for (const Region& region : regions_.regions) {
      const int64_t pixels = pass_.images * region.source.grid_h * region.source.grid_w;
      const int64_t length = even_block(pixels, ceil_div(pixels, most), step);
      for (int64_t p = 0; p < pixels; p += length) {
        blocks_.push_back({&region, p, std::min(length, pixels - p)});
      }
      longest = std::max(longest, length);
    }
    return longest;
  }

  void multiply(int64_t group, const PixelBlock& at, int64_t out, int64_t outs) const {
    const Region& region = *at.region;
    const int64_t most_depth = regions_.steps[0].depth, pixels = at.pixels;
    const int64_t offsets = round_up(pixels * int64_t{sizeof(int64_t)}, 64);
    const int64_t rows = pixels_first_ ? pixels : outs, cols = pixels_first_ ? outs : pixels;
    const int64_t patches =
        pixels_first_ ? packed_a_bytes(f_, pixels) : packed_b_bytes(f_, pixels, most_depth);
    const int64_t copy = round_up(copy_bytes(pixels, most_depth), 64);
    // Taps that all lie outside the image leave nothing but zeros.
    const int64_t steps = std::max<int64_t>(1, std::ssize(region.steps));
    const int64_t sums = steps == 1 ? 0 : round_up(rows, f_.mr) * round_up(cols, f_.nr) * f_.acc;
    const Scratch scratch(offsets + patches + copy + sums);
    char* const packed = scratch.data() + offsets;
    char* const copied = packed + patches;
    const GemmOutput target = output(group, at, scratch.data());
    GemmBlock block{.rows = rows,
                    .cols = cols,
                    .partial = sums ? copied + copy : nullptr,
                    .out = &target,
                    .row = pixels_first_ ? 0 : out,
                    .col = pixels_first_ ? out : 0};
    PatchSource source = region.source;
    source.data += group * source.group_stride * math_.element;
    int64_t from = 0;
    for (int64_t s = 0; s < steps; ++s, from += block.depth) {
      const Region::Step step =
          region.steps.empty() ? Region::Step{} : region.steps[static_cast<size_t>(s)];
      block.depth = step.depth;
      block.first = s == 0;
      block.last = s + 1 == steps;
      filters_.put(block, group, step, out);
      (pixels_first_ ? block.a : block.b) = packed;
      if (planes_) {
        pack_planes(source, at.pixel, pixels, from, block.depth, packed, copied);
      } else {
        pack_rows(source, at.pixel, pixels, from, block.depth, packed, copied);
      }
      f_.multiply(block);
    }
  }

  bool straight_rows() const { return pixels_first_ && math_.packs_rows(); }

  // Memory for patches that are converted or turned when they are packed.
  int64_t copy_bytes(int64_t pixels, int64_t depth) const {
    if (planes_) return math_.packs_panels() ? 0 : depth * round_up(pixels, 64) * math_.element;
    return straight_rows() ? 0 : pixels * depth * math_.element;
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

  GemmOutput output(int64_t group, const PixelBlock& at, char* table) const {
    const PatchSource& grid = at.region->source;
    const bool gapless = pass_.out_h == grid.grid_w * pass_.out_w && pass_.source.run == 1 &&
                         pass_.out_n == grid.grid_h * pass_.out_h;
    GemmOutput out = output_of(
        math_, pass_, group,
        at.region->row * pass_.out_h + (at.region->col + (gapless ? at.pixel : 0)) * pass_.out_w,
        pixels_first_);
    if (gapless) return out;
    auto* const offsets = reinterpret_cast<int64_t*>(table);
    int64_t w = at.pixel % grid.grid_w, h = at.pixel / grid.grid_w % grid.grid_h;
    int64_t image = at.pixel / grid.grid_w / grid.grid_h;
    for (int64_t i = 0; i < at.pixels; ++i) {
      offsets[i] = pass_.out_image(image) + h * pass_.out_h + w * pass_.out_w;
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
  bool planes_;        // of the source
  bool pixels_first_;  // pixels are the rows of the product, not its columns
  Regions regions_;
  PackedFilters filters_;
  std::vector<PixelBlock> blocks_;
  int64_t out_block_ = 1;
};

}  // namespace

const ConvKernels& conv_kernels() {
  static const ConvKernels& kernels =
      of_isa(baseline::conv_kernels, avx2::conv_kernels, avx512::conv_kernels);
  return kernels;
}

GemmOutput output_of(const ConvMath& math, const ConvPass& pass, int64_t group, int64_t at,
                     bool pixels_first) {
  GemmOutput out;
  const int64_t channel = group * pass.outs, bytes = math.kernels->store;
  out.c = pass.out + (at + channel * pass.out_channel) * bytes;
  (pixels_first ? out.row_stride : out.col_stride) = pass.out_w;
  (pixels_first ? out.col_stride : out.row_stride) = pass.out_channel;
  out.epilogue.activation = pass.activation;
  if (pass.bias) out.epilogue.bias.data = pass.bias + channel * bytes;
  (pixels_first ? out.epilogue.bias.col_stride : out.epilogue.bias.row_stride) = 1;
  out.plain = !pass.bias && pass.activation == Activation::none;
  return out;
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
    : type(type),
      kernels(&gemm_kernels(gemm_type_of(type, false))),
      sums(&gemm_kernels(gemm_type_of(type, true))),
      copy(&conv_kernels().copy(kernels->element)),
      element(kernels->element) {}

void run_pass(const ConvMath& math, const ConvPass& pass) {
  if (is_depthwise(pass)) return run_depthwise(math.type, pass);
  if (fills_lanes(math.type, pass)) return run_lanes(math.type, pass);
  // Results whose channels are neighbours are stored by pixels.
  const bool turned = pass.layout == ConvLayout::nchw && pass.out_channel == 1 && pass.out_w > 1;
  if (turned && reads_pixels(math, pass)) return run_pixels(math, pass);
  if (reads_in_place(math, pass)) return run_in_place(math, pass);
  if (flattens(math, pass)) return run_flat(math, pass);
  if (reads_pixels(math, pass)) return run_pixels(math, pass);
  Pass(math, pass).run();
}

}  // namespace flambeau::inline v1::cpu
