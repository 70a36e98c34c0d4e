// Shape and dtype rules of reading and writing at places that tensors name.
#pragma once

#include "core/tensor/range.h"
#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::inline v1::shape {

template <class T>
void check_same_device(const char* op, const T& a, const T& b) {
  check(a.device() == b.device(), op,
        ": Expected all tensors to be on the same device, but found "
        "at least two devices, ",
        a.device().str(), " and ", b.device().str(), "!");
}

}  // namespace flambeau::inline v1::shape
