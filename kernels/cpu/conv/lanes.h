// Passes whose groups have few channels that are neighbours in memory.
#pragma once

#include <cstdint>

#include "kernels/cpu/conv/pass.h"

namespace flambeau::inline v1::cpu {

// Note [Lanes of groups]
// The lanes of a vector are the outs of as many groups as fit. What they read of a pixel is one
// vector as well, whose lanes are chosen for each channel of a group; where groups have one channel
// and one out, they are in place. Nothing is copied: the grid is cut into rows whose pixels see
// the same taps, but for their columns.
struct LaneBlock {
  // Of the first pixel, and from a pixel to the next in a row and in a column; in elements.
  const void* src;
  int64_t src_row, src_col;
  void* out;  // or the gradient of the outputs
  int64_t out_row, out_col;
  int64_t rows, cols;
  int64_t ins, channels, outs;  // of a group; that are read; that are written
  int64_t taps;                 // that the pixels see
  int64_t run;                  // so many of them are src_col apart
  const int64_t* offsets;       // of what each of them reads
  const int64_t* columns;       // of the image that each of them reads
  int64_t step_w, in_w;         // between the columns of neighbouring pixels; of the image
  const int64_t* filter;        // which of the filters' taps each of them is
  const void* filters;          // taps x ins vectors of sums
  const void* bias;             // one vector
  const void* lanes;            // what each lane reads of the first channel; nullptr: its own
};

struct LaneKernels {
  void (*multiply)(const LaneBlock& block);
  // Adds products of the gradient with what taps read to taps x ins vectors.
  void (*correlate)(const LaneBlock& block, void* sums);
};
struct LaneTable {
  LaneKernels f32, f64, bf16, f16;
};

namespace baseline {
extern const LaneTable lane_table;
}
namespace avx2 {
extern const LaneTable lane_table;
}
namespace avx512 {
extern const LaneTable lane_table;
}

bool fills_lanes(ConvType type, const ConvPass& pass);
void run_lanes(ConvType type, const ConvPass& pass);

bool fills_lanes(ConvType type, ConvLayout layout, const Conv2dShape& shape);
void lanes_grad_filters(ConvType type, const Conv2dShape& shape, const PatchSource& source,
                        const void* dy, const MutableConvFilters& gradient);

}  // namespace flambeau::inline v1::cpu
