// What bodies ask of the lazy bits of tensors.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::formula {

// Whether the values are conjugates, or negatives, of what lies in memory; also those inside of a
// transform's wrapper, which has no such bits of its own.
bool is_conj(const Tensor& t);
bool is_neg(const Tensor& t);

}  // namespace flambeau::inline v1::formula
