// exp, exp2, expm1, and the exponential that other leaves are built from.
#pragma once

#include "kernels/math/base.h"

namespace flambeau::inline v1::math {

// ln 2 in two parts: n * hi is exact for every exponent n.
template <class T>
struct ln2;
template <>
struct ln2<float> {
  static constexpr float hi = 0x1.62e4p-1f, lo = 0x1.7f7d1cp-20f;
};
template <>
struct ln2<double> {
  static constexpr double hi = 0x1.62e42feep-1, lo = 0x1.a39ef35793c76p-33;
};

// (exp(r) - 1 - r) / r^2 for |r| <= ln2 / 2; the error in exp(r) - 1 is 2^-31 and 2^-61 of it.
FLAMBEAU_LEAF float exp_tail(float r) {
  return poly(r, 0x1p-1, 0x1.555554p-3, 0x1.5554f8p-5, 0x1.1112dcp-7, 0x1.6d3a44p-10,
              0x1.9e68a2p-13);
}
FLAMBEAU_LEAF double exp_tail(double r) {
  return poly(r, 0x1p-1, 0x1.5555555555559p-3, 0x1.5555555555559p-5, 0x1.111111110f70ap-7,
              0x1.6c16c16c1684cp-10, 0x1.a01a01af9c3b8p-13, 0x1.a01a019e344fcp-16,
              0x1.71ddf939780c1p-19, 0x1.27e4f91351f22p-22, 0x1.af5d048318e67p-26,
              0x1.1f383a2451abdp-29);
}
// As much of it as a result in float needs: 2^-32.
FLAMBEAU_LEAF double exp_tail_short(double r) {
  return poly(r, 0x1.00000025f0571p-1, 0x1.555554ef9f28cp-3, 0x1.5554b12fe589fp-5,
              0x1.111189577de46p-7, 0x1.6d71f58f3fb88p-10, 0x1.a032cc799f515p-13);
}

// x = n ln2 + r + r_lo.
template <class T>
struct exp_reduced {
  nearest<T> n;
  T r, r_lo;
};
template <class T>
FLAMBEAU_LEAF exp_reduced<T> exp_reduce(T x) {
  constexpr T log2e = T(0x1.71547652b82fep+0);
  nearest<T> n = to_nearest(fma_or_mul(x, log2e, ieee<T>::magic));
  T head = fma_or_mul(n.value, -ln2<T>::hi, x);
  T r = fma_or_mul(n.value, -ln2<T>::lo, head);
  return {n, r, fma_or_mul(n.value, -ln2<T>::lo, head - r)};
}

// Within 1 ulp.
template <class T>
FLAMBEAU_LEAF T exp(T x) {
  constexpr T low = sizeof(T) == 4 ? T(-104) : T(-746);  // 0 below, infinity above
  constexpr T high = sizeof(T) == 4 ? T(89) : T(710);
  exp_reduced<T> a = exp_reduce(at_most(at_least(x, low), high));
  T y = fma_or_mul(a.r * a.r, exp_tail(a.r), a.r) + T(1);
  return scale_by_bits(y, a.n.bits);
}

// exp(x + x_lo) = (y.hi + y.lo) 2^n to 2^-58 or so; the caller keeps x in the range of `exp`.
template <class T>
struct exp_unscaled {
  pair<T> y;
  bits_t<T> n;
};
template <class T>
FLAMBEAU_LEAF exp_unscaled<T> exp_pair(T x, T x_lo) {
  exp_reduced<T> a = exp_reduce(x);
  pair<T> r = fast_two_sum(a.r, a.r_lo + x_lo);
  pair<T> y = fast_two_sum(T(1), r.hi);
  T rest = y.lo + fma_or_mul(r.hi * r.hi, exp_tail(r.hi), fma_or_mul(r.hi, r.lo, r.lo));
  return {fast_two_sum(y.hi, rest), a.n.bits};
}

// exp(x) to 2^-31 for |x| <= 700, from which float results are made.
FLAMBEAU_LEAF double exp_short(double x) {
  constexpr double log2e = 0x1.71547652b82fep+0, ln2 = 0x1.62e42fefa39efp-1;
  nearest<double> n = to_nearest(fma_or_mul(x, log2e, ieee<double>::magic));
  double r = fma_or_mul(n.value, -ln2, x);
  return fma_or_mul(r * r, exp_tail_short(r), r + 1.0) * exp2_of_bits<double>(n.bits);
}

// ln 2, and (2^r - 1 - r ln2) / r^2 fitted to its rounding, |r| <= 1/2; the error in 2^r is 2^-32
// and 2^-59 of it.
FLAMBEAU_LEAF float exp2_tail(float r) {
  return poly(r, 0x1.ebfbep-3, 0x1.c6b06ep-5, 0x1.3b2a5cp-7, 0x1.5da59ep-10, 0x1.440dccp-13,
              0x1.e081cap-17);
}
FLAMBEAU_LEAF double exp2_tail(double r) {
  return poly(r, 0x1.ebfbdff82c58ep-3, 0x1.c6b08d704a1d5p-5, 0x1.3b2ab6fba51a1p-7,
              0x1.5d87fe7873f2fp-10, 0x1.430912f755de3p-13, 0x1.ffcbfd4b79402p-17,
              0x1.62c02729f54fep-20, 0x1.b5232ca0f228bp-24, 0x1.e4bb9787c54d4p-28,
              0x1.ec7ab7e40a422p-32, 0x1.e0d219dd79888p-36);
}

// Within 1 ulp.
template <class T>
FLAMBEAU_LEAF T exp2(T x) {
  constexpr T low = sizeof(T) == 4 ? T(-151) : T(-1076);
  constexpr T high = sizeof(T) == 4 ? T(128) : T(1024);
  x = at_most(at_least(x, low), high);
  nearest<T> n = to_nearest(x + ieee<T>::magic);
  T r = x - n.value;
  pair<T> y = fast_two_sum(T(1), r * T(0x1.62e42fefa39efp-1));
  return scale_by_bits(y.hi + fma_or_mul(r * r, exp2_tail(r), y.lo), n.bits);
}

// Within 1 ulp in float, 1.1 in double. exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1), summed with its
// rounding errors because the two cancel for n = -1 and 1; everything is halved so that 2^n does
// not overflow early.
template <class T>
FLAMBEAU_LEAF T expm1(T x) {
  constexpr T low = sizeof(T) == 4 ? T(-20) : T(-40);  // -1 below
  constexpr T high = sizeof(T) == 4 ? T(89) : T(710);
  exp_reduced<T> a = exp_reduce(at_most(at_least(x, low), high));
  T half_scale = exp2_of_bits<T>(a.n.bits - 1);
  pair<T> square = two_product(a.r, a.r);
  T rest = fma_or_mul(square.hi, exp_tail(a.r), fma_or_mul(T(0.5), square.lo, a.r_lo));
  T base = half_scale - T(0.5);
  T base_lo = (half_scale - base) - T(0.5);
  pair<T> sum = fast_two_sum(base, half_scale * a.r);
  T y = T(2) * (sum.hi + (fma_or_mul(half_scale, rest, sum.lo) + base_lo));
  return abs(x) < T(0x1p-60) ? x : y;
}

}  // namespace flambeau::inline v1::math
