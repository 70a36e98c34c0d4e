// Shape and dtype rules of reductions and scans.
#pragma once

#include <array>
#include <optional>

#include "core/dispatch/thread_state.h"
#include "core/tensor/tensor.h"
#include "kernels/shape/pointwise.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

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

template <class T>
int64_t wrap(const T& self, int64_t dim, const char* op = "reduction") {
  return wrap_dim(dim, self.dim(), op);
}

template <class T>
Dims one_dim(const T& self, int64_t dim, const char* op = "reduction") {
  const int64_t named[] = {dim};
  return dims_of(self, IntSpan(named), op);
}

template <class T>
Dims reduced_sizes(const T& self, IntSpan dims, bool keepdim) {
  Dims sizes;
  size_t next = 0;
  for (int64_t d = 0; d < self.dim(); ++d) {
    const bool reduced = next < dims.size() && dims[next] == d;
    if (reduced) ++next;
    if (!reduced)
      sizes.push_back(self.sizes()[d]);
    else if (keepdim)
      sizes.push_back(1);
  }
  return sizes;
}

// ---- sums and products

template <class T>
DType sum_dtype(const T& self, const std::optional<DType>& dtype) {
  if (dtype) return *dtype;
  return is_integral(self.dtype(), true) ? DType::int64 : self.dtype();
}

template <class T>
Spec sum_all(const T& self, const std::optional<DType>& dtype) {
  return {{}, sum_dtype(self, dtype), {}};
}

template <class T>
Spec prod_dim(const T& self, int64_t dim, bool keepdim, const std::optional<DType>& dtype,
              const char* op = "prod") {
  return {reduced_sizes(self, one_dim(self, dim, op), keepdim), sum_dtype(self, dtype), {}};
}

template <class T>
DType mean_dtype(const T& self, const std::optional<DType>& dtype, const char* op) {
  const DType result = dtype ? *dtype : self.dtype();
  check(is_differentiable(result), op, "(): could not infer output dtype. ",
        dtype ? "Optional" : "Input",
        " dtype must be either a floating point or complex dtype. Got: ", scalar_type_name(result));
  return result;
}

template <class T>
Spec mean_all(const T& self, const std::optional<DType>& dtype, const char* op = "mean") {
  return {{}, mean_dtype(self, dtype, op), {}};
}

template <class T>
Spec mean_dim(const T& self, const std::optional<IntSpan>& dim, bool keepdim,
              const std::optional<DType>& dtype, const char* op = "mean") {
  const DType result = mean_dtype(self, dtype, op);
  return {reduced_sizes(self, dims_of(self, dim, op), keepdim), result, {}};
}

// ---- spread

inline double correction_of(const std::optional<Scalar>& correction) {
  return correction ? correction->to_double() : 1.0;
}

template <class T>
Spec var(const T& self, const std::optional<IntSpan>& dim, bool keepdim, const char* op = "var") {
  check(is_differentiable(self.dtype()), op,
        ": std and var only support floating point and complex "
        "dtypes, got ",
        dtype_name(self.dtype()));
  return {reduced_sizes(self, dims_of(self, dim, op), keepdim), to_real(self.dtype()), {}};
}

template <class T>
std::array<Spec, 2> var_mean(const T& self, const std::optional<IntSpan>& dim, bool keepdim,
                             const char* op = "var_mean") {
  const Spec spread = var(self, dim, keepdim, op);
  return {spread, Spec{spread.sizes, self.dtype(), {}}};
}

// ---- norms

template <class T>
Spec logsumexp(const T& self, IntSpan dim, bool keepdim, const char* op = "logsumexp") {
  const DType dtype = is_integral(self.dtype(), true) ? default_dtype() : self.dtype();
  return {reduced_sizes(self, dims_of(self, dim, op), keepdim), dtype, {}};
}

inline void check_norm_dtype(const char* op, DType input, DType dtype) {
  check(is_differentiable(dtype), op, ": dtype should be floating point or complex, but got ",
        scalar_type_name(dtype));
  check(is_complex(input) == is_complex(dtype), op, ": dtype should be ",
        is_complex(input) ? "complex for complex" : "real for real", " inputs, but got ",
        scalar_type_name(dtype));
  check(promote(input, dtype) == dtype, op, ": the dtype of the input (", scalar_type_name(input),
        ") should be convertible without narrowing to the specified dtype (",
        scalar_type_name(dtype), ")");
}

template <class T>
Spec vector_norm(const T& self, const Scalar& ord, const std::optional<IntSpan>& dim, bool keepdim,
                 const std::optional<DType>& dtype, const char* op = "linalg.vector_norm") {
  check(!ord.is_complex(), op, ": Expected a non-complex scalar as the order of norm.");
  check(is_differentiable(self.dtype()), op,
        ": Expected a floating point or complex tensor as input. Got ",
        scalar_type_name(self.dtype()));
  if (dtype) check_norm_dtype(op, self.dtype(), *dtype);
  const Dims dims = dims_of(self, dim, op);
  const double p = ord.to_double();
  if (p < 0 || p == __builtin_inf())
    for (const int64_t d : dims)
      check(self.sizes()[d] != 0, op, " cannot compute the ", p,
            " norm on an empty tensor because the operation does not have an identity");
  return {reduced_sizes(self, dims, keepdim), to_real(dtype ? *dtype : self.dtype()), {}};
}

