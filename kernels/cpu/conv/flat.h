// Passes of few outs over narrow images, as passes over one long row.
#pragma once

#include "kernels/cpu/conv/pass.h"

namespace flambeau::inline v1::cpu {

// Note [Flat planes]
// With few outs, the lanes of a product must be pixels, and rows of few pixels leave lanes empty.
// Where strides are 1, an image is copied with zeros around it; its rows then follow each other
// without a gap, and are one row, in which each tap is at a fixed distance. Pixels that begin in
// one row and end in the next are computed too, and left out of the results.
bool flattens(const ConvMath& math, const ConvPass& pass);
void run_flat(const ConvMath& math, const ConvPass& pass);

}  // namespace flambeau::inline v1::cpu
