// Shape and dtype rules of joining and rearranging.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

template <class List>
DType joined_dtype(const List& tensors) {
  DType dtype = tensors[0].dtype();
  for (const auto& t : tensors) dtype = promote(dtype, t.dtype());
  return dtype;
}

template <class List>
void check_one_device(const char* op, const List& tensors) {
  for (const auto& t : tensors)
    check(t.device() == tensors[0].device(), op,
          ": Expected all tensors to be on the same device, "
          "but found at least two devices, ",
          tensors[0].device().str(), " and ", t.device().str(), "!");
}

// Whether all tensors agree on channels_last (or channels_last_3d).
template <class List>
bool all_channels_last(const List& tensors) {
  const MemoryFormat format = tensors[0].suggest_memory_format();
  if (format == MemoryFormat::contiguous) return false;
  for (const auto& t : tensors)
    if (t.suggest_memory_format() != format) return false;
  return true;
}

template <class List>
Spec stack(const List& tensors, int64_t dim) {
  check(!tensors.empty(), "stack: stack expects a non-empty TensorList");
  check_one_device("stack", tensors);
  const auto& first = tensors[0];
  const int64_t d = wrap_dim(dim, first.dim() + 1, "stack");
  for (size_t i = 1; i < tensors.size(); ++i)
    check(same(tensors[i].sizes(), first.sizes()),
          "stack: stack expects each tensor to be equal size, but got ", show(first.sizes()),
          " at entry 0 and ", show(tensors[i].sizes()), " at entry ", i);
  Dims sizes(first.sizes());
  sizes.insert(d, static_cast<int64_t>(tensors.size()));
  return {sizes, joined_dtype(tensors), {}};
}

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

template <class T>
Spec flip(const T& self, IntSpan dims) {
  dims_mask("flip", dims, self.dim());
  return {Dims(self.sizes()), self.dtype(), strides_like(self)};
}

template <class T>
Spec roll(const T& self, IntSpan shifts, IntSpan dims) {
  check(!shifts.empty(), "roll: `shifts` required");
  check(dims.size() == shifts.size() || (dims.empty() && shifts.size() == 1),
        "roll: shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  for (const int64_t d : dims) {
    wrap_dim(d, self.dim(), "roll");
    check<IndexError>(self.dim() > 0, "roll: Dimension specified as ", d,
                      " but tensor has no dimensions");
  }
  return {Dims(self.sizes()), self.dtype(), {}};
}

template <class T>
Spec triangle(const char* op, const T& self) {
  check(self.dim() >= 2, op, ": input tensor must have at least 2 dimensions, got shape ",
        show(self.sizes()));
  return {Dims(self.sizes()), self.dtype(), {}};
}

template <class T>
Spec repeat(const T& self, IntSpan repeats) {
  const size_t n = repeats.size(), own = self.sizes().size();
  check(n >= own,
        "repeat: Number of dimensions of repeat dims can not be smaller than number of "
        "dimensions of tensor: got repeats ",
        show(repeats), " for shape ", show(self.sizes()));
  Dims sizes(n, 1);
  bool overflow = false, negative = false;
  for (size_t i = 0; i < n; ++i) {
    const int64_t size = i < n - own ? 1 : self.sizes()[i - (n - own)];
    overflow |= __builtin_mul_overflow(size, repeats[i], &sizes[i]);
    negative |= repeats[i] < 0;
  }
  check(!negative, "repeat: Trying to create tensor with negative dimension: repeats ",
        show(repeats), " must not be negative");
  check(!overflow, "repeat: sizes overflow: shape ", show(self.sizes()), " with repeats ",
        show(repeats));
  return {sizes, self.dtype(), {}};
}

}  // namespace flambeau::shape
