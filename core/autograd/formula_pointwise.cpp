// Gradients of elementwise ops whose form depends on a number.

#include <cmath>

#include "core/autograd/formulas.h"
#include "flambeau/ops/abs.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/ge.h"
#include "flambeau/ops/le.h"
#include "flambeau/ops/logical_and.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/pow.h"
#include "flambeau/ops/real.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/trunc.h"
#include "flambeau/ops/where.h"

namespace flambeau::inline v1::formula {

Tensor scaled(const Tensor& t, const Scalar& factor) {
  if (factor.equal(1)) return t;
  return entry::mul_Tensor(t, wrapped_number(conj_of(factor)));
}

Tensor trunc_divide(const Tensor& a, const Tensor& b) {
  return entry::trunc(entry::div_Tensor(a, b));
}

Tensor trigamma_backward(const Tensor&) {
  raise<NotImplementedError>("_trigamma: the second derivative of digamma is not implemented");
}

// Of self / abs(self): real input only jumps.
Tensor sgn_backward(const Tensor& g, const Tensor& self, const Tensor& result) {
  if (!self.is_complex()) return zeros_like(g);
  const Tensor size = entry::abs(self);
  const Tensor along =
      entry::mul_Tensor(entry::real(entry::mul_Tensor(g, entry::conj(result))), result);
  const Tensor across = entry::div_Tensor(entry::sub_Tensor(g, along, Scalar(int64_t{1})), size);
  return entry::masked_fill_Scalar(across, entry::eq_Scalar(size, Scalar(int64_t{0})), Scalar(0.0));
}

Tensor pow_backward(const Tensor& g, const Tensor& self, const Scalar& exponent) {
  if (exponent.equal(0)) return zeros_like(self);
  if (exponent.equal(1)) return g;
  const Scalar less = exponent.is_complex()        ? Scalar(exponent.to_complex() - 1.0)
                      : exponent.is_integral(true) ? Scalar(exponent.to_int() - 1)
                                                   : Scalar(exponent.to_double() - 1);
  const Tensor slope = entry::mul_Scalar(
      less.equal(1) && !wants_ops({&g, &self}) ? self : entry::pow_Tensor_Scalar(self, less),
      exponent);
  return grad_to(entry::mul_Tensor(g, conj_if_complex(slope)), self.sizes(), self.dtype());
}

Tensor pow_of_scalar_backward(const Tensor& g, const Scalar& self, const Tensor& exponent,
                              const Tensor& result) {
  if (self.equal(0)) {
    // 0 ** x has slope 0 where x > 0; 0 * log(0) is NaN at the other places, as it should be.
    const Tensor at = entry::ge_Scalar(exponent, Scalar(int64_t{0}));
    return entry::where_self(at, zeros_like(g), entry::mul_Scalar(g, Scalar(__builtin_nan(""))));
  }
  const Scalar log = self.is_complex() || self.to_double() < 0 ? Scalar(std::log(self.to_complex()))
                                                               : Scalar(std::log(self.to_double()));
  const bool real_log = !log.is_complex();
  const Tensor slope = real_log || result.is_complex()
                           ? entry::mul_Scalar(result, log)
                           : entry::mul_Scalar(result, Scalar(__builtin_nan("")));
  return grad_to(entry::mul_Tensor(g, conj_if_complex(slope)), exponent.sizes(), exponent.dtype());
}

Tensor clamp_backward(const Tensor& g, const Tensor& self, const std::optional<Scalar>& min,
                      const std::optional<Scalar>& max) {
  Tensor inside;
  if (min) inside = entry::ge_Scalar(self, *min);
  if (max) {
    const Tensor below = entry::le_Scalar(self, *max);
    inside = inside.defined() ? entry::logical_and(inside, below) : below;
  }
  return entry::where_self(inside, g, wrapped_number(Scalar(int64_t{0})));
}

}  // namespace flambeau::inline v1::formula
