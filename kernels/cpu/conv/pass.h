// A pass of a convolution: the product of filters and patches, which computes an output from an
// input, or the gradient of the input from that of the output.
#pragma once

#include <vector>

#include "kernels/cpu/conv/conv2d.h"
#include "kernels/cpu/conv/patches.h"
#include "kernels/cpu/matmul/gemm/product.h"
#include "kernels/cpu/matmul/gemm/table.h"

namespace flambeau::inline v1::cpu {

// What a type is computed with.
struct ConvMath {
  ConvType type;
  const GemmKernels* kernels;
  const GemmKernels* sums;  // the same, whose results are the sums themselves
  const PatchCopy* copy;
  int element;  // bytes

  explicit ConvMath(ConvType type);
  // Elements can be copied straight into packed rows or panels.
  bool packs_rows() const { return kernels->b_unit / kernels->nr == element * kernels->depth_unit; }
  bool packs_panels() const { return packs_rows() && kernels->depth_unit == 1; }
  int64_t row_pitch() const { return kernels->a_row / element; }
};

// The product that a type is computed with; `sums`: whose results are the sums themselves.
GemmType gemm_type_of(ConvType type, bool sums);

// Strides of images in a layout.
struct ImageStrides {
  int64_t n, c, h, w;

  ImageStrides(ConvLayout layout, int64_t channels, int64_t height, int64_t width);
};

// Filters as outs x ins x taps, each group after the other; strides in elements.
struct FilterView {
  const char* data = nullptr;
  int64_t group_stride = 0, out_stride = 0, in_stride = 0, r_stride = 0, s_stride = 0;
  // Of volumes: so many ins are of one slice, and those of the next tap_stride further.
  int64_t run = 0, tap_stride = 0;

  int64_t in(int64_t i) const {
    return run == 0 ? i * in_stride : i / run * tap_stride + i % run * in_stride;
  }
  // Whether ins are in_stride apart.
  bool is_even(int64_t ins) const {
    return run == 0 || ins <= run || tap_stride == run * in_stride;
  }
};

// The taps along one axis, by ascending offset in the input.
struct Taps {
  std::vector<int64_t> offsets, filter;  // in the input, in the filter
};

Taps forward_taps(int64_t size, int64_t pad, int64_t dilation);
// Those through which input pixels of one phase (modulo the stride) reach output pixels.
Taps backward_taps(int64_t size, int64_t pad, int64_t dilation, int64_t stride, int64_t phase);

// What the convolution itself reads, for each of its output pixels.
struct ForwardPatches {
  Taps taps_h, taps_w;
  PatchSource source;

  ForwardPatches(ConvLayout layout, const Conv2dShape& shape, const void* x);
  ForwardPatches(const ForwardPatches&) = delete;
};

// What the gradient of the input reads, for each input pixel of a phase (modulo the strides): these
// see the same taps.
struct BackwardPatches {
  Taps taps_h, taps_w;
  PatchSource source;

  BackwardPatches(ConvLayout layout, const Conv2dShape& shape, const void* dy, int64_t h,
                  int64_t w);
  BackwardPatches(const BackwardPatches&) = delete;
};

PatchSource image_source(const void* data, const ImageStrides& strides, int64_t channels,
                         int64_t height, int64_t width);
void set_taps(PatchSource& source, const Taps& taps_h, const Taps& taps_w);

struct ConvPass {
  ConvLayout layout;
  PatchSource source;                        // of the first group
  int64_t images = 0, groups = 1, outs = 0;  // outs: per group
  FilterView filters;
  const Taps *taps_h = nullptr, *taps_w = nullptr;
  // Output pixel (image, h, w) of the grid, and its channels.
  char* out = nullptr;
  int64_t out_n = 0, out_h = 0, out_w = 0, out_channel = 0;
  int64_t out_run = 0;  // between the images of a run
  const char* bias = nullptr;
  Activation activation = Activation::none;

  int64_t out_image(int64_t i) const {
    return source.run == 1 ? i * out_n : i / source.run * out_n + i % source.run * out_run;
  }
};

// Where the sums of a group go whose first pixel's first channel lies at `at`, in elements;
// `pixels_first`: pixels are the rows of the product. Bias and activation come after them.
GemmOutput output_of(const ConvMath& math, const ConvPass& pass, int64_t group, int64_t at,
                     bool pixels_first);

// A multiplication of what is read in place, by type; nullptr: not offered.
template <class Block>
struct InPlaceMultiply {
  void (*f32)(const Block& block);
  void (*f64)(const Block& block);
};
template <class Block>
auto multiply_by_type(const ConvMath& math, const InPlaceMultiply<Block>& of) {
  if (!math.packs_panels()) return decltype(of.f32){};
  return math.element == 4 ? of.f32 : of.f64;
}

void run_pass(const ConvMath& math, const ConvPass& pass);

}  // namespace flambeau::inline v1::cpu
