// Shape and dtype rules of reductions and scans.
#pragma once

#include <array>
#include <optional>

#include "core/dispatch/thread_state.h"
#include "core/tensor/tensor.h"
#include "kernels/shape/pointwise.h"
#include "kernels/shape/spec.h"

namespace flambeau::inline v1::shape {

// ---- which dimensions

template <class T>
Dims all_dims(const T& self) {
  Dims dims;
  for (int64_t d = 0; d < self.dim(); ++d) dims.push_back(d);
  return dims;
}

// No dimension named means all of them. Dimensions come back in ascending order.
template <class T>
Dims dims_of(const T& self, IntSpan dim, const char* op = "reduction") {
  if (dim.empty()) return all_dims(self);
  uint64_t named = 0;
  for (const int64_t given : dim) {
    const int64_t d = wrap_dim(given, self.dim(), op);
    check(!(named >> d & 1), op, ": dim ", d, " appears multiple times in the list of dims");
    named |= uint64_t{1} << d;
  }
  Dims dims;
  for (int64_t d = 0; d < self.dim(); ++d)
    if (named >> d & 1) dims.push_back(d);
  return dims;
}
template <class T>
Dims dims_of(const T& self, const std::optional<IntSpan>& dim, const char* op = "reduction") {
  return dims_of(self, dim ? *dim : IntSpan(), op);
}

// As above, but an empty list names none.
template <class T>
Dims named_dims(const T& self, const std::optional<IntSpan>& dim) {
  if (dim && dim->empty()) return {};
  return dims_of(self, dim);
}

template <class T>
int64_t wrap(const T& self, int64_t dim, const char* op = "reduction") {
  return wrap_dim(dim, self.dim(), op);
}

template <class T>
Dims one_dim(const T& self, int64_t dim, const char* op = "reduction") {
  const int64_t named[] = {dim};
  return dims_of(self, IntSpan(named), op);
}

// ---- sums and products

// ---- spread

// The correction of a spread, with a word where it leaves no degree of freedom.
template <class T>
double freedom_of(const char* op, const std::optional<Scalar>& correction, const T& self,
                  const T& result) {
  const double taken = correction ? correction->to_double() : 1.0;
  const int64_t results = result.numel(), each = results ? self.numel() / results : 0;
  if (!(static_cast<double>(each) > taken)) [[unlikely]]
    warn(concat(op, "(): degrees of freedom is <= 0. Correction should be strictly less than the ",
                "reduction factor (input numel divided by output numel), but they are ", taken,
                " and ", each, "."));
  return taken;
}

// ---- norms

// ---- extremes

// The dimensions of an op that reduces one, or all where none is named.
template <class T>
Dims one_or_all_dims(const T& self, const std::optional<int64_t>& dim, const char* op = "aminmax") {
  return dim ? one_dim(self, *dim, op) : all_dims(self);
}

// ---- truth

// ---- scans

}  // namespace flambeau::inline v1::shape
