// Operands in a kernel's dtype, contiguous, and results on their way back.
#pragma once

#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

// The tensor itself where it is so already; undefined stays undefined.
inline Tensor packed(const Tensor& t, DType dtype) {
  if (!t.defined() || (t.is_contiguous() && t.dtype() == dtype)) return t;
  const Tensor p = empty(t.sizes(), {dtype, t.device()});
  copy(p, t);
  return p;
}

// Where a kernel may write `out`: there, or in a place from which deliver() copies.
inline Tensor place_for(const Tensor& out, DType dtype) {
  return out.is_contiguous() && out.dtype() == dtype ? out
                                                     : empty(out.sizes(), {dtype, out.device()});
}

inline void deliver(const Tensor& out, const Tensor& made) {
  if (!out.is(made)) copy(out, made);
}

}  // namespace flambeau::inline v1::cpu
