// Gradients of reductions and scans.

#include <cmath>

#include "core/autograd/formulas.h"
#include "flambeau/ops/_cumprod_grad.h"
#include "flambeau/ops/_prod_others.h"
#include "flambeau/ops/abs.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/cat.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/cumprod.h"
#include "flambeau/ops/cumsum.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/exp.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/flip.h"
#include "flambeau/ops/full_like.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/mean.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/new_ones.h"
#include "flambeau/ops/pow.h"
#include "flambeau/ops/prod.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/sgn.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/stack.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/transpose.h"
#include "flambeau/ops/unsqueeze.h"

namespace flambeau::inline v1::formula {
namespace {

Tensor mul(const Tensor& a, const Tensor& b) { return entry::mul_Tensor(a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return entry::div_Tensor(a, b); }
Tensor add(const Tensor& a, const Tensor& b) { return entry::add_Tensor(a, b, Scalar(int64_t{1})); }
Tensor sub(const Tensor& a, const Tensor& b) { return entry::sub_Tensor(a, b, Scalar(int64_t{1})); }

// Bit d: dimension d is reduced. None named: all.
uint64_t mask_of(OptionalDims dim, int64_t ndim) {
  if (!dim || dim->empty()) return ~uint64_t{0};
  uint64_t mask = 0;
  for (const int64_t d : *dim) mask |= uint64_t{1} << wrap_dim(d, ndim, "backward");
  return mask;
}

// A reduced tensor with its lost dimensions put back as size 1.
Tensor restore(const Tensor& t, IntSpan sizes, OptionalDims dim, bool keepdim) {
  // What is left after all dimensions broadcasts as it is.
  if (keepdim || sizes.empty() || !dim || dim->empty()) return t;
  const uint64_t mask = mask_of(dim, static_cast<int64_t>(sizes.size()));
  Tensor out = t;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (mask >> d & 1) out = entry::unsqueeze(out, static_cast<int64_t>(d));
  return out;
}

double reduced_count(IntSpan sizes, OptionalDims dim) {
  const uint64_t mask = mask_of(dim, static_cast<int64_t>(sizes.size()));
  double n = 1;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (mask >> d & 1) n *= static_cast<double>(sizes[d]);
  return n;
}

double correction_of(const std::optional<Scalar>& c) { return c ? c->to_double() : 1.0; }

// Products of all elements but each one, along the last dimension. Where they are differentiated
// again: what stands before times what stands behind.
Tensor products_of_others(const Tensor& t, bool again) {
  const int64_t last = t.dim() - 1, n = t.sizes()[last];
  if (!again) return entry::_prod_others(t, last);
  Dims edge(t.sizes());
  edge[last] = 1;
  const Tensor one = entry::new_ones(t, edge, {}, {}, {}, {});
  const int64_t flip[] = {last};
  const auto exclusive = [&](const Tensor& x) {
    const Tensor parts[] = {one, entry::slice_Tensor(x, last, 0, n - 1, 1)};
    return entry::cumprod(entry::cat(TensorSpan(parts), last), last, {});
  };
  const Tensor before = exclusive(t);
  const Tensor behind = entry::flip(exclusive(entry::flip(t, flip)), flip);
  return mul(before, behind);
}

// From the mean; once more from the mean of the distances, since a large mean is rounded by as much
// as small distances are.
Tensor distances(const Tensor& self, OptionalDims dim) {
  const auto mean = [&](const Tensor& t) {
    return dim && !dim->empty() ? entry::mean_dim(t, dim, true, {}) : entry::mean(t, {});
  };
  const Tensor rough = sub(self, mean(self));
  // A dispatch mode sees the ops that it knows.
  return active_keys(kPythonDispatch, self) ? rough : sub(rough, mean(rough));
}

}  // namespace

Tensor expand_reduced(const Tensor& g, IntSpan sizes, OptionalDims dim, bool keepdim) {
  return entry::expand(restore(g, sizes, dim, keepdim), sizes, false);
}

Tensor mean_backward(const Tensor& g, IntSpan sizes) {
  return entry::div_Scalar(entry::expand(g, sizes, false), Scalar(count(sizes)));
}

Tensor mean_dim_backward(const Tensor& g, IntSpan sizes, OptionalDims dim, bool keepdim) {
  return entry::div_Scalar(expand_reduced(g, sizes, dim, keepdim),
                           Scalar(reduced_count(sizes, dim)));
}

Tensor prod_backward(const Tensor& g, const Tensor& self, const Tensor&) {
  if (self.dim() == 0) return entry::clone(g, {});
  if (self.numel() == 0) return zeros_like(self);
  const int64_t flat[] = {-1};
  const Tensor line = entry::reshape(self, flat);
  const Tensor others =
      entry::reshape(products_of_others(line, wants_ops({&g, &self}, kRegistered)), self.sizes());
  return mul(g, conj_if_complex(others));
}

Tensor prod_dim_backward(const Tensor& g, const Tensor& self, const Tensor&, int64_t dim,
                         bool keepdim) {
  if (self.dim() == 0) return entry::clone(g, {});
  if (self.numel() == 0) return zeros_like(self);
  const int64_t d = wrap_dim(dim, self.dim(), "prod_backward");
  const Tensor moved = entry::transpose_int(self, d, -1);
  const Tensor others =
      entry::transpose_int(products_of_others(moved, wants_ops({&g, &self}, kRegistered)), d, -1);
  const int64_t dims[] = {d};
  return mul(restore(g, self.sizes(), IntSpan(dims), keepdim), conj_if_complex(others));
}

Tensor var_backward(const Tensor& g, const Tensor& self, OptionalDims dim,
                    const std::optional<Scalar>& correction, bool keepdim) {
  const double n = reduced_count(self.sizes(), dim), rest = n - correction_of(correction);
  const Tensor wide = restore(g, self.sizes(), dim, keepdim);
  if (rest <= 0) {
    // The variance is infinite or NaN; so is its slope.
    const double slope = rest == 0 && n > 0 ? __builtin_nan("") : __builtin_inf();
    return mul(wide, entry::full_like(self, Scalar(slope), {}, {}, {}, {}, {}));
  }
  return mul(entry::mul_Scalar(wide, Scalar(2.0 / rest)), distances(self, dim));
}

Tensor std_backward(const Tensor& g, const Tensor& self, const Tensor& result, OptionalDims dim,
                    const std::optional<Scalar>& correction, bool keepdim) {
  const double rest = reduced_count(self.sizes(), dim) - correction_of(correction);
  const Tensor zero = entry::eq_Scalar(result, Scalar(int64_t{0}));
  if (rest <= 0) {
    const Tensor scaled = div(g, entry::mul_Scalar(result, Scalar(2.0)));
    return var_backward(entry::masked_fill_Scalar(scaled, zero, Scalar(0.0)), self, dim, correction,
                        keepdim);
  }
  // Distances in units of the deviation are about 1, whatever that is.
  const Tensor safe = entry::masked_fill_Scalar(result, zero, Scalar(1.0));
  const Tensor shares = div(distances(self, dim), restore(safe, self.sizes(), dim, keepdim));
  const Tensor wide = entry::masked_fill_Scalar(g, zero, Scalar(0.0));
  return mul(entry::div_Scalar(restore(wide, self.sizes(), dim, keepdim), Scalar(rest)), shares);
}

Tensor var_mean_backward(TensorSpan grads, const Tensor& self, OptionalDims dim,
                         const std::optional<Scalar>& correction, bool keepdim) {
  Tensor total;
  if (grads[0].defined()) total = var_backward(grads[0], self, dim, correction, keepdim);
  if (grads[1].defined()) {
    const Tensor through_mean = mean_dim_backward(grads[1], self.sizes(), dim, keepdim);
    total = total.defined() ? add(total, through_mean) : through_mean;
  }
  if (self.is_complex() && total.defined() && !total.is_complex())
    total = entry::to_dtype(total, self.dtype(), false, false, {});
  return total;
}

Tensor logsumexp_backward(const Tensor& g, const Tensor& self, const Tensor& result, IntSpan dim,
                          bool keepdim) {
  const Tensor wide = restore(g, self.sizes(), dim, keepdim);
  const Tensor sum = restore(result, self.sizes(), dim, keepdim);
  return mul(wide, conj_if_complex(entry::exp(sub(self, sum))));
}

Tensor norm_backward(const Tensor& g, const Tensor& self, const Tensor& result, const Scalar& ord,
                     OptionalDims dim, bool keepdim) {
  const double p = ord.to_double();
  const Tensor wide = restore(g, self.sizes(), dim, keepdim);
  const Tensor norm = restore(result, self.sizes(), dim, keepdim);
  if (p == 0) return zeros_like(self);
  if (p == 1) return mul(wide, entry::sgn(self));
  const Tensor zero = entry::eq_Scalar(norm, Scalar(int64_t{0}));
  // Powers above 1 are taken of shares of the norm: they do not overflow.
  const Tensor safe = entry::masked_fill_Scalar(norm, zero, Scalar(1.0));
  if (p == 2) return entry::masked_fill_Scalar(mul(wide, div(self, safe)), zero, Scalar(0.0));
  const Tensor size = entry::abs(self);
  if (std::isinf(p)) {
    const Tensor at = entry::eq_Tensor(size, norm);
    const Tensor ties = entry::sum_dim_IntList(at, dim, true, std::optional<DType>(norm.dtype()));
    return mul(mul(entry::sgn(self), at), div(wide, ties));
  }
  const Tensor weight = entry::masked_fill_Scalar(wide, zero, Scalar(0.0));
  const auto power = [&](const Tensor& t) { return entry::pow_Tensor_Scalar(t, Scalar(p - 1)); };
  const Tensor none = entry::eq_Scalar(self, Scalar(int64_t{0}));
  if (p > 0 && p < 2) {
    const Tensor slope = mul(entry::sgn(self), power(size));
    return mul(entry::masked_fill_Scalar(slope, none, Scalar(0.0)), div(weight, power(safe)));
  }
  const Tensor share = div(size, safe);
  if (p < 0) {
    const Tensor slope = mul(entry::sgn(self), power(share));
    return mul(entry::masked_fill_Scalar(slope, none, Scalar(0.0)), weight);
  }
  return mul(mul(div(self, safe), entry::pow_Tensor_Scalar(share, Scalar(p - 2))), weight);
}

Tensor cumsum_backward(const Tensor& g, int64_t dim, DType dtype) {
  Tensor out = g;
  if (g.dim() > 0 && g.numel() > 0) {
    const int64_t dims[] = {dim};
    out = entry::flip(entry::cumsum(entry::flip(g, dims), dim, {}), dims);
  }
  return entry::to_dtype(out, dtype, false, false, {});
}

Tensor cumprod_backward(const Tensor& g, const Tensor& self, int64_t dim, const Tensor& result) {
  if (self.dim() == 0 || self.numel() <= 1) return g;
  if (!wants_ops({&g, &self}, kRegistered)) return entry::_cumprod_grad(g, self, dim);
  const int64_t d = wrap_dim(dim, self.dim(), "cumprod_backward"), n = self.sizes()[d];
  // Where an element is zero the quotient result / self has no meaning; the sum over the products
  // without it has, and is differentiable everywhere: for each k, the products of self[:j] with
  // element k replaced by one.
  (void)result;
  const Tensor moved = entry::transpose_int(self, d, -1), gm = entry::transpose_int(g, d, -1);
  TensorVec columns;
  const int64_t last = moved.dim() - 1;
  for (int64_t k = 0; k < n; ++k) {
    Dims edge(moved.sizes());
    edge[last] = 1;
    const Tensor one = entry::new_ones(moved, edge, {}, {}, {}, {});
    const Tensor parts[] = {one, entry::slice_Tensor(moved, last, k + 1, n, 1)};
    const Tensor behind = entry::cumprod(entry::cat(TensorSpan(parts), last), last, {});
    Tensor terms = mul(entry::slice_Tensor(gm, last, k, n, 1), conj_if_complex(behind));
    const int64_t dims[] = {last};
    Tensor total = entry::sum_dim_IntList(terms, IntSpan(dims), false, {});
    if (k > 0) {
      const Tensor before =
          entry::prod_dim_int(entry::slice_Tensor(moved, last, 0, k, 1), last, false, {});
      total = mul(total, conj_if_complex(before));
    }
    columns.push_back(total);
  }
  return entry::transpose_int(entry::stack(columns, last), d, -1);
}

Tensor spread_evenly(const Tensor& g, const Tensor& self, const Tensor& result, IntSpan dim,
                     bool keepdim) {
  const Tensor wide = restore(g, self.sizes(), dim, keepdim);
  const Tensor best = restore(result, self.sizes(), dim, keepdim);
  const Tensor at = entry::eq_Tensor(self, best);
  const Tensor ties = entry::sum_dim_IntList(at, OptionalDims(dim), true, {});
  return mul(div(wide, ties), at);
}

Tensor aminmax_backward(TensorSpan grads, const Tensor& self, const Tensor& min, const Tensor& max,
                        std::optional<int64_t> dim, bool keepdim) {
  const auto spread = [&](const Tensor& g, const Tensor& result) {
    if (!g.defined()) return g;
    return dim ? spread_evenly(g, self, result, IntSpan(&*dim, 1), keepdim)
               : spread_evenly_over(g, self, result);
  };
  const Tensor from_min = spread(grads[0], min), from_max = spread(grads[1], max);
  if (!from_min.defined() || !from_max.defined()) return from_min.defined() ? from_min : from_max;
  return add(from_min, from_max);
}

Tensor spread_evenly_over(const Tensor& g, const Tensor& self, const Tensor& result) {
  const Tensor at = entry::eq_Tensor(self, result);
  return mul(div(g, entry::sum(at, {})), at);
}

}  // namespace flambeau::inline v1::formula
