// Shape and dtype rules of reading and writing at places that tensors name.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

// Error when a number does not fit an element of `dtype`, as PyTorch decides it: fractions are cut
// off, and what an unsigned type holds may be given with a minus sign.
void check_fits(const char* op, const Scalar& value, DType dtype);

template <class T>
void check_same_device(const char* op, const T& a, const T& b) {
  check(a.device() == b.device(), op,
        ": Expected all tensors to be on the same device, but found "
        "at least two devices, ",
        a.device().str(), " and ", b.device().str(), "!");
}

}  // namespace flambeau::shape
