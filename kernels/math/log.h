// log, log2, log10, log1p and the logarithms that other leaves are built from.
#pragma once

#include "kernels/math/exp.h"

namespace flambeau::inline v1::math {

// x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), for x > 0, subnormals included.
template <class T>
struct log_reduced {
  T k, f;
};
template <class T>
FLAMBEAU_LEAF log_reduced<T> log_reduce(T x) {
  constexpr int m = ieee<T>::mantissa;
  constexpr bits_t<T> low = sizeof(T) == 4 ? 0x3f3504f3u : bits_t<T>(0x3fe6a09e667f3bcdu);
  constexpr bits_t<T> lift = bits_t<T>(ieee<T>::bias) << m;  // keeps the shifted exponent positive
  bool small = x < ieee<T>::min_normal;
  bits_t<T> b = bits_of(small ? x * T(0x1p54) : x) - low + lift;
  bits_t<T> fraction = (b & ((bits_t<T>(1) << m) - 1)) + low;
  T offset = small ? T(-54 - ieee<T>::bias) : T(-ieee<T>::bias);
  return {number_of_bits<T>(b >> m) + offset, from_bits(fraction) - T(1)};
}

// What a logarithm of x gives where `y`, computed as for x > 0 and finite, does not hold.
template <class T>
FLAMBEAU_LEAF T log_edges(T x, T y) {
  y = x < infinity<T> ? y : x;  // infinity and NaN
  y = x > T(0) ? y : nan<T> + x;
  return x == T(0) ? -infinity<T> : y;
}

// log(1 + f) = f - (f^2 / 2 - log_tail(f)) for 1 + f in [sqrt(1/2), sqrt(2)], to 2^-27 and 2^-59.
FLAMBEAU_LEAF float log_tail(float f) {
  float p = poly(f, 0x1.555554p-2, -0x1.000226p-2, 0x1.99a01cp-3, -0x1.547288p-3, 0x1.22d924p-3,
                 -0x1.0d8254p-3, 0x1.055f5ap-3, -0x1.38cb4ap-4);
  return f * f * f * p;
}
FLAMBEAU_LEAF double log_tail(double f) {
  double s = f / (2.0 + f), z = s * s;  // log(1 + f) = 2 s + s^3 p(s^2), and 2 s = f - s f
  double p =
      poly(z, 0x1.5555555555592p-1, 0x1.999999997ff17p-2, 0x1.24924941e1705p-2,
           0x1.c71c5214444f9p-3, 0x1.74663cedba876p-3, 0x1.39a1e8fdb31eap-3, 0x1.2f03b5d7db30dp-3);
  return s * fma_or_mul(z, p, 0.5 * f * f);
}

// Within 1 ulp.
template <class T>
FLAMBEAU_LEAF T log(T x) {
  log_reduced<T> a = log_reduce(x);
  T tail = fma_or_mul(a.k, ln2<T>::lo, log_tail(a.f));
  T y = fma_or_mul(a.k, ln2<T>::hi, a.f - fma_or_mul(T(0.5) * a.f, a.f, -tail));
  return log_edges(x, y);
}

// log(x) to 2^-65 for x > 0 and finite: with s = f / (2 + f) and z = s^2 it is
// s (2 + 2/3 z + 2/5 z^2 + ...), in pairs as far down as that takes.
FLAMBEAU_LEAF pair<double> log_pair(double x) {
  log_reduced<double> a = log_reduce(x);
  pair<double> den = fast_two_sum(2.0, a.f);
  double inverse = 1.0 / den.hi;
  pair<double> s = {a.f * inverse, 0};
  pair<double> back = two_product(s.hi, den.hi);
  s.lo = (((a.f - back.hi) - back.lo) - s.hi * den.lo) * inverse;
  pair<double> z = two_product(s.hi, s.hi);
  z.lo = fma_or_mul(s.hi + s.hi, s.lo, z.lo);
  double q = poly(z.hi, 0x1.999999999999ap-2, 0x1.24924924926e9p-2, 0x1.c71c71c672542p-3,
                  0x1.745d17ccd8826p-3, 0x1.3b137ac5631e4p-3, 0x1.111d73724adadp-3,
                  0x1.deabe573d5676p-4, 0x1.e777ec5b5f8dcp-4);
  pair<double> c = fast_two_sum(0x1.5555555555555p-1, z.hi * q);
  c.lo += 0x1.5555555555555p-55;
  pair<double> p = two_product(z.hi, c.hi);
  p.lo += fma_or_mul(z.hi, c.lo, z.lo * c.hi);
  pair<double> m = fast_two_sum(2.0, p.hi);
  m.lo += p.lo;
  pair<double> y = two_product(s.hi, m.hi);
  y.lo += fma_or_mul(s.hi, m.lo, s.lo * m.hi);
  pair<double> sum = fast_two_sum(a.k * ln2<double>::hi, y.hi);
  return fast_two_sum(sum.hi, sum.lo + fma_or_mul(a.k, ln2<double>::lo, y.lo));
}

// 1 / ln(base) and log_base(2), each with a head of few enough bits for exact products.
template <class T>
struct base2;
template <>
struct base2<double> {
  static constexpr double inv_hi = 0x1.7154p0, inv_lo = 0x1.d94ae0bf85ddfp-18;
  static constexpr double unit_hi = 1, unit_lo = 0;
};
template <>
struct base2<float> {
  static constexpr float inv_hi = 0x1.714p+0f, inv_lo = 0x1.47652cp-12f, unit_hi = 1, unit_lo = 0;
};
template <class T>
struct base10;
template <>
struct base10<double> {
  static constexpr double inv_hi = 0x1.bcb7bp-2, inv_lo = 0x1.526e50e32a6abp-26;
  static constexpr double unit_hi = 0x1.34413508p-2, unit_lo = 0x1.f79fef311f12bp-34;
};
template <>
struct base10<float> {
  static constexpr float inv_hi = 0x1.bcap-2f, inv_lo = 0x1.7b1526p-14f, unit_hi = 0x1.344p-2f,
                         unit_lo = 0x1.3509f8p-18f;
};

template <class Base, class T>
FLAMBEAU_LEAF T log_in_base(T x) {
  constexpr bits_t<T> head = sizeof(T) == 4 ? 0xfffff000u : bits_t<T>(0xffffffff00000000u);
  log_reduced<T> a = log_reduce(x);
  T half_square = T(0.5) * a.f * a.f;
  T hi = from_bits(bits_of(a.f - half_square) & head);
  T lo = ((a.f - hi) - half_square) + log_tail(a.f);
  pair<T> y = fast_two_sum(a.k * Base::unit_hi, hi * Base::inv_hi);
  T rest = fma_or_mul(a.k, Base::unit_lo, (lo + hi) * Base::inv_lo);
  return log_edges(x, y.hi + (y.lo + fma_or_mul(lo, Base::inv_hi, rest)));
}

// Within 1 ulp.
template <class T>
FLAMBEAU_LEAF T log2(T x) {
  return log_in_base<base2<T>>(x);
}
template <class T>
FLAMBEAU_LEAF T log10(T x) {
  return log_in_base<base10<T>>(x);
}

// log(1 + x + x_lo) for |x_lo| <= ulp(x). Where k != 0 the logarithm is not small, so that a crude
// 1 / (1 + f) will do for what the sum 1 + x has lost.
template <class T>
FLAMBEAU_LEAF T log1p_pair(T x, T x_lo) {
  pair<T> u = two_sum(T(1), x);
  log_reduced<T> a = log_reduce(u.hi);
  bool small = a.k == T(0);
  T f = small ? x : a.f;
  T inverse_scale = exp2_of_bits<T>(0 - to_nearest(at_most(a.k, T(64)) + ieee<T>::magic).bits);
  T lost = (small ? x_lo : (u.lo + x_lo) * inverse_scale) * poly(f, 1, -1, 0.8125);
  T tail = fma_or_mul(a.k, ln2<T>::lo, log_tail(f) + lost);
  T y = fma_or_mul(a.k, ln2<T>::hi, f - fma_or_mul(T(0.5) * f, f, -tail));
  y = log_edges(u.hi, y);
  return abs(x) < T(0x1p-60) ? x : y;
}

// Within 1 ulp. The same for a single number: what 1 + x has lost is a second part of f, whatever
// k.
template <class T>
FLAMBEAU_LEAF T log1p(T x) {
  constexpr int m = ieee<T>::mantissa;
  constexpr bits_t<T> low = sizeof(T) == 4 ? 0x3f3504f3u : bits_t<T>(0x3fe6a09e667f3bcdu);
  constexpr bits_t<T> bias = ieee<T>::bias, fraction = (bits_t<T>(1) << m) - 1;
  T u = T(1) + x, lost = x - (u - T(1));
  bits_t<T> b = bits_of(u) - low + (bias << m);
  T f = from_bits((b & fraction) + low) - T(1);
  T k = number_of_bits<T>(b >> m) - T(bias);
  lost *= inverse_power<T>((b >> m) - bias);
  T tail = fma_or_mul(lost, poly(f, 1, -1, 0.8125), log_tail(f));
  tail = fma_or_mul(k, ln2<T>::lo, tail);
  T y = fma_or_mul(k, ln2<T>::hi, f - fma_or_mul(T(0.5) * f, f, -tail));
  return copysign(log_edges(u, y), x);  // -0 too
}

}  // namespace flambeau::inline v1::math
