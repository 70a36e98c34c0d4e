#pragma once

#include "core/autograd/node.h"
#include "core/dispatch/value.h"

namespace flambeau::inline v1::formula {

using OptionalDims = std::optional<IntSpan>;

// A gradient of a reduction, expanded over the dimensions that went away.
Tensor expand_reduced(const Tensor& g, IntSpan sizes, OptionalDims dim, bool keepdim);
Tensor mean_backward(const Tensor& g, IntSpan sizes);
Tensor mean_dim_backward(const Tensor& g, IntSpan sizes, OptionalDims dim, bool keepdim);
Tensor prod_backward(const Tensor& g, const Tensor& self, const Tensor& result);
Tensor prod_dim_backward(const Tensor& g, const Tensor& self, const Tensor& result, int64_t dim,
                         bool keepdim);
Tensor var_backward(const Tensor& g, const Tensor& self, OptionalDims dim,
                    const std::optional<Scalar>& correction, bool keepdim);
Tensor std_backward(const Tensor& g, const Tensor& self, const Tensor& result, OptionalDims dim,
                    const std::optional<Scalar>& correction, bool keepdim);
Tensor var_mean_backward(TensorSpan grads, const Tensor& self, OptionalDims dim,
                         const std::optional<Scalar>& correction, bool keepdim);
Tensor logsumexp_backward(const Tensor& g, const Tensor& self, const Tensor& result, IntSpan dim,
                          bool keepdim);
Tensor norm_backward(const Tensor& g, const Tensor& self, const Tensor& result, const Scalar& ord,
                     OptionalDims dim, bool keepdim);
Tensor cumsum_backward(const Tensor& g, int64_t dim, DType dtype);
Tensor cumprod_backward(const Tensor& g, const Tensor& self, int64_t dim, const Tensor& result);
// The gradient goes to the elements equal to the result, in equal parts.
Tensor spread_evenly(const Tensor& g, const Tensor& self, const Tensor& result, IntSpan dim,
                     bool keepdim);
Tensor aminmax_backward(TensorSpan grads, const Tensor& self, const Tensor& min, const Tensor& max,
                        std::optional<int64_t> dim, bool keepdim);
Tensor spread_evenly_over(const Tensor& g, const Tensor& self, const Tensor& result);

}  // namespace flambeau::inline v1::formula
