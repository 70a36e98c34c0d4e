// Gradients of joining, rearranging and indexing.
#pragma once

#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::formula {

TensorVec cat_backward_list(const Tensor& g, const std::vector<Dims>& sizes,
                            const std::vector<DType>& dtypes, int64_t dim);
TensorVec stack_backward_list(const Tensor& g, const std::vector<DType>& dtypes, int64_t dim);
Tensor roll_backward(const Tensor& g, IntSpan shifts, IntSpan dims);
Tensor repeat_backward(const Tensor& g, IntSpan repeats, IntSpan sizes);

Tensor index_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                      TensorSpan indices);
Tensor index_put_backward_self(const Tensor& g, TensorSpan indices, bool accumulate);
Tensor index_put_backward_values(const Tensor& g, TensorSpan indices, IntSpan sizes, DType dtype);
Tensor gather_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options, int64_t dim,
                       const Tensor& index);
// `sizes`: of src, which may be larger than the index.
Tensor scatter_backward_src(const Tensor& g, int64_t dim, const Tensor& index, IntSpan sizes);
Tensor scatter_reduce_backward_self(const Tensor& g, int64_t dim, const Tensor& index,
                                    const Tensor& src, std::string_view reduce);
Tensor scatter_reduce_backward_src(const Tensor& g, int64_t dim, const Tensor& index, IntSpan sizes,
                                   std::string_view reduce);
Tensor scatter_value_reduce_backward(const Tensor& g, int64_t dim, const Tensor& index,
                                     const Scalar& value, std::string_view reduce);
Tensor index_select_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                             int64_t dim, const Tensor& index);
Tensor index_add_backward(const Tensor& g, int64_t dim, const Tensor& index, const Scalar& alpha);

Tensor masked_fill_backward(const Tensor& g, const Tensor& mask);
// What a 0-dim value that filled the masked places is worth.
Tensor masked_sum(const Tensor& g, const Tensor& mask);
Tensor masked_select_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                              const Tensor& mask);

inline int64_t first(IntSpan sizes) { return sizes[0]; }
Tensor embedding_double_backward(const Tensor& g, const Tensor& indices, int64_t padding_idx,
                                 bool scale_grad_by_freq);

}  // namespace flambeau::inline v1::formula
