// Products of filters with the taps of pixels, read from planes where they lie.
#pragma once

#include <cstdint>

#include "kernels/cpu/conv/pass.h"

namespace flambeau::inline v1::cpu {

// Note [Planes in place]
// Where strides are 1, the pixels that a tap reads for neighbours in a row of the grid are
// neighbours in the image, or outside it. Patches then need not be copied: for each channel and
// tap, the kernel multiplies the lanes that are inside. Where image and grid differ in width, lanes
// from the next row of the grid on are read at a distance, `gap`; a vector must have no third row
// then. `block` has filters as its rows and pixels of one image as its columns. A panel's taps are
// grouped by their lanes inside, because to change them costs as much as a product.
struct Tap {
  int64_t offset;   // in a plane, of what the panel's first pixel reads
  int64_t element;  // of a channel of the filters
};
struct TapGroup {
  int64_t end;                 // of its taps, which begin where those of the group before end
  uint32_t lanes[2];           // bits of the pixels whose tap lies inside the image, by vector
  int64_t read_from, read_to;  // in a plane, by all lanes, inside or not
};
struct TapPanel {
  const Tap* taps;
  const TapGroup* groups;
  int64_t group_count;
  int64_t second;     // from the first pixel to that of the second vector, in the image
  uint32_t later[2];  // bits of the pixels in the next row, by vector, where there is a gap
};

struct TapBlock {
  GemmBlock block;
  const void* src = nullptr;    // first channel of the step, first pixel of the image
  int64_t low = 0, high = 0;    // what may be read, from there on
  int64_t least = 0, most = 0;  // where channels begin, from there on
  int64_t channels = 0, c_stride = 0, taps = 0, gap = 0;
  // Of volumes: after `left` channels, and after `slice` more, the next is `jump` further.
  int64_t left = 0, slice = 0, jump = 0;
  const TapPanel* panels = nullptr;
};

using TapMultiply = InPlaceMultiply<TapBlock>;

namespace baseline {
extern const TapMultiply tap_multiply;
}
namespace avx2 {
extern const TapMultiply tap_multiply;
}
namespace avx512 {
extern const TapMultiply tap_multiply;
}

// Whether a pass can be computed so, with a gain.
bool reads_in_place(const ConvMath& math, const ConvPass& pass);
void run_in_place(const ConvMath& math, const ConvPass& pass);

}  // namespace flambeau::inline v1::cpu