// ---- extremes

template <class T>
void check_real(const T& self, const char* op) {
  if (is_complex(self.dtype()))
    raise<NotImplementedError>(op, "(): \"", op, "\" not implemented for '",
                               scalar_type_name(self.dtype()), "': complex numbers have no order");
}

// The largest of no elements does not exist.
template <class E = IndexError, class T>
void check_not_empty(const T& self, IntSpan dims, bool all, const char* op) {
  if (all)
    return check<E>(self.numel() != 0, op,
                    "(): Expected reduction dim to be specified for "
                    "input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
  for (const int64_t d : dims)
    check<E>(self.sizes()[d] != 0, op, "(): Expected reduction dim ", d, " to have non-zero size.");
}

template <class T>
Spec extreme(const T& self, IntSpan dim, bool keepdim, const char* op = "amax/amin") {
  check_real(self, op);
  const Dims dims = dims_of(self, dim, op);
  if (dim.empty())
    check_not_empty<Error>(self, dims, true, op);
  else
    check_not_empty(self, dims, false, op);
  return {reduced_sizes(self, dims, keepdim), self.dtype(), {}};
}

template <class T>
Spec extreme_all(const T& self, const char* op = "max/min") {
  check_real(self, op);
  check_not_empty<Error>(self, {}, true, op);
  return {{}, self.dtype(), {}};
}

template <class T>
std::array<Spec, 2> extreme_with_indices(const T& self, int64_t dim, bool keepdim,
                                         const char* op = "max/min") {
  check_real(self, op);
  const Dims dims = one_dim(self, dim, op);
  check_not_empty(self, dims, false, op);
  const Dims sizes = reduced_sizes(self, dims, keepdim);
  return {Spec{sizes, self.dtype(), {}}, Spec{sizes, DType::int64, {}}};
}

// The dimensions of an op that reduces one, or all where none is named.
template <class T>
Dims one_or_all_dims(const T& self, const std::optional<int64_t>& dim, const char* op = "aminmax") {
  return dim ? one_dim(self, *dim, op) : all_dims(self);
}

template <class T>
std::array<Spec, 2> both_extremes(const T& self, const std::optional<int64_t>& dim, bool keepdim,
                                  const char* op = "aminmax") {
  check_real(self, op);
  const Dims dims = one_or_all_dims(self, dim, op);
  check_not_empty<Error>(self, dims, !dim, op);
  const Spec spec{reduced_sizes(self, dims, keepdim), self.dtype(), {}};
  return {spec, spec};
}

template <class T>
Spec arg_extreme(const T& self, const std::optional<int64_t>& dim, bool keepdim,
                 const char* op = "argmax/argmin") {
  check_real(self, op);
  if (self.dtype() == DType::boolean)
    raise<NotImplementedError>(op, "(): \"", op, "_cpu\" not implemented for 'Bool'");
  const Dims dims = one_or_all_dims(self, dim, op);
  check_not_empty(self, dims, !dim, op);
  return {reduced_sizes(self, dims, keepdim), DType::int64, {}};
}

// ---- truth

// uint8 stood for truth values before bool existed, and keeps its dtype.
template <class T>
DType truth_dtype(const T& self) {
  return self.dtype() == DType::uint8 ? DType::uint8 : DType::boolean;
}

template <class T>
Spec truth_all(const T& self) {
  return {{}, truth_dtype(self), {}};
}

template <class T>
Spec truth_dims(const T& self, const std::optional<IntSpan>& dim, bool keepdim,
                const char* op = "any/all") {
  return {reduced_sizes(self, dims_of(self, dim, op), keepdim), truth_dtype(self), {}};
}

template <class T>
Spec truth_dim(const T& self, int64_t dim, bool keepdim, const char* op = "any/all") {
  return {reduced_sizes(self, one_dim(self, dim, op), keepdim), truth_dtype(self), {}};
}

// ---- scans

template <class T>
Spec cumulative(const T& self, int64_t dim, const std::optional<DType>& dtype,
                const char* op = "cumsum/cumprod") {
  wrap_dim(dim, self.dim(), op);
  return {Dims(self.sizes()), sum_dtype(self, dtype), {}};
}

template <class T>
std::array<Spec, 2> cumulative_extreme(const T& self, int64_t dim,
                                       const char* op = "cummax/cummin") {
  check_real(self, op);
  wrap_dim(dim, self.dim(), op);
  return {Spec{Dims(self.sizes()), self.dtype(), {}}, Spec{Dims(self.sizes()), DType::int64, {}}};
}

template <class T>
Spec log_cumulative(const T& self, int64_t dim, const char* op = "logcumsumexp") {
  wrap_dim(dim, self.dim(), op);
  if (!is_differentiable(self.dtype()))
    raise<NotImplementedError>(op, ": \"", op, "_out_cpu\" not implemented for '",
                               scalar_type_name(self.dtype()), "'");
  return {Dims(self.sizes()), self.dtype(), {}};
}

}  // namespace flambeau::shape
