// Small compositions over other ops.



#include "flambeau/kernels/composite.h"
#include "flambeau/kernels/pointwise.h"
#include "flambeau/kernels/reduce.h"
#include "flambeau/ops/all.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/isclose.h"
#include "flambeau/ops/linalg_vector_norm.h"
#include "flambeau/ops/maximum.h"
#include "flambeau/ops/minimum.h"
#include "flambeau/ops/pow.h"
#include "flambeau/ops/std.h"
#include "flambeau/ops/var.h"
#include "flambeau/ops/var_mean.h"

namespace flambeau::inline v1::native {
Tensor square(const Tensor& self) { return entry::pow_Tensor_Scalar(self, Scalar(int64_t{2})); }

Tensor max_other(const Tensor& self, const Tensor& other) { return entry::maximum(self, other); }
Tensor min_other(const Tensor& self, const Tensor& other) { return entry::minimum(self, other); }

Scalar _local_scalar_dense(const Tensor& self) { return self.value(); }

bool equal(const Tensor& self, const Tensor& other) {
  check<NotImplementedError>(!self.is_meta() && !other.is_meta(),
                             "equal: meta tensors have no values to compare");
  if (!same(self.sizes(), other.sizes())) return false;
  if (self.numel() == 0) return true;
  return entry::all(entry::eq_Tensor(self, other)).item().to_bool();
}

bool allclose(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return entry::all(entry::isclose(self, other, rtol, atol, equal_nan)).item().to_bool();
}

// ---- norms and variances by their older signatures

namespace {
Scalar order(const std::optional<Scalar>& p) { return p.value_or(Scalar(2.0)); }
}  // namespace

Tensor norm_scalar(const Tensor& self, const Scalar& p) {
  return entry::linalg_vector_norm(self, p, std::nullopt, false, std::nullopt);
}
Tensor norm_dim(const Tensor& self, std::optional<Scalar> p, IntSpan dim, bool keepdim) {
  return entry::linalg_vector_norm(self, order(p), dim, keepdim, std::nullopt);
}
Tensor norm_dim_dtype(const Tensor& self, std::optional<Scalar> p, IntSpan dim, bool keepdim,
                      DType dtype) {
  return entry::linalg_vector_norm(self, order(p), dim, keepdim, dtype);
}
Tensor norm_dtype(const Tensor& self, std::optional<Scalar> p, DType dtype) {
  return entry::linalg_vector_norm(self, order(p), std::nullopt, false, dtype);
}

namespace {
Scalar correction(bool unbiased) { return Scalar(int64_t{unbiased ? 1 : 0}); }
}  // namespace

Tensor var_unbiased(const Tensor& self, bool unbiased) {
  return entry::var_correction(self, std::nullopt, correction(unbiased), false);
}
Tensor var_unbiased_dim(const Tensor& self, std::optional<IntSpan> dim, bool unbiased,
                        bool keepdim) {
  return entry::var_correction(self, dim, correction(unbiased), keepdim);
}
Tensor std_unbiased(const Tensor& self, bool unbiased) {
  return entry::std_correction(self, std::nullopt, correction(unbiased), false);
}
Tensor std_unbiased_dim(const Tensor& self, std::optional<IntSpan> dim, bool unbiased,
                        bool keepdim) {
  return entry::std_correction(self, dim, correction(unbiased), keepdim);
}
std::tuple<Tensor, Tensor> var_mean_unbiased(const Tensor& self, bool unbiased) {
  return entry::var_mean_correction(self, std::nullopt, correction(unbiased), false);
}
std::tuple<Tensor, Tensor> var_mean_unbiased_dim(const Tensor& self, std::optional<IntSpan> dim,
                                                 bool unbiased, bool keepdim) {
  return entry::var_mean_correction(self, dim, correction(unbiased), keepdim);
}

}  // namespace flambeau::inline v1::native
