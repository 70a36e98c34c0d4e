#include "kernels/cpu/conv/lanes.h"

#include <algorithm>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/conv/regions.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

// Vectors of a pixel that one task takes, and bytes of the rows that it reads.
constexpr int64_t kVectors = 4, kBandBytes = 96 << 10;
constexpr int64_t kTaskProducts = 1 << 13;  // of vectors
constexpr int64_t kParts = 16;              // of sums over images and rows

const LaneKernels& kernels_of(ConvType type) {
  static const LaneTable& table =
      of_isa(baseline::lane_table, avx2::lane_table, avx512::lane_table);
  return of_type(table, type);
}

bool fits_lanes(ConvType type, int64_t ins, int64_t outs) {
  const int64_t lanes = depthwise_kernels(type).lanes;
  return ins == 1 ? outs <= lanes : std::max(ins, outs) <= lanes / 2;
}

// How groups are laid out in vectors, and how the grid is cut.
class LanePlan {
 public:
  LanePlan(ConvType type, const PatchSource& source, int64_t images, int64_t groups, int64_t outs)
      : f(kernels_of(type)),
        as(depthwise_kernels(type)),
        src(source),
        element(element_of(type)),
        ins(source.channels),
        outs(outs),
        groups(groups),
        together(std::max<int64_t>(1, as.lanes / std::max(ins, outs))),
        blocks(ceil_div(groups, together)),
        taps(source.taps_h * source.taps_w),
        filter_bytes(taps * ins * as.lanes * as.sum),
        regions_(tap_regions(source)) {
    const int64_t row = src.step_h * src.in_w * std::min(kVectors * as.lanes, groups * ins);
    const int64_t most = std::max<int64_t>(1, kBandBytes / (row * element));
    band = even_block(src.grid_h, ceil_div(src.grid_h, most), 1);
    bands = ceil_div(src.grid_h, band);
    units = images * bands;
    for (const Region& region : regions_) {
      std::vector<int64_t>& offsets = offsets_.emplace_back();
      std::vector<int64_t>& filter = filter_.emplace_back();
      std::vector<int64_t>& columns = columns_.emplace_back();
      const PatchSource& part = region.source;
      for (int64_t r = 0; r < part.taps_h; ++r)
        for (int64_t s = 0; s < part.taps_w; ++s) {
          offsets.push_back(part.off_h[r] * src.h_stride + part.off_w[s] * src.w_stride);
          columns.push_back(part.off_w[s]);
          filter.push_back((region.tap_h + r) * src.taps_w + region.tap_w + s);
        }
    }
    for (int64_t s = 1; s < src.taps_w; ++s)
      even_steps_ = even_steps_ && src.off_w[s] - src.off_w[s - 1] == src.step_w;
    const bool in_place = ins == 1 && outs == 1;
    for (int64_t i = 0; !in_place && i < as.lanes; ++i) {
      const int64_t lane = i / outs * ins;
      for (int64_t byte = 0; byte < as.sum; ++byte)
        lanes_[i * as.sum + byte] = static_cast<char>(byte == 0 ? lane : 0);
    }
    chosen_ = !in_place;
  }
  LanePlan(const LanePlan&) = delete;

