#include "kernels/cpu/conv/regions.h"

#include <algorithm>
#include <utility>

#include "kernels/cpu/matmul/gemm/product.h"

namespace flambeau::inline v1::cpu {
namespace {

// What a step of a tile costs beside its products, in elements along k; the rows that keep a
// processor's multipliers busy.
constexpr int64_t kStepCost = 6, kBusyRows = 6;
// Cut grids must cost less than this part, and have few regions.
constexpr double kWorthwhile = 0.98;
constexpr int64_t kMostRegions = 100;

// Pixels [first, first + count) along one axis, which see taps [tap, tap + taps).
struct Part {
  int64_t first, count, tap, taps;
};

std::vector<Part> cut(int64_t grid, int64_t step, const int64_t* offsets, int64_t taps,
                      int64_t size) {
  std::vector<Part> parts;
  for (int64_t i = 0; i < grid; ++i) {
    int64_t tap = 0, end = taps;
    while (tap < end && i * step + offsets[tap] < 0) ++tap;
    while (tap < end && i * step + offsets[end - 1] >= size) --end;
    if (!parts.empty() && parts.back().tap == tap && parts.back().taps == end - tap) {
      ++parts.back().count;
    } else {
      parts.push_back({i, 1, tap, end - tap});
    }
  }
  return parts;
}

std::vector<PatchStep> even_steps(const GemmKernels& f, int64_t elements) {
  const GemmSteps even(f, elements);
  std::vector<PatchStep> steps;
  for (int64_t s = 0; s < even.count; ++s) {
    steps.push_back({s * even.depth, even.depth_of(s, elements)});
  }
  return steps;
}

// Of whole taps in one of `rows` rows, or parts of one tap.
std::vector<PatchStep> tap_steps(const GemmKernels& f, int64_t channels, int64_t rows,
                                 int64_t cols) {
  const int64_t most = channels % f.depth_unit == 0 ? f.max_depth / channels : 1;
  const int64_t together = even_block(cols, ceil_div(cols, std::max<int64_t>(1, most)), 1);
  std::vector<PatchStep> steps;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t t = 0; t < cols; t += together) {
      const int64_t from = (r * cols + t) * channels;
      for (const PatchStep& step : even_steps(f, std::min(together, cols - t) * channels)) {
        steps.push_back({from + step.from, step.depth});
      }
    }
  }
  return steps;
}

Region region_of(const PatchSource& source, const std::vector<PatchStep>& steps, const Part& h,
                 const Part& w) {
  Region region;
  region.row = h.first;
  region.col = w.first;
  region.tap_h = h.tap;
  region.tap_w = w.tap;
  for (int64_t r = h.tap; r < h.tap + h.taps; ++r) {
    region.off_h.push_back(source.off_h[r] + h.first * source.step_h);
    const int64_t from = (r * source.taps_w + w.tap) * source.channels;
    const int64_t to = from + w.taps * source.channels;
    for (int64_t i = 0; i < std::ssize(steps); ++i) {
      const PatchStep& step = steps[static_cast<size_t>(i)];
      const int64_t first = std::max(from, step.from), last = std::min(to, step.end());
      if (first < last) region.steps.push_back({i, first - step.from, last - first});
    }
  }
  for (int64_t s = w.tap; s < w.tap + w.taps; ++s) {
    region.off_w.push_back(source.off_w[s] + w.first * source.step_w);
  }
  region.source = source;
  region.source.off_h = region.off_h.data();
  region.source.off_w = region.off_w.data();
  region.source.taps_h = h.taps;
  region.source.taps_w = w.taps;
  region.source.grid_h = h.count;
  region.source.grid_w = w.count;
  return region;
}

Region whole_grid(const PatchSource& source, const std::vector<PatchStep>& steps) {
  Region region;
  region.source = source;
  for (int64_t i = 0; i < std::ssize(steps); ++i) {
    region.steps.push_back({i, 0, steps[static_cast<size_t>(i)].depth});
  }
  return region;
}

int64_t cost_of(const GemmKernels& f, const std::vector<Region>& regions, int64_t images) {
  int64_t cost = 0;
  for (const Region& region : regions) {
    const int64_t pixels = images * region.source.grid_h * region.source.grid_w;
    const int64_t rows = std::max(pixels, kBusyRows * ceil_div(pixels, f.mr));
    cost += rows * (region.source.elements() + std::ssize(region.steps) * kStepCost);
  }
  return cost;
}

}  // namespace

Regions::Regions(const GemmKernels& f, const PatchSource& source, int64_t images, bool may_cut)
    : steps(even_steps(f, source.elements())) {
  regions.push_back(whole_grid(source, steps));
  if (!may_cut || source.elements() == 0) return;
  const int64_t whole = cost_of(f, regions, images);
  int64_t least = static_cast<int64_t>(kWorthwhile * static_cast<double>(whole));
  const std::vector<PatchStep> cut_steps =
      tap_steps(f, source.channels, source.taps_h, source.taps_w);
  const std::vector<Part> parts_h[] = {
      {{0, source.grid_h, 0, source.taps_h}},
      cut(source.grid_h, source.step_h, source.off_h, source.taps_h, source.in_h)};
  const std::vector<Part> parts_w[] = {
      {{0, source.grid_w, 0, source.taps_w}},
      cut(source.grid_w, source.step_w, source.off_w, source.taps_w, source.in_w)};
  for (const auto& rows : parts_h) {
    for (const auto& cols : parts_w) {
      if (std::ssize(rows) * std::ssize(cols) > kMostRegions) continue;
      std::vector<Region> cut_regions;
      for (const Part& h : rows) {
        for (const Part& w : cols) cut_regions.push_back(region_of(source, cut_steps, h, w));
      }
      const int64_t cost = cost_of(f, cut_regions, images);
      if (cost > least) continue;
      least = cost;
      saved = whole - cost;
      regions = std::move(cut_regions);
      steps = cut_steps;
    }
  }
}

bool repays_copy(const PatchSource& source) {
  constexpr int64_t kMost = 4, kFew = 64;  // lines of the image, and elements besides
  const auto along = [](int64_t grid, int64_t step, int64_t span, int64_t in) {
    const int64_t most = kMost * in + kFew;
    return span < most && grid - 1 <= (most - span) / step;
  };
  const PatchSource& s = source;
  return along(s.grid_w, s.step_w, s.off_w[s.taps_w - 1] - s.off_w[0], s.in_w) &&
         along(s.grid_h, s.step_h, s.off_h[s.taps_h - 1] - s.off_h[0], s.in_h);
}

std::vector<Region> tap_regions(const PatchSource& source) {
  const PatchSource& src = source;
  std::vector<Region> regions;
  for (const Part& rows : cut(src.grid_h, src.step_h, src.off_h, src.taps_h, src.in_h))
    regions.push_back(region_of(source, {}, rows, {0, src.grid_w, 0, src.taps_w}));
  return regions;
}

}  // namespace flambeau::inline v1::cpu
