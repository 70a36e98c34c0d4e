// pow for floating-point arguments.
#pragma once

#include "kernels/math/log.h"

namespace flambeau::inline v1::math {

// |x|^y for finite x != 0, rounded but for the last scaling.
FLAMBEAU_LEAF float pow_magnitude(float a, float y) {  // through double
  log_reduced<double> r = log_reduce(double(a));
  double s = r.f / (2.0 + r.f), z = s * s;
  double p = poly(z, 0x1.555555561e33bp-1, 0x1.999996a97f337p-2, 0x1.249411d4adb11p-2,
                  0x1.c62b1e0fa175cp-3, 0x1.9114f82dd9497p-3);
  double log = fma_or_mul(r.k, 0x1.62e42fefa39efp-1, s * fma_or_mul(z, p, 2.0));
  double e = at_most(at_least(double(y) * log, -700.0), 700.0);
  return float(exp_short(e));
}
FLAMBEAU_LEAF double pow_magnitude(double a, double y) {
  y = at_most(at_least(y, -0x1p99), 0x1p99);  // as good as infinite, and two_product can split it
  pair<double> log = log_pair(a);
  pair<double> e = two_product(y, log.hi);
  double e_lo = fma_or_mul(y, log.lo, e.lo);
  double clamped = at_most(at_least(e.hi, -746.0), 710.0);
  exp_unscaled<double> power = exp_pair(clamped, clamped == e.hi ? e_lo : 0.0);
  return scale_by_bits(power.y.hi, power.n);
}

// Within 1 ulp. Special cases are C99's: 1 if x == 1 or y == 0, NaN or not.
template <class T>
FLAMBEAU_LEAF T pow(T x, T y) {
  T a = abs(x);
  bool shrinks = (a < T(1)) == (y > T(0));
  T r = pow_magnitude(a, y);
  r = isinf(a) | isinf(y) | (a == T(0)) ? (shrinks ? T(0) : infinity<T>) : r;
  r = isnan(x) | isnan(y) ? x + y : r;
  T half = T(0.5) * y;
  bool integral = trunc(y) == y;
  bool odd = integral & (trunc(half) != half);
  r = (x < T(0)) & !integral & (a < infinity<T>) ? nan<T> : r;
  r = odd ? copysign(r, x) : r;
  return (x == T(1)) | (y == T(0)) | ((x == T(-1)) & isinf(y)) ? T(1) : r;
}

}  // namespace flambeau::inline v1::math
