// Shape and dtype rules of reading and writing at places that tensors name.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

inline bool is_index_dtype(DType dtype) { return dtype == DType::int64 || dtype == DType::int32; }

// Error when a number does not fit an element of `dtype`, as PyTorch decides it: fractions are cut
// off, and what an unsigned type holds may be given with a minus sign.
void check_fits(const char* op, const Scalar& value, DType dtype);

template <class T>
void check_same_device(const char* op, const T& a, const T& b) {
  check(a.device() == b.device(), op,
        ": Expected all tensors to be on the same device, but found "
        "at least two devices, ",
        a.device().str(), " and ", b.device().str(), "!");
}

// A 0-dim tensor counts as one of one dimension.
template <class T>
int64_t dims_at_least_one(const T& t) {
  return t.dim() == 0 ? 1 : t.dim();
}
template <class T>
int64_t size_at_least_1d(const T& t, int64_t d) {
  return t.dim() == 0 ? 1 : t.sizes()[d];
}

// What all scatters ask of the index, and of `src` where there is one.
template <class T>
Spec scattered(const char* op, const T& self, int64_t dim, const T& index, const T* src) {
  check_same_device(op, self, index);
  if (src) check_same_device(op, self, *src);
  const int64_t d = wrap_dim(dim, self.dim(), op);
  const Spec spec{Dims(self.sizes()), self.dtype(), {}};
  if (src)
    check(self.dtype() == src->dtype(), op, ": Expected self.dtype to be equal to src.dtype, got ",
          dtype_name(self.dtype()), " and ", dtype_name(src->dtype()));
  if (index.numel() == 0) return spec;
  check(is_index_dtype(index.dtype()), op, ": Expected dtype int32/int64 for index, got ",
        dtype_name(index.dtype()));
  check(dims_at_least_one(index) == dims_at_least_one(self), op,
        ": Index tensor must have the same number of dimensions as self tensor, got shapes ",
        show(index.sizes()), " and ", show(self.sizes()));
  if (src)
    check(dims_at_least_one(index) == dims_at_least_one(*src), op,
          ": Index tensor must have the same number of dimensions as src tensor, got shapes ",
          show(index.sizes()), " and ", show(src->sizes()));
  bool fits = true;
  for (int64_t k = 0; k < dims_at_least_one(self); ++k) {
    const int64_t n = size_at_least_1d(index, k);
    fits = fits && (k == d || n <= size_at_least_1d(self, k));
    fits = fits && (!src || n <= size_at_least_1d(*src, k));
  }
  if (!fits && src)
    raise(op, ": Expected index ", show(index.sizes()), " to be no larger than self ",
          show(self.sizes()), " apart from dimension ", d, " and to be no larger size than src ",
          show(src->sizes()));
  check(fits, op, ": Expected index ", show(index.sizes()), " to be no larger than self ",
        show(self.sizes()), " apart from dimension ", d);
  return spec;
}

inline void check_reduce(std::string_view reduce) {
  check(reduce == "add" || reduce == "multiply",
        "scatter: reduce argument must be either add or multiply, got '", reduce, "'");
}

template <class T>
Spec scatter(const T& self, int64_t dim, const T& index, const T& src) {
  return scattered("scatter", self, dim, index, &src);
}
template <class T>
Spec scatter_value(const T& self, int64_t dim, const T& index, const Scalar& value) {
  check_fits("scatter", value, self.dtype());
  return scattered<T>("scatter", self, dim, index, nullptr);
}
template <class T>
Spec scatter_reduce(const T& self, int64_t dim, const T& index, const T& src,
                    std::string_view reduce) {
  check_reduce(reduce);
  return scattered("scatter", self, dim, index, &src);
}
template <class T>
Spec scatter_value_reduce(const T& self, int64_t dim, const T& index, const Scalar& value,
                          std::string_view reduce) {
  check_reduce(reduce);
  return scatter_value(self, dim, index, value);
}
template <class T>
Spec scatter_add(const T& self, int64_t dim, const T& index, const T& src) {
  return scattered("scatter_add", self, dim, index, &src);
}

