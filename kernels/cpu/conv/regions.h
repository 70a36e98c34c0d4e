// Which pixels of a pass see which taps of a filter.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/conv/patches.h"
#include "kernels/cpu/matmul/gemm/table.h"

namespace flambeau::inline v1::cpu {

// Elements of a patch that are packed and multiplied at a time.
struct PatchStep {
  int64_t from, depth;
  int64_t end() const { return from + depth; }
};

// Pixels of the grid that see the same taps.
struct Region {
  Region() = default;
  Region(Region&&) = default;

  PatchSource source;          // of these pixels and taps alone
  std::vector<int64_t> off_h;  // what `source` points to
  std::vector<int64_t> off_w;
  int64_t row = 0, col = 0;      // of the first pixel, in the grid
  int64_t tap_h = 0, tap_w = 0;  // the first tap, among all
  // In the order of the source's elements: the parts of steps that have taps of these pixels.
  struct Step {
    int64_t step, skipped, depth;
  };
  std::vector<Step> steps;
};

// Note [Borders]
// Near the border of an image some taps lie outside it, the same ones for a whole row or column of
// pixels. A pass can multiply zeros there, or cut its grid into regions whose pixels see the same
// taps, and leave out the others: a sixth of the products of 3 x 3 taps with 7 x 7 pixels. A step
// has taps of one row then, of which each region uses the part that it sees.
struct Regions {
  std::vector<PatchStep> steps;  // the first is the deepest
  std::vector<Region> regions;
  int64_t saved = 0;  // multiply-adds for one out, about

  // `may_cut`: elements of a tap are neighbours, and pixels are rows of the product.
  Regions(const GemmKernels& kernels, const PatchSource& source, int64_t images, bool may_cut);
};

// Whether a copy of an image, with all that the grid reads around it and between its taps, is of
// about the image's size: strides, dilations and padding are of any size.
bool repays_copy(const PatchSource& source);

// The grid cut into rows whose pixels see the same rows of taps, without steps.
std::vector<Region> tap_regions(const PatchSource& source);

}  // namespace flambeau::inline v1::cpu
