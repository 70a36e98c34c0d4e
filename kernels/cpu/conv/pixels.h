// Products of pixels, read where they lie, with filters.
#pragma once

#include "kernels/cpu/conv/pass.h"

namespace flambeau::inline v1::cpu {

// Note [Pixels in place]
// The rows of the product are neighbours in a row of the grid, its columns are outs. What an
// element of the patch reads for one pixel and for the next is a fixed distance apart, so that the
// kernel reaches all its rows from one pointer, and patches need not be copied, however images lie.
// Images with taps beyond their border are copied once, with zeros around them.
struct PixelBlock {
  GemmBlock block;         // rows: neighbours in a row of the grid
  const void* src;         // what the first pixel's first element reads
  int64_t distance;        // to what the next pixel's reads
  const int64_t* offsets;  // of each element
};

using PixelMultiply = InPlaceMultiply<PixelBlock>;

namespace baseline {
extern const PixelMultiply pixel_multiply;
}
namespace avx2 {
extern const PixelMultiply pixel_multiply;
}
namespace avx512 {
extern const PixelMultiply pixel_multiply;
}

// Whether a pass can be computed so, with a gain.
bool reads_pixels(const ConvMath& math, const ConvPass& pass);
void run_pixels(const ConvMath& math, const ConvPass& pass);

}  // namespace flambeau::inline v1::cpu
