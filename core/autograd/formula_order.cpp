// Gradients of ops that select elements along a dimension.

#include "core/autograd/formulas.h"
#include "flambeau/ops/scatter.h"
#include "flambeau/ops/unsqueeze.h"

namespace flambeau::formula {

Tensor value_selecting_backward(const Tensor& g, int64_t dim, const Tensor& indices, IntSpan sizes,
                                bool keepdim) {
  const Tensor zeros = zeros_for(g, sizes, g.options());
  if (keepdim || sizes.empty()) return entry::scatter_src(zeros, dim, indices, g);
  return entry::scatter_src(zeros, dim, entry::unsqueeze(indices, dim), entry::unsqueeze(g, dim));
}

}  // namespace flambeau::formula
