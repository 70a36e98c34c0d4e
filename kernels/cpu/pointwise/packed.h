// Operands in a kernel's dtype, contiguous in a format, and results on their way back.
#pragma once

#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

inline Tensor dense(IntSpan sizes, DType dtype, Device device, MemoryFormat format) {
  if (format == MemoryFormat::contiguous) return empty(sizes, {dtype, device});
  return empty_strided(sizes, channels_last_strides(sizes), {dtype, device});
}

// The tensor itself where it is so already; undefined stays undefined.
inline Tensor packed(const Tensor& t, DType dtype, MemoryFormat format = MemoryFormat::contiguous) {
  if (!t.defined() || (t.is_contiguous(format) && t.dtype() == dtype)) return t;
  const Tensor p = dense(t.sizes(), dtype, t.device(), format);
  copy(p, t);
  return p;
}

// Where a kernel may write `out`: there, or in a place from which deliver() copies.
inline Tensor place_for(const Tensor& out, DType dtype,
                        MemoryFormat format = MemoryFormat::contiguous) {
  return out.is_contiguous(format) && out.dtype() == dtype
             ? out
             : dense(out.sizes(), dtype, out.device(), format);
}

inline void deliver(const Tensor& out, const Tensor& made) {
  if (!out.is(made)) copy(out, made);
}

}  // namespace flambeau::inline v1::cpu
