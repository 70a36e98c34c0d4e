// Shape and dtype rules of losses.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/pointwise.h"
#include "kernels/shape/spec.h"

namespace flambeau::inline v1::shape {

// ATen's numbers.
constexpr int64_t kNone = 0, kMean = 1, kSum = 2;

}  // namespace flambeau::inline v1::shape
