// tanh, sigmoid, sinh, cosh and the inverses asinh, acosh, atanh.
#pragma once

#include "kernels/math/exp.h"
#include "kernels/math/log.h"

namespace flambeau::inline v1::math {

// (tanh(x) / x - 1) / x^2 at z = x^2, |x| <= 1 or 0.6; the error in tanh is 2^-31 and 2^-57.
FLAMBEAU_LEAF float tanh_near_zero(float z) {
  return poly(z, -0x1.555552p-2, 0x1.11103cp-3, -0x1.b9f6dep-5, 0x1.64c0a4p-6, -0x1.18de98p-7,
              0x1.8f9f52p-9, -0x1.aee922p-11, 0x1.e86d62p-14);
}
FLAMBEAU_LEAF double tanh_near_zero(double z) {
  return poly(z, -0x1.555555555553p-2, 0x1.111111110e1d3p-3, -0x1.ba1ba1b781f5cp-5,
              0x1.664f47f04afb6p-6, -0x1.226e2297b9fe3p-7, 0x1.d6d0c6ba897adp-9,
              -0x1.7d79df518d2a1p-10, 0x1.33db3c5c1c06p-11, -0x1.e32e784a553c5p-13,
              0x1.4cad3b3402144p-14, -0x1.203afc4ac7942p-16);
}

// Within 1 ulp in float, 1.5 in double: 1 - 2 / (exp(2 |x|) + 1) beyond the polynomial.
template <class T>
FLAMBEAU_LEAF T tanh(T x) {
  constexpr T near_to = sizeof(T) == 4 ? T(0.95) : T(0.6);
  constexpr T one_from = sizeof(T) == 4 ? T(10) : T(20);
  T a = at_most(abs(x), one_from);
  exp_reduced<T> e = exp_reduce(a + a);
  T scale = exp2_of_bits<T>(e.n.bits);
  T tail = fma_or_mul(e.r * e.r, exp_tail(e.r), e.r);
  T far = T(1) - T(2) / fma_or_mul(scale, tail, scale + T(1));
  T z = a * a;
  T near = add_cube(a, tanh_near_zero(z));
  return copysign(a < near_to ? near : far, x);
}

// exp(r) - 1 for |r| <= ln2 / 2, to 2^-28 and 2^-61; in float with a short chain of operations.
FLAMBEAU_LEAF float exp_minus_one(float r) {
  float square = r * r, head = fma_or_mul(r, 0x1.555492p-3f, 0.5f);
  float p = fma_or_mul(square, 0x1.6d7a58p-10f, fma_or_mul(r, 0x1.12398ep-7f, 0x1.5554cp-5f));
  return fma_or_mul(square, fma_or_mul(square, p, head), r);
}
FLAMBEAU_LEAF double exp_minus_one(double r) { return fma_or_mul(r * r, exp_tail(r), r); }

// Within 1 ulp. With exp(|x|) = 2^n (1 + t) the smaller side, sigmoid(-|x|), is 2^-n / d for
// d = 1 + t + 2^-n; the quotient is corrected for the rounding of d and its own. 2^-n may not be
// normal: then it does not count in d, and is two factors elsewhere.
template <class T>
FLAMBEAU_LEAF T sigmoid(T x) {
  constexpr T zero_from = sizeof(T) == 4 ? T(104) : T(746);
  constexpr int shift = sizeof(T) == 4 ? 32 : 64;
  constexpr T unit = sizeof(T) == 4 ? T(0x1p-32) : T(0x1p-64);
  exp_reduced<T> e = exp_reduce(at_most(abs(x), zero_from));
  T t = exp_minus_one(e.r);
  pair<T> a = fast_two_sum(T(1), inverse_power<T>(e.n.bits)), d = fast_two_sum(a.hi, t);
  T inverse = T(1) / d.hi;
  d.lo += a.lo;
#if FLAMBEAU_LEAF_HAS_FMA
  T error = fma_or_mul(-inverse, d.lo, fma_or_mul(-inverse, d.hi, T(1)));
#else
  pair<T> one = two_product(inverse, d.hi);
  T error = ((T(1) - one.hi) - one.lo) - inverse * d.lo;
#endif
  T scale = exp2_of_bits<T>(bits_t<T>(shift) - e.n.bits);
  T small = fma_or_mul(inverse, error, inverse) * scale * unit;
  return x < T(0) ? small : T(1) - small;
}

// The two sides of a sigmoid, s(a) and s(-a) for a >= 0, within 3 ulp: with exp(-a) = 2^-n p they
// are 1 / (1 + exp(-a)) and `lifted` times that and a power of 2, where it may not be normal
// before.
template <class T>
struct sigmoid_sides {
  T a, den, lifted;
};
template <class T>
static constexpr T unlifted = sizeof(T) == 4 ? T(0x1p-64) : T(0x1p-128);
template <class T>
FLAMBEAU_LEAF sigmoid_sides<T> sigmoid_parts(T x) {
  constexpr T zero_from = sizeof(T) == 4 ? T(112) : T(754);
  constexpr bits_t<T> shift = sizeof(T) == 4 ? 64 : 128;
  T a = at_most(abs(x), zero_from);
  exp_reduced<T> e = exp_reduce(-a);
  T p = T(1) + exp_minus_one(e.r);
  bits_t<T> n = 0 - e.n.bits;
  T lifted = from_bits(bits_of(p) + (bits_t<T>(shift - n) << ieee<T>::mantissa));
  return {a, fma_or_mul(p, inverse_power<T>(n), T(1)), lifted};
}

// x sigmoid(x), within 3 ulp.
template <class T>
FLAMBEAU_LEAF T silu(T x) {
  sigmoid_sides<T> s = sigmoid_parts(x);
  T q = (x < T(0) ? s.a : x) / s.den;
  return x < T(0) ? q * s.lifted * -unlifted<T> : q;
}
// Its derivative, s(x) (1 + x s(-x)).
template <class T>
FLAMBEAU_LEAF T silu_slope(T x) {
  sigmoid_sides<T> s = sigmoid_parts(x);
  T large = T(1) / s.den, small = large * s.lifted * unlifted<T>;
  T share = x < T(0) ? small : large, other = x < T(0) ? large : small;
  return fma_or_mul(share * copysign(s.a, x), other, share);
}

// (sinh(x) / x - 1) / x^2 at z = x^2 <= 1; the error in sinh is 2^-31 and 2^-61 of it.
FLAMBEAU_LEAF float sinh_near_zero(float z) {
  return poly(z, 0x1.555556p-3, 0x1.1110ep-7, 0x1.a022bcp-13, 0x1.756c1ep-19);
}
FLAMBEAU_LEAF double sinh_near_zero(double z) {
  return poly(z, 0x1.5555555555556p-3, 0x1.111111111101ep-7, 0x1.a01a01a03726bp-13,
              0x1.71de3a3b066ep-19, 0x1.ae646ff58c973p-26, 0x1.6116f44b39578p-33,
              0x1.b5c8bea44847ap-41);
}

template <class T>
static constexpr T sinh_infinite_from = sizeof(T) == 4 ? T(90) : T(712);

// With exp(|x|) = 2^n y they are 2^(n-1) (y -+ 2^-2n / y).
template <class T>
struct hyperbolic_parts {
  pair<T> y;
  T inverse;  // 2^-2n / y
  bits_t<T> n;
};
template <class T>
FLAMBEAU_LEAF hyperbolic_parts<T> exp_and_inverse(T a, T infinite_from) {
  exp_unscaled<T> e = exp_pair(at_most(a, infinite_from), T(0));
  T n = to_nearest(from_bits(e.n)).value;
  bits_t<T> small_n = bits_of(at_most(n, T(60)) + ieee<T>::magic);
  return {e.y, exp2_of_bits<T>(0 - (small_n + small_n)) / e.y.hi, e.n - 1};
}

// Within 1 ulp in float, 1.5 in double.
template <class T>
FLAMBEAU_LEAF T sinh(T x) {
  T a = abs(x), z = a * a;
  hyperbolic_parts<T> e = exp_and_inverse(a, sinh_infinite_from<T>);
  T far = scale_by_bits(e.y.hi - (e.inverse - e.y.lo), e.n);
  T near = add_cube(a, sinh_near_zero(z));
  return copysign(a < T(1) ? near : far, x);
}
template <class T>
FLAMBEAU_LEAF T cosh(T x) {
  hyperbolic_parts<T> e = exp_and_inverse(abs(x), sinh_infinite_from<T>);
  return scale_by_bits(e.y.hi + (e.inverse + e.y.lo), e.n);
}

// Each is the log1p of something that is small where the result is. Within 1 ulp in float (through
// double), 2 in double.
FLAMBEAU_LEAF double asinh(double x) {
  double a = abs(x), square = a * a;
  bool big = a > 0x1p60;
  pair<double> w = fast_two_sum(a, square / (1.0 + sqrt(1.0 + square)));
  double y = log1p_pair(big ? a : w.hi, big ? 0.0 : w.lo);
  return copysign(big ? y + 0x1.62e42fefa39efp-1 : y, x);
}
FLAMBEAU_LEAF double acosh(double x) {
  double t = x - 1.0;
  bool big = x > 0x1p60;
  pair<double> w = two_sum(t, sqrt(fma_or_mul(t, t, t + t)));
  double y = log1p_pair(big ? x : w.hi, big ? 0.0 : w.lo);
  y = big ? y + 0x1.62e42fefa39efp-1 : y;
  return x < 1.0 ? nan<double> : y;
}
// Here of 2 a / (1 - a), which below 1/2 is more exact as 2 a + 2 a^2 / (1 - a).
FLAMBEAU_LEAF double atanh(double x) {
  double a = abs(x), twice = a + a;
  bool small = a < 0.5;
  double quotient = (small ? twice * a : twice) / (1.0 - a);
  pair<double> w = fast_two_sum(twice, quotient);
  return copysign(0.5 * log1p_pair(small ? w.hi : quotient, small ? w.lo : 0.0), x);
}
FLAMBEAU_LEAF float asinh(float x) { return float(asinh(double(x))); }
FLAMBEAU_LEAF float acosh(float x) { return float(acosh(double(x))); }
FLAMBEAU_LEAF float atanh(float x) { return float(atanh(double(x))); }

}  // namespace flambeau::inline v1::math
