// Shape and dtype rules of sorting.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

template <class T>
std::array<Spec, 2> topk(const T& self, int64_t k, int64_t dim) {
  const int64_t d = wrap_dim(dim, self.dim(), "topk");
  const int64_t n = self.dim() == 0 ? 1 : self.sizes()[d];
  check(k >= 0 && k <= n, "topk: selected index k out of range: k is ", k, ", and dimension ", d,
        " of shape ", show(self.sizes()), " has ", n, " elements");
  check(!self.is_complex(), "topk: topk does not support complex dtypes on CPU, got ",
        dtype_name(self.dtype()));
  check(self.dtype() != DType::boolean, "topk: topk does not support bool dtypes on CPU");
  Dims sizes(self.sizes());
  if (self.dim() > 0) sizes[d] = k;
  return {Spec{sizes, self.dtype(), {}}, Spec{sizes, DType::int64, {}}};
}

}  // namespace flambeau::shape
