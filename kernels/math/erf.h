// erf and erfc.
#pragma once

#include "kernels/math/exp.h"

namespace flambeau::inline v1::math {

// erf(x) / x - 1 at z = x^2, |x| <= 0.9 (float), 1; the error in erf is 2^-30 and 2^-56 of it.
FLAMBEAU_LEAF float erf_near_zero(float z) {
  return poly(z, 0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d6p-4, -0x1.b80062p-6, 0x1.543f2ap-8,
              -0x1.a583bcp-11, 0x1.4d2864p-14);
}
FLAMBEAU_LEAF double erf_near_zero(double z) {
  return poly(z, 0x1.06eba8214db68p-3, -0x1.812746b03799dp-2, 0x1.ce2f21a03f87fp-4,
              -0x1.b82ce311a79a3p-6, 0x1.565bccee7a774p-8, -0x1.c02daea36bc03p-11,
              0x1.f9a2945ea1137p-14, -0x1.f4c8033ab301ep-17, 0x1.b9695895a0b66p-20,
              -0x1.5b7e4f00891d6p-23, 0x1.d36eee9f560c2p-27, -0x1.a0ccb910b122ap-31);
}

// (log2(erfc(x)) / x - erf_far_slope) / x beyond, until erf(x) rounds to 1; the error in erf is
// 2^-30 and 2^-57.
template <class T>
static constexpr T erf_far_slope = sizeof(T) == 4 ? T(-0x1.a0d5d4p0) : T(-0x1.a0be8286e855ep0);
FLAMBEAU_LEAF float erf_far_exponent(float x) {
  return poly(x, -0x1.d53ae2p-1, -0x1.396d7p-3, 0x1.1736b6p-5, -0x1.5230cp-8, 0x1.cfac04p-12,
              -0x1.d01232p-17);
}
FLAMBEAU_LEAF double erf_far_exponent(double x) {
  return poly(x, -0x1.d63eedc24756cp-1, -0x1.2fa6a486c518dp-3, 0x1.c41041bd9789ep-6,
              0x1.403a3c3a645e6p-12, -0x1.3ff9cf5490d9bp-9, 0x1.b24a112d95b22p-11,
              0x1.0954385c6f4b9p-19, -0x1.21a54770882f8p-13, 0x1.53d3edccfd1e2p-14,
              -0x1.edba0300eb9b8p-16, 0x1.05613a44d37a4p-17, -0x1.a2d00eed1f701p-20,
              0x1.fae56bbfc1d12p-23, -0x1.c3430f6480b83p-26, 0x1.176bad156cc4p-29,
              -0x1.ae51422835e59p-34, 0x1.364ea932e7393p-39);
}

// Within 1 ulp in float, 1.5 in double. Beyond the polynomial it is 1 - 2^n (1 + p).
template <class T>
FLAMBEAU_LEAF T erf(T x) {
  constexpr T near_to = sizeof(T) == 4 ? T(0.9) : T(1);
  constexpr T one_from = sizeof(T) == 4 ? T(4) : T(6);
  T a = at_most(abs(x), one_from);
  T z = a * a;
  pair<T> y = two_product(a, erf_far_slope<T>);
  T rest = z * erf_far_exponent(a);
  nearest<T> n = to_nearest((y.hi + rest) + ieee<T>::magic);
  T r = (y.hi - n.value) + (rest + y.lo);
  T p = r * fma_or_mul(r, exp2_tail(r), T(0x1.62e42fefa39efp-1));
  T scale = exp2_of_bits<T>(n.bits);
  T far = fma_or_mul(-scale, p, T(1) - scale);
  T near = fma_or_mul(a, erf_near_zero(z), a);
  return copysign(a < near_to ? near : far, x);
}

// erfc(a) = exp(-a^2) h(t) / (a + c) for a >= 0, with t = (a - c) / (a + c) and h nearly a
// constant. Within 1 ulp in float (through double).
FLAMBEAU_LEAF float erfc(float x) {
  constexpr double c = 4;
  double a = at_most(abs(double(x)), 10.25);  // 0 beyond
  double inverse = 1.0 / (a + c);
  double t = fma_or_mul(-2 * c, inverse, 1.0);
  double h = poly(t, 0x1.18932bf04ec6p0, -0x1.f3fe32801feaep-1, 0x1.8be20371a1d13p-1,
                  -0x1.14eaac6be7cbdp-1, 0x1.52cabcf95beadp-2, -0x1.6466f65449a98p-3,
                  0x1.38d1d83151675p-4, -0x1.aed202067eebep-6, 0x1.9790a15f604fap-8,
                  -0x1.969f81a7e966dp-12, -0x1.8c59ed74c84e2p-11);
  double y = exp_short(-a * a) * h * inverse;
  return float(x < 0.0f ? 2.0 - y : y);
}

// exp(a^2) erfc(a) = h (u + u_lo) for 0 <= a <= 27.5; c is such that h(0) is close to a double.
struct erfc_quotient {
  pair<double> h;
  double u, u_lo;
};
FLAMBEAU_LEAF erfc_quotient erfc_quotient_of(double a) {
  constexpr double c = 4.2265625;
  pair<double> den = two_sum(a, c);
  double u = 1.0 / den.hi;
  pair<double> one = two_product(u, den.hi);
  double u_lo = u * (((1.0 - one.hi) - one.lo) - u * den.lo);
  pair<double> p = two_product(-2 * c, u);
  pair<double> t = fast_two_sum(1.0, p.hi);
  t.lo += fma_or_mul(-2 * c, u_lo, p.lo);
  double q = poly(
      t.hi, -0x1.fb1d8dd8ff417p-1, 0x1.9af905e4e92e4p-1, -0x1.2a41292f68713p-1,
      0x1.80e10388de76dp-2, -0x1.b47e74f64df66p-3, 0x1.aaf71c2a23589p-4, -0x1.5c90c442b99bp-5,
      0x1.bc0ec956efa89p-7, -0x1.6b636ce1644bp-9, -0x1.d0529d543f112p-17, 0x1.0ee4bba82e99ep-12,
      -0x1.66cd57e63bbc3p-14, -0x1.ef4e377b7a4ecp-21, 0x1.446b5a9871733p-17, -0x1.2d34abcb9ae5fp-19,
      -0x1.733ef5502ce09p-21, 0x1.bcaedcf1d58dap-22, 0x1.ba705b016ab84p-26, -0x1.fbc39c9d4dc6p-25,
      0x1.7f8136ef9d1fep-30, 0x1.f23673850d628p-28, -0x1.57b84df8bd02p-34, -0x1.0b03eeb729f13p-31);
  double slope = poly(t.hi, -0.99, 1.6, -1.74, 1.5);
  pair<double> tq = two_product(t.hi, q);
  pair<double> h = fast_two_sum(0x1.1960f665ce657p0, tq.hi);
  h.lo += fma_or_mul(t.lo, slope, tq.lo);
  return {h, u, u_lo};
}

// Within 2 ulp.
FLAMBEAU_LEAF double erfc(double x) {
  double a = at_most(abs(x), 27.5);  // 0 beyond
  erfc_quotient q = erfc_quotient_of(a);
  pair<double> square = two_product(a, a);
  exp_unscaled<double> e = exp_pair(at_least(-square.hi, -746.0), -square.lo);
  pair<double> v = two_product(e.y.hi, q.h.hi);
  v.lo += fma_or_mul(e.y.hi, q.h.lo, e.y.lo * q.h.hi);
  pair<double> w = two_product(v.hi, q.u);
  double lost = fma_or_mul(v.hi, q.u_lo, fma_or_mul(v.lo, q.u, w.lo));
  double y = scale_by_bits(w.hi + lost, e.n);
  pair<double> rest = two_sum(1.0, -x);
  double near = rest.hi - fma_or_mul(x, erf_near_zero(square.hi), -rest.lo);
  y = x < 0.0 ? 2.0 - y : y;
  return a < 0.8 ? near : y;
}

// Note [Near the centre]
// x Phi(x), Phi being the normal distribution, for |x| <= 4, where nearly all numbers are that
// anyone asks for: Phi(-a) = 2^(L(a) - a^2 / (2 ln 2)), where L is smooth, as a polynomial of
// a - 2. Relative errors are kept in the tail. `gelu` holds everywhere, and has these bits here.
template <class T>
FLAMBEAU_LEAF bool is_near_centre(T x) {
  return abs(x) <= T(4);
}
FLAMBEAU_LEAF float log2_mills(float t) {  // to 2^-22
  return poly(t, -0x1.494aacp1, -0x1.13ade6p-1, 0x1.51a86ap-4, -0x1.d3aea8p-7, 0x1.364fc4p-9,
              -0x1.6e4074p-12, 0x1.67b66p-15, -0x1.7cd162p-19, -0x1.e2e294p-21, 0x1.2430e8p-22);
}
FLAMBEAU_LEAF double log2_mills(double t) {  // to 2^-52
  return poly(
      t, -0x1.494aab14aaf5p1, -0x1.13ade8ce1a5d7p-1, 0x1.51a74e3ecc4fep-4, -0x1.d3aac8331abd1p-7,
      0x1.369b7f189a832p-9, -0x1.6ed5d52c51858p-12, 0x1.5a16f7bee7a74p-15, -0x1.55ad5b15f3061p-19,
      -0x1.cdbf47158cf55p-22, 0x1.affb3b4473359p-23, -0x1.88962aa6776f5p-25, 0x1.e220bd7abac6p-28,
      -0x1.327e9328ab4c8p-31, -0x1.54025c641ffcp-34, 0x1.8221fc1645b42p-35, -0x1.7c983df8a0d77p-37,
      0x1.054acb7213211p-39, -0x1.b7eac4de4b1a6p-43, -0x1.c7b5beecb1e5fp-46, 0x1.3d26ad311e8fap-46,
      -0x1.9cc9f6a02d1cep-49, 0x1.aa512556d70e1p-54);
}
FLAMBEAU_LEAF float exp2_near_zero(float r) {  // 2^r for |r| <= 1/2, to 2^-28
  return poly(r, 1, 0x1.62e43p-1, 0x1.ebfbep-3, 0x1.c6af7ap-5, 0x1.3b2a28p-7, 0x1.5f0962p-10,
              0x1.4447acp-13);
}
FLAMBEAU_LEAF double exp2_near_zero(double r) {
  return fma_or_mul(r, fma_or_mul(r, exp2_tail(r), 0x1.62e42fefa39efp-1), 1.0);
}
// Phi(-a) for 0 <= a <= 4, within 8 ulp, and in double within 12.
template <class T>
FLAMBEAU_LEAF T normal_tail(T a) {
  constexpr T half_log2e = T(0x1.71547652b82fep-1);
  T z = a * a, log = log2_mills(a - T(2));
  nearest<T> n = to_nearest(fma_or_mul(z, -half_log2e, log) + ieee<T>::magic);
  T r = fma_or_mul(z, -half_log2e, -n.value) + log;
  return from_bits(bits_of(exp2_near_zero(r)) + (n.bits << ieee<T>::mantissa));
}
template <class T>
FLAMBEAU_LEAF T gelu_near(T x) {
  T a = abs(x);
  return fma_or_mul(-a, normal_tail(a), x < T(0) ? T(-0.0) : x);
}
template <class T>
FLAMBEAU_LEAF T gelu(T x) {
  T tail = erfc(x * T(-0x1.6a09e667f3bcdp-1));
  T far = (tail == T(0) ? T(-1) : x) * T(0.5) * tail;
  return is_near_centre(x) ? gelu_near(x) : far;
}

// Its derivative, Phi(x) + x phi(x), with the density phi; the terms cancel around -0.75.
template <class T>
FLAMBEAU_LEAF T gelu_slope_near(T x) {
  constexpr T half_log2e = T(0x1.71547652b82fep-1), density = T(0x1.9884533d43651p-2);
  T a = abs(x), z = a * a, tail = normal_tail(a);
  nearest<T> n = to_nearest(fma_or_mul(z, -half_log2e, ieee<T>::magic));
  T p = exp2_near_zero(fma_or_mul(z, -half_log2e, -n.value));
  T height = from_bits(bits_of(p) + (n.bits << ieee<T>::mantissa));
  return fma_or_mul(x * density, height, x < T(0) ? tail : T(1) - tail);
}
template <class T>
FLAMBEAU_LEAF T gelu_slope(T x) {
  T height = T(0x1.9884533d43651p-2) * exp(T(-0.5) * x * x);
  T far = T(0.5) * erfc(x * T(-0x1.6a09e667f3bcdp-1)) + (height == T(0) ? T(0) : x * height);
  return is_near_centre(x) ? gelu_slope_near(x) : far;
}

}  // namespace flambeau::inline v1::math
