// Regular sequences, into contiguous tensors of one dimension.
#pragma once

#include "core/tensor/scalar.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void arange(const Tensor& out, const Scalar& start, const Scalar& step);
// From both ends to the middle, so that the ends are exact and the sequence is symmetric.
void linspace(const Tensor& out, const Scalar& start, const Scalar& end);

}  // namespace flambeau::inline v1::cpu