  // Calls f(region) for what a block of groups has in a unit, a band of rows of an image.
  // `image`: how the output or its gradient lies.
  template <class F>
  void for_parts(int64_t unit, int64_t block, const char* out, const ImageStrides& image,
                 F visit) const {
    const int64_t n = unit / bands, begin = unit % bands * band;
    const int64_t end = std::min(begin + band, src.grid_h);
    const int64_t group = block * together, count = std::min(together, groups - group);
    LaneBlock b{};
    b.src_row = src.step_h * src.h_stride;
    b.src_col = src.step_w * src.w_stride;
    b.out_row = image.h;
    b.out_col = image.w;
    b.step_w = src.step_w;
    b.in_w = src.in_w;
    b.ins = ins;
    b.channels = count * ins;
    b.outs = count * outs;
    b.lanes = chosen_ ? lanes_ : nullptr;
    for (size_t i = 0; i < regions_.size(); ++i) {
      const Region& region = regions_[i];
      const int64_t first = std::max(begin, region.row);
      b.rows = std::min(end, region.row + region.source.grid_h) - first;
      if (b.rows <= 0) continue;
      b.cols = region.source.grid_w;
      b.taps = std::ssize(offsets_[i]);
      b.run = even_steps_ ? region.source.taps_w : 1;
      b.offsets = offsets_[i].data();
      b.filter = filter_[i].data();
      b.columns = columns_[i].data();
      const int64_t from = src.image(n) + group * ins + (first - region.row) * b.src_row;
      const int64_t to = n * image.n + group * outs + first * image.h + region.col * image.w;
      b.src = src.data + from * element;
      b.out = const_cast<char*>(out) + to * element;
      visit(b);
    }
  }

  const LaneKernels& f;
  const DepthwiseKernels& as;
  const PatchSource& src;
  const int64_t element, ins, outs, groups;
  const int64_t together, blocks;  // groups in a vector, vectors of a pixel
  const int64_t taps, filter_bytes;
  int64_t band, bands, units;

 private:
  const std::vector<Region> regions_;
  std::vector<std::vector<int64_t>> offsets_, filter_, columns_;
  alignas(64) char lanes_[64] = {};
  bool chosen_ = false, even_steps_ = true;
};

}  // namespace

bool fills_lanes(ConvType type, const ConvPass& pass) {
  return pass.layout == ConvLayout::nhwc && pass.out_channel == 1 && pass.groups > 1 &&
         pass.activation == Activation::none && pass.source.elements() > 0 &&
         fits_lanes(type, pass.source.channels, pass.outs);
}

void run_lanes(ConvType type, const ConvPass& pass) {
  const LanePlan plan(type, pass.source, pass.images, pass.groups, pass.outs);
  const DepthwiseKernels& as = plan.as;
  const int64_t vector = as.lanes * as.sum, block_bytes = plan.filter_bytes + vector;
  const Scratch packed(plan.blocks * block_bytes);
  std::fill_n(packed.data(), plan.blocks * block_bytes, 0);
  const auto filters = [&](int64_t block) { return packed.data() + block * block_bytes; };
  parallel_for(
      plan.blocks, std::max<int64_t>(1, kTaskProducts / (plan.taps * plan.ins)),
      [&](int64_t block, int64_t end) {
        for (; block < end; ++block) {
          const int64_t first = block * plan.together;
          const int64_t count = std::min(plan.together, plan.groups - first);
          for (int64_t v = 0; v < plan.taps * plan.ins; ++v) {
            const int64_t tap = v / plan.ins, r = tap / plan.src.taps_w, s = tap % plan.src.taps_w;
            const int64_t at = v % plan.ins * pass.filters.in_stride +
                               pass.taps_h->filter[static_cast<size_t>(r)] * pass.filters.r_stride +
                               pass.taps_w->filter[static_cast<size_t>(s)] * pass.filters.s_stride;
            const auto put = [&](int64_t group, int64_t out, int64_t stride, int64_t n) {
              const int64_t from =
                  (first + group) * pass.filters.group_stride + out * pass.filters.out_stride + at;
              as.widen(filters(block) + v * vector + (group * plan.outs + out) * as.sum,
                       pass.filters.data + from * plan.element, stride, n);
            };
            if (plan.outs == 1)
              put(0, 0, pass.filters.group_stride, count);
            else
              for (int64_t g = 0; g < count; ++g) put(g, 0, pass.filters.out_stride, plan.outs);
          }
          if (pass.bias)
            as.widen(filters(block) + plan.filter_bytes,
                     pass.bias + first * plan.outs * plan.element, 1, count * plan.outs);
        }
      });
  const int64_t chunks = ceil_div(plan.blocks, kVectors);
  const int64_t products =
      plan.band * plan.src.grid_w * plan.taps * plan.ins * std::min(plan.blocks, kVectors);
  ImageStrides out(ConvLayout::nhwc, 0, 0, 0);
  out.n = pass.out_n;
  out.h = pass.out_h;
  out.w = pass.out_w;
  parallel_for(plan.units * chunks, std::max<int64_t>(1, kTaskProducts / products),
               [&](int64_t t, int64_t end) {
                 for (; t < end; ++t) {
                   const int64_t first = t % chunks * kVectors;
                   for (int64_t v = first; v < std::min(first + kVectors, plan.blocks); ++v)
                     plan.for_parts(t / chunks, v, pass.out, out, [&](LaneBlock& b) {
                       b.filters = filters(v);
                       b.bias = filters(v) + plan.filter_bytes;
                       plan.f.multiply(b);
                     });
                 }
               });
}

