// What the ops of other families do with sparse tensors.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1::sparse {

[[noreturn]] void refuse(const Op& op, const char* why);

// self + alpha * other where one of them is sparse.
Tensor sum_of(const char* op, const Tensor& self, const Tensor& other, const Scalar& alpha);
Tensor product_of(const Op& op, const Tensor& self, const Tensor& other);
// An elementwise op whose result is zero wherever its sparse operands are.
Tensor pointwise(const Op& op, const Value* args);

Tensor permuted(const char* op, const Tensor& t, IntSpan order);
Tensor transposed(const char* op, const Tensor& t, int64_t a, int64_t b);
Tensor unsqueezed(const Tensor& t, int64_t dim);
Tensor squeezed(const Tensor& t, std::optional<IntSpan> dims);
Tensor selected(const char* op, const Tensor& t, int64_t dim, int64_t index);
Tensor sliced(const Tensor& t, int64_t dim, std::optional<int64_t> start,
              std::optional<int64_t> end, int64_t step);
Tensor index_selected(const Tensor& t, int64_t dim, const Tensor& index);
Tensor joined(const char* op, TensorSpan list, int64_t dim);

Tensor summed(const char* op, const Tensor& t, IntSpan dims, bool keepdim,
              std::optional<DType> dtype);
// The elements of a sum over these dimensions, for each element of t that went into it.
Tensor spread(const char* op, const Tensor& sum, const Tensor& t, IntSpan dims);
// The product of matrices, of which one or both are sparse; of batches, where the first one is.
Tensor product(const char* op, const Tensor& a, const Tensor& b);
Tensor batched_product(const Tensor& a, const Tensor& b);
// beta * self + alpha * (a @ b).
Tensor added_product(const char* op, const Tensor& self, const Tensor& a, const Tensor& b,
                     const Scalar& beta, const Scalar& alpha);

}  // namespace flambeau::inline v1::sparse
