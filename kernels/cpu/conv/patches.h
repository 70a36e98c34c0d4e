// The matrix of a convolution, of which only the blocks being multiplied ever exist.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// Note [Patches]
// A pass of a convolution reads, for each pixel q of a grid of outputs and each tap of a filter,
// the input pixel (q_h * step_h + off_h[r], q_w * step_w + off_w[s]), or 0 outside the image.
// Pixels are numbered through all images, row by row. The matrix of patches has a line for each
// pixel, with the elements (channel, r, s) where channels are planes, and (r, s, channel) where
// they are neighbours.
struct PatchSource {
  const char* data = nullptr;                                      // the first channel of a group
  int64_t n_stride = 0, c_stride = 0, h_stride = 0, w_stride = 0;  // in elements
  int64_t group_stride = 0;
  int64_t behind = 0;  // elements that may be read from `data` on; 0: those of all images
  // The slices of a volume are images: every `run` of them are run_stride apart, and the runs
  // n_stride. Their channels are those of several slices, `slice` of each, which are slice_stride
  // apart; 0: of one. See Note [Volumes].
  int64_t run = 1, run_stride = 0, slice = 0, slice_stride = 0;
  int64_t channels = 0, in_h = 0, in_w = 0;
  int64_t grid_h = 0, grid_w = 0, step_h = 1, step_w = 1;
  int64_t taps_h = 0, taps_w = 0;
  const int64_t* off_h = nullptr;  // ascending
  const int64_t* off_w = nullptr;

  int64_t elements() const { return channels * taps_h * taps_w; }
  [[gnu::always_inline]] int64_t image(int64_t i) const {
    return run == 1 ? i * n_stride : i / run * n_stride + i % run * run_stride;
  }
  [[gnu::always_inline]] int64_t channel(int64_t c) const {
    return slice == 0 ? c * c_stride : c / slice * slice_stride + c % slice * c_stride;
  }
};

// Panels of `pixels` pixels each (a multiple of a vector's lanes), `panel` elements apart; within a
// panel, rows of pixels at distance `pitch`.
struct PatchPanels {
  void* data;
  int64_t pixels, pitch, panel;
};

// Copies elements [from, to) of the patches of pixels [pixel, pixel + pixels).
// planes: c_stride is a plane; an element of all pixels goes to a row of dst, or of its panels.
// Rows are written in whole vectors, zeros beyond the last pixel. rows: c_stride is 1; pixels go to
// rows of dst, `pitch` apart, elements side by side, zeros up to `width`.
struct PatchCopy {
  void (*planes)(const PatchSource& source, int64_t pixel, int64_t pixels, int64_t from, int64_t to,
                 const PatchPanels& dst);
  void (*rows)(const PatchSource& source, int64_t pixel, int64_t pixels, int64_t from, int64_t to,
               int64_t width, void* dst, int64_t pitch);
};

// By size of an element.
struct ConvKernels {
  PatchCopy copy_2, copy_4, copy_8;

  const PatchCopy& copy(int element) const {
    return element == 2 ? copy_2 : element == 4 ? copy_4 : copy_8;
  }
};

namespace baseline {
extern const ConvKernels conv_kernels;
}
namespace avx2 {
extern const ConvKernels conv_kernels;
}
namespace avx512 {
extern const ConvKernels conv_kernels;
}

// Of the instruction set in use.
const ConvKernels& conv_kernels();

}  // namespace flambeau::inline v1::cpu