// ---- the gradient of the filters
bool fills_lanes(ConvType type, ConvLayout layout, const Conv2dShape& shape) {
  return layout == ConvLayout::nhwc && shape.groups > 1 &&
         fits_lanes(type, shape.c / shape.groups, shape.k / shape.groups);
}

// Units are cut into parts by their number alone; each has sums of its own, which are added in
// order.
void lanes_grad_filters(ConvType type, const Conv2dShape& shape, const PatchSource& source,
                        const void* dy, const MutableConvFilters& gradient) {
  const LanePlan plan(type, source, shape.n, shape.groups, shape.k / shape.groups);
  const DepthwiseKernels& as = plan.as;
  const int64_t parts = std::min(plan.units, kParts), vector = as.lanes * as.sum;
  const Scratch sums(parts * plan.blocks * plan.filter_bytes);
  const ImageStrides grad(ConvLayout::nhwc, shape.k, shape.out_h(), shape.out_w());
  const int64_t products = shape.n * shape.out_h() * shape.out_w() / parts * plan.taps * plan.ins;
  const int64_t chunks = ceil_div(plan.blocks, kVectors);
  parallel_for(parts * chunks, std::max<int64_t>(1, kTaskProducts / kVectors / products),
               [&](int64_t t, int64_t end) {
                 for (; t < end; ++t) {
                   const int64_t part = t / chunks, first = t % chunks * kVectors;
                   const int64_t last = std::min(first + kVectors, plan.blocks);
                   const auto sums_of = [&](int64_t block) {
                     return sums.data() + (part * plan.blocks + block) * plan.filter_bytes;
                   };
                   std::fill_n(sums_of(first), (last - first) * plan.filter_bytes, 0);
                   for (int64_t u = part * plan.units / parts; u < (part + 1) * plan.units / parts;
                        ++u)
                     for (int64_t v = first; v < last; ++v)
                       plan.for_parts(u, v, static_cast<const char*>(dy), grad,
                                      [&](LaneBlock& b) { plan.f.correlate(b, sums_of(v)); });
                 }
               });
  parallel_for(plan.blocks, std::max<int64_t>(1, kTaskProducts / (plan.taps * plan.ins * parts)),
               [&](int64_t block, int64_t end) {
                 for (; block < end; ++block) {
                   char* const first = sums.data() + block * plan.filter_bytes;
                   for (int64_t part = 1; part < parts; ++part)
                     as.add(first, first + part * plan.blocks * plan.filter_bytes,
                            plan.filter_bytes / as.sum);
                   const int64_t out = block * plan.together * plan.outs;
                   const int64_t outs = std::min(plan.together * plan.outs, shape.k - out);
                   for (int64_t v = 0; v < plan.taps * plan.ins; ++v) {
                     const int64_t tap = v / plan.ins;
                     const int64_t at = out * gradient.k_stride + v % plan.ins * gradient.c_stride +
                                        tap / source.taps_w * gradient.r_stride +
                                        tap % source.taps_w * gradient.s_stride;
                     as.narrow(static_cast<char*>(gradient.data) + at * plan.element,
                               gradient.k_stride, first + v * vector, outs);
                   }
                 }
               });
}

}  // namespace flambeau::inline v1::cpu
