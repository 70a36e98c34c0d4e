// Elementary functions of complex numbers. Special values are C99's (annex G); complex<float> goes
// through double. Each part is within a few ulp of the modulus of the result; exp, exp2, log,
// sqrt, sinh, cosh, sin and cos keep to 4 ulp in each part.
#pragma once

#include "kernels/math/complex.h"
#include "kernels/math/hyperbolic.h"
#include "kernels/math/trig.h"

namespace flambeau::inline v1::math {

using complex64 = complex<float>;
using complex128 = complex<double>;

FLAMBEAU_LEAF complex128 times_i(complex128 z) { return {-z.im, z.re}; }
FLAMBEAU_LEAF complex128 times_minus_i(complex128 z) { return {z.im, -z.re}; }

// sin and cos of one argument, from one reduction to |r| <= pi/4.
struct sin_cos_pair {
  double sin, cos;
};
FLAMBEAU_LEAF_CALL sin_cos_pair sin_cos(double x) {
  constexpr double half_pi_hi = 0x1.921fb54442d18p0, half_pi_lo = 0x1.1a62633145c07p-54;
  // One number is a call of its own here, and a branch is worth it. What is not finite is not near.
  pi_reduced a;
  if (is_near_pi(x))
    a = pi_reduce_near<tan_poles>(x);
  else
    a = pi_reduce_far<tan_poles>(x);
  pair<double> rest = two_sum(half_pi_hi, -abs(a.r));
  double s = sin_of({a.r, a.r_lo, 0}, x);
  double c = sin_of({rest.hi, rest.lo + half_pi_lo - copysign(1.0, a.r) * a.r_lo, 0}, x);
  bool swapped = (a.n & 1) != 0;
  double sine = flip_if_odd(swapped ? c : s, a.n >> 1);
  return {abs(x) < 0x1p-30 ? x : sine, flip_if_odd(swapped ? s : c, (a.n + 1) >> 1)};
}

FLAMBEAU_LEAF_CALL complex128 exp_of_pairs(pair<double> x, pair<double> y) {
  double clamped = at_most(at_least(x.hi, -1400.0), 1400.0);
  exp_unscaled<double> e = exp_pair(clamped, clamped == x.hi ? x.lo : 0.0);
  sin_cos_pair turn = sin_cos(y.hi);
  double re = scale_by_bits(e.y.hi * fma_or_mul(-y.lo, turn.sin, turn.cos), e.n);
  double im = scale_by_bits(e.y.hi * fma_or_mul(y.lo, turn.cos, turn.sin), e.n);
  bool lost = (x.hi == -infinity<double>)&!isfinite(y.hi);
  re = (x.hi == infinity<double>)&!isfinite(y.hi) ? infinity<double> : re;
  return {lost ? 0.0 : re, lost ? 0.0 : (y.hi == 0.0 ? y.hi : im)};
}
FLAMBEAU_LEAF complex128 exp(complex128 z) { return exp_of_pairs({z.re, 0.0}, {z.im, 0.0}); }
FLAMBEAU_LEAF complex128 exp2(complex128 z) {
  constexpr double ln2_hi = 0x1.62e42fefa39efp-1, ln2_lo = 0x1.abc9e3b39803fp-56;
  pair<double> x = two_product(z.re, ln2_hi), y = two_product(z.im, ln2_hi);
  x.lo = fma_or_mul(z.re, ln2_lo, x.lo);
  y.lo = fma_or_mul(z.im, ln2_lo, y.lo);
  return exp_of_pairs(x, y);
}

// log|z|. Near |z| = 1 it is log1p(|z|^2 - 1) / 2, with |z|^2 - 1 summed from exact products.
FLAMBEAU_LEAF double log_abs(complex128 z) {
  double x = abs(z.re), y = abs(z.im);
  double m = maximum(x, y), n = minimum(x, y);
  bool near = (m > 0.5) & (m < 2.0);
  double u = near ? m : 1.0, v = near ? n : 0.0;
  pair<double> uu = two_product(u, u), vv = two_product(v, v);
  pair<double> s = two_sum(uu.hi - 1.0, vv.hi);
  double near_y = 0.5 * log1p(s.hi + (s.lo + (uu.lo + vv.lo)));

  bool large = m > 0x1p500, small = m < 0x1p-500;
  double scale = large ? 0x1p-600 : (small ? 0x1p600 : 1.0);
  double offset = large ? 0x1.9fe3682cd3be4p8 : (small ? -0x1.9fe3682cd3be4p8 : 0.0);  // 600 ln 2
  double far_y = log(hypot(z.re * scale, z.im * scale)) + offset;
  return near & !isnan(n) ? near_y : far_y;
}
FLAMBEAU_LEAF_CALL complex128 log(complex128 z) { return {log_abs(z), angle(z)}; }

FLAMBEAU_LEAF complex128 sqrt(complex128 z) {
  double m = maximum(abs(z.re), abs(z.im));
  bool large = m > 0x1p1000, small = m < 0x1p-900;
  double scale = large ? 0x1p-4 : (small ? 0x1p120 : 1.0);
  double back = large ? 0x1p2 : (small ? 0x1p-60 : 1.0);
  double x = abs(z.re) * scale, y = abs(z.im) * scale;
  double t = sqrt(0.5 * (x + hypot(x, y)));
  double u = t == 0.0 ? 0.0 : 0.5 * y / t;
  bool left = signbit(z.re);
  double re = (left ? u : t) * back, im = (left ? t : u) * back;
  re = isinf(z.im) ? infinity<double> : re;
  return {re, copysign(isinf(z.im) ? infinity<double> : im, z.im)};
}

// sinh(x) and cosh(x) over 2^n.
struct sinh_cosh_unscaled {
  double sinh, cosh;
  uint64 n;
};
FLAMBEAU_LEAF sinh_cosh_unscaled sinh_cosh(double x) {
  double a = at_most(abs(x), 1400.0), z = a * a;
  hyperbolic_parts<double> e = exp_and_inverse(a, 1400.0);
  double near = add_cube(a, sinh_near_zero(z)) * exp2_of_bits<double>(0 - (a < 1.0 ? e.n : 0));
  double sine = a < 1.0 ? near : e.y.hi - (e.inverse - e.y.lo);
  return {copysign(sine, x), e.y.hi + (e.inverse + e.y.lo), e.n};
}

FLAMBEAU_LEAF_CALL complex128 sinh(complex128 z) {
  sinh_cosh_unscaled h = sinh_cosh(z.re);
  sin_cos_pair turn = sin_cos(z.im);
  double re = scale_by_bits(h.sinh * turn.cos, h.n), im = scale_by_bits(h.cosh * turn.sin, h.n);
  re = isinf(z.re) & !isfinite(z.im) ? z.re : re;
  return {z.re == 0.0 ? z.re : re, z.im == 0.0 ? z.im : im};
}
FLAMBEAU_LEAF_CALL complex128 cosh(complex128 z) {
  sinh_cosh_unscaled h = sinh_cosh(z.re);
  sin_cos_pair turn = sin_cos(z.im);
  double re = scale_by_bits(h.cosh * turn.cos, h.n), im = scale_by_bits(h.sinh * turn.sin, h.n);
  re = isinf(z.re) & !isfinite(z.im) ? infinity<double> : re;
  double zero = copysign(0.0, z.re) * copysign(1.0, z.im);
  return {re, (z.re == 0.0) | (z.im == 0.0) ? zero : im};
}
FLAMBEAU_LEAF complex128 sin(complex128 z) { return times_minus_i(sinh(times_i(z))); }
FLAMBEAU_LEAF complex128 cos(complex128 z) { return cosh(times_i(z)); }

// With t = tan(y) and s = sinh(x): (b r s + i t) / (1 + b s^2), b = 1 + t^2, r = cosh(x).
FLAMBEAU_LEAF_CALL complex128 tanh(complex128 z) {
  double a = abs(z.re);
  bool far = a > 20.0;
  double t = tan(z.im), b = 1.0 + t * t, s = sinh(at_most(a, 20.0)), r = sqrt(1.0 + s * s);
  double den = 1.0 + b * s * s;
  double re = far ? 1.0 : b * r * s / den;
  double im = far ? 4.0 * (t / b) * exp(-2.0 * a) : t / den;  // t / b is sin cos
  im = isinf(z.re) ? copysign(0.0, isfinite(t) ? t : z.im) : im;
  return {z.re == 0.0 ? z.re : copysign(re, z.re), z.im == 0.0 ? z.im : im};
}
FLAMBEAU_LEAF complex128 tan(complex128 z) { return times_minus_i(tanh(times_i(z))); }

// Kahan's formulas for the inverses, from sqrt(1 - z) and sqrt(1 + z).
struct unit_roots {
  complex128 minus, plus;
};
FLAMBEAU_LEAF unit_roots sqrt_around_one(complex128 z) {
  return {sqrt(complex128{1.0 - z.re, -z.im}), sqrt(complex128{1.0 + z.re, z.im})};
}
// The angle between an infinite z and the positive real axis, folded to y >= 0; NaN if a part is.
FLAMBEAU_LEAF double folded_angle(double x, double y) { return atan2(abs(y), x); }

FLAMBEAU_LEAF_CALL complex128 asin(complex128 z) {
  unit_roots r = sqrt_around_one(z);
  double im = asinh(r.minus.re * r.plus.im - r.minus.im * r.plus.re);
  double re = atan2(z.re, r.minus.re * r.plus.re - r.minus.im * r.plus.im);
  re = isinf(z) ? copysign(atan2(abs(z.re), abs(z.im)), z.re) : re;
  im = isinf(z) ? copysign(infinity<double>, z.im) : im;
  return {z.re == 0.0 ? z.re : re, im};
}
FLAMBEAU_LEAF_CALL complex128 acos(complex128 z) {
  unit_roots r = sqrt_around_one(z);
  double im = asinh(r.plus.re * r.minus.im - r.plus.im * r.minus.re);
  double re = 2.0 * atan2(r.minus.re, r.plus.re);
  re = isinf(z) ? folded_angle(z.re, z.im) : re;
  im = isinf(z) ? -copysign(infinity<double>, z.im) : im;
  return {(z.re == 0.0) & isnan(z.im) ? 0x1.921fb54442d18p0 : re, im};
}
FLAMBEAU_LEAF complex128 asinh(complex128 z) { return times_minus_i(asin(times_i(z))); }
FLAMBEAU_LEAF_CALL complex128 acosh(complex128 z) {
  complex128 minus = sqrt(complex128{z.re - 1.0, z.im}), plus = sqrt(complex128{z.re + 1.0, z.im});
  double re = asinh(minus.re * plus.re + minus.im * plus.im);
  double im = 2.0 * atan2(minus.im, plus.re);
  re = isinf(z) ? infinity<double> : re;
  im = isinf(z) ? copysign(folded_angle(z.re, z.im), z.im) : im;
  return {re, (z.re == 0.0) & isnan(z.im) ? 0x1.921fb54442d18p0 : im};
}
FLAMBEAU_LEAF_CALL complex128 atanh(complex128 z) {
  double x = abs(z.re), y = abs(z.im);
  bool huge = (x > 0x1p500) | (y > 0x1p500);
  double d = 1.0 - x;
  double re = 0.25 * log1p(4.0 * x / (d * d + y * y));
  double im = 0.5 * atan2(2.0 * y, d * (1.0 + x) - y * y);
  re = huge ? reciprocal(complex128{x, y}).re : re;
  re = isinf(z) | (x == 0.0) ? 0.0 : re;
  im = huge & !isnan(y) ? 0x1.921fb54442d18p0 : im;
  return {copysign(re, z.re), copysign(im, z.im)};
}
FLAMBEAU_LEAF complex128 atan(complex128 z) { return times_minus_i(atanh(times_i(z))); }

FLAMBEAU_LEAF complex128 log2(complex128 z) { return 0x1.71547652b82fep+0 * log(z); }
FLAMBEAU_LEAF complex128 log10(complex128 z) { return 0x1.bcb7b1526e50ep-2 * log(z); }
FLAMBEAU_LEAF_CALL complex128 expm1(complex128 z) {
  double half = sin(0.5 * z.im);
  double re = expm1(z.re) * cos(z.im) - 2.0 * half * half;
  return {z.im == 0.0 ? expm1(z.re) : re, exp(z).im};
}
FLAMBEAU_LEAF_CALL complex128 log1p(complex128 z) {
  bool small = (abs(z.re) < 0.5) & (abs(z.im) < 0.5);
  double x = small ? z.re : 0.0, y = small ? z.im : 0.0;
  complex128 far = log(complex128{1.0 + z.re, z.im});
  return {small ? 0.5 * log1p(fma_or_mul(x, x, y * y) + 2.0 * x) : far.re, far.im};
}
FLAMBEAU_LEAF complex128 rsqrt(complex128 z) { return reciprocal(sqrt(z)); }
FLAMBEAU_LEAF_CALL complex128 sigmoid(complex128 z) {
  bool left = z.re < 0.0;
  complex128 e = exp(left ? z : -z), one = {1.0, 0.0};
  return (left ? e : one) / (one + e);
}

// exp(w log(z)); the relative error grows with |w log(z)|.
FLAMBEAU_LEAF_CALL complex128 pow(complex128 z, complex128 w) {
  complex128 y = exp(w * log(z));
  bool zero = (z.re == 0.0) & (z.im == 0.0);
  double at_zero = w.re > 0.0 ? 0.0 : nan<double>;
  bool one = (w.re == 0.0) & (w.im == 0.0);
  complex128 edge = {one ? 1.0 : at_zero, one ? 0.0 : at_zero};
  return {zero | one ? edge.re : y.re, zero | one ? edge.im : y.im};
}

FLAMBEAU_LEAF complex128 widen(complex64 z) { return {double(z.re), double(z.im)}; }
FLAMBEAU_LEAF complex64 narrow(complex128 z) { return {float(z.re), float(z.im)}; }
#define FLAMBEAU_THROUGH_DOUBLE(name) \
  FLAMBEAU_LEAF complex64 name(complex64 z) { return narrow(name(widen(z))); }
FLAMBEAU_THROUGH_DOUBLE(exp)
FLAMBEAU_THROUGH_DOUBLE(exp2)
FLAMBEAU_THROUGH_DOUBLE(expm1)
FLAMBEAU_THROUGH_DOUBLE(log)
FLAMBEAU_THROUGH_DOUBLE(log2)
FLAMBEAU_THROUGH_DOUBLE(log10)
FLAMBEAU_THROUGH_DOUBLE(log1p)
FLAMBEAU_THROUGH_DOUBLE(sqrt)
FLAMBEAU_THROUGH_DOUBLE(rsqrt)
FLAMBEAU_THROUGH_DOUBLE(sigmoid)
FLAMBEAU_THROUGH_DOUBLE(sin)
FLAMBEAU_THROUGH_DOUBLE(cos)
FLAMBEAU_THROUGH_DOUBLE(tan)
FLAMBEAU_THROUGH_DOUBLE(sinh)
FLAMBEAU_THROUGH_DOUBLE(cosh)
FLAMBEAU_THROUGH_DOUBLE(tanh)
FLAMBEAU_THROUGH_DOUBLE(asin)
FLAMBEAU_THROUGH_DOUBLE(acos)
FLAMBEAU_THROUGH_DOUBLE(atan)
FLAMBEAU_THROUGH_DOUBLE(asinh)
FLAMBEAU_THROUGH_DOUBLE(acosh)
FLAMBEAU_THROUGH_DOUBLE(atanh)
#undef FLAMBEAU_THROUGH_DOUBLE
FLAMBEAU_LEAF complex64 pow(complex64 z, complex64 w) { return narrow(pow(widen(z), widen(w))); }

}  // namespace flambeau::inline v1::math
