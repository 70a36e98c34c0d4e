// Gradients of ops that select elements along a dimension.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::formula {

// Puts gradients back where the selected elements came from; without keepdim, g and indices lack
// the dimension. Of `sort`, `topk`, `max` along a dimension and the like.
Tensor value_selecting_backward(const Tensor& g, int64_t dim, const Tensor& indices, IntSpan sizes,
                                bool keepdim);

}  // namespace flambeau::formula
