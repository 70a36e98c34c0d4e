// Shape and dtype rules of joining and rearranging.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::inline v1::shape {

// A bit for each dimension of a list without repetitions.
inline uint64_t dims_mask(const char* op, IntSpan dims, int64_t ndim) {
  uint64_t mask = 0;
  for (const int64_t dim : dims) {
    const int64_t d = wrap_dim(dim, ndim, op);
    check(!(mask >> d & 1), op, ": dim ", d, " appears multiple times in the list of dims");
    mask |= uint64_t{1} << d;
  }
  return mask;
}

}  // namespace flambeau::inline v1::shape