template <class T>
Spec index_select(const T& self, int64_t dim, const T& index) {
  check_same_device("index_select", self, index);
  const int64_t d = wrap_dim(dim, self.dim(), "index_select");
  check<IndexError>(index.dim() <= 1, "index_select: Index is supposed to be a vector, got shape ",
                    show(index.sizes()));
  check(is_index_dtype(index.dtype()),
        "index_select: Expected dtype int32 or int64 for index, got ", dtype_name(index.dtype()));
  check(self.dim() > 0 || index.numel() == 1,
        "index_select: Index to scalar can have only 1 value, got ", index.numel(), " value(s)");
  Dims sizes(self.sizes());
  if (self.dim() > 0) sizes[d] = index.numel();
  return {sizes, self.dtype(), {}};
}

template <class T>
Spec index_add(const T& self, int64_t dim, const T& index, const T& source, const Scalar& alpha) {
  check_same_device("index_add", self, index);
  check_same_device("index_add", self, source);
  const int64_t d = wrap_dim(dim, self.dim(), "index_add");
  check<IndexError>(index.dim() <= 1,
                    "index_add: Index is supposed to be a vector, but got dim: ", index.dim(),
                    " with type: ", dtype_name(index.dtype()), " and size: ", show(index.sizes()));
  check(is_index_dtype(index.dtype()),
        "index_add: Expected dtype int32/int64 for index but got: ", dtype_name(index.dtype()));
  check(self.dtype() == source.dtype(), "index_add: self (", dtype_name(self.dtype()),
        ") and source (", dtype_name(source.dtype()), ") must have the same scalar type");
  const int64_t given = source.dim() == 0 ? 1 : d < source.dim() ? source.sizes()[d] : 0;
  check(given == index.numel(), "index_add: Number of indices (", index.numel(),
        ") should be equal to source.size(dim): (", given, "), for dim: ", d);
  Dims expected(self.sizes());
  if (self.dim() > 0) expected[d] = given;
  check(same(expected, source.sizes()),
        "index_add: source tensor shape must match self tensor shape, excluding the specified "
        "dimension. Got self.shape = ",
        show(self.sizes()), " source.shape = ", show(source.sizes()));
  check(!alpha.is_floating() || is_differentiable(self.dtype()),
        "index_add: For integral input tensors, argument alpha must not be a floating point "
        "number.");
  check_fits("index_add", alpha, self.dtype());
  return {Dims(self.sizes()), self.dtype(), {}};
}

template <class T>
Spec masked_fill(const T& self, const T& mask, const Scalar& value) {
  check_same_device("masked_fill", self, mask);
  check(mask.dtype() == DType::boolean,
        "masked_fill: masked_fill only supports boolean masks, but got mask with dtype ",
        dtype_name(mask.dtype()));
  check_fits("masked_fill", value, self.dtype());
  return {broadcast(self.sizes(), mask.sizes(), "masked_fill"), self.dtype(), {}};
}
template <class T>
Spec masked_fill_tensor(const T& self, const T& mask, const T& value) {
  check(value.dim() == 0,
        "masked_fill: masked_fill only supports a 0-dimensional value tensor, but got tensor with ",
        value.dim(), " dimension(s).");
  return masked_fill(self, mask, Scalar(0));
}

inline void check_embedding_indices(const char* op, DType dtype) {
  check(is_index_dtype(dtype), op,
        ": Expected tensor for argument #1 'indices' to have one of the "
        "following scalar types: Long, Int; but got ",
        dtype_name(dtype), " instead");
}

template <class T>
Spec embedding(const T& weight, const T& indices, bool sparse) {
  check<NotImplementedError>(!sparse, "embedding: sparse=True is not supported");
  check_same_device("embedding", weight, indices);
  check(weight.dim() == 2, "embedding: 'weight' must be 2-D, got shape ", show(weight.sizes()));
  check_embedding_indices("embedding", indices.dtype());
  Dims sizes(indices.sizes());
  sizes.push_back(weight.sizes()[1]);
  return {sizes, weight.dtype(), {}};
}

template <class T>
Spec embedding_backward(const T& grad_output, const T& indices, int64_t num_weights) {
  check_same_device("embedding_dense_backward", grad_output, indices);
  check_embedding_indices("embedding_dense_backward", indices.dtype());
  check(num_weights >= 0, "embedding_dense_backward: num_weights must not be negative, got ",
        num_weights);
  const IntSpan sizes = grad_output.sizes();
  check(!sizes.empty() && same(sizes.first(sizes.size() - 1), indices.sizes()),
        "embedding_dense_backward: grad_output of shape ", show(sizes),
        " must have the shape of indices, ", show(indices.sizes()), ", and one dimension more");
  return {{num_weights, sizes.back()}, grad_output.dtype(), {}};
}

}  // namespace flambeau::shape
