// atan, atan2, asin, acos.
#pragma once

#include "kernels/math/base.h"

namespace flambeau::inline v1::math {

// (atan(t) / t - 1) / t^2 at z = t^2 <= 1/4; the error in atan is 2^-58 and 2^-32 of it.
FLAMBEAU_LEAF double atan_tail(double z, double) {
  return poly(z, -0x1.5555555555516p-2, 0x1.999999999113bp-3, -0x1.249249215da9ap-3,
              0x1.c71c7090d14a2p-4, -0x1.745cf4c8ac13ap-4, 0x1.3b113d96f9a07p-4,
              -0x1.10f31d5e7f6e3p-4, 0x1.dfe95fb0f3746p-5, -0x1.a397f8e3a94dp-5,
              0x1.56f4907830fe4p-5, -0x1.c17bea2c8aa3ep-6, 0x1.4b7e93a4b786fp-7);
}
FLAMBEAU_LEAF double atan_tail(double z, float) {
  return poly(z, -0x1.55555108beb74p-2, 0x1.9996ecf2f06d4p-3, -0x1.244acc3cd83a7p-3,
              0x1.c024885315e93p-4, -0x1.4706fdb6a3ec8p-4, 0x1.3d388c920f7b7p-5);
}

// atan(a / b) for a, b >= 0, or pi minus that: the angle of the nearest of 0, pi/4 and pi/2 plus
// the arc tangent of a quotient that is at most 1/2. The type of `like` says for which result.
template <class T>
FLAMBEAU_LEAF double atan_ratio(double a, double b, bool from_pi, T like) {
  constexpr double quarter_hi = 0x1.921fb54442d18p-1, quarter_lo = 0x1.1a62633145c07p-55;
  bool low = a <= 0.5 * b, high = a >= 2.0 * b;
  double num = low ? a : (high ? -b : a - b);
  double den = low ? b : (high ? a : a + b);
  double quarters = low ? 0.0 : (high ? 2.0 : 1.0);
  quarters = from_pi ? 4.0 - quarters : quarters;
  double t = num / (den == 0.0 ? 1.0 : den);
  t = from_pi ? -t : t;
  double z = t * t;
  double rest = fma_or_mul(quarters, quarter_lo, t * z * atan_tail(z, like));
  pair<double> sum = two_sum(quarters * quarter_hi, t);
  return sum.hi + (sum.lo + rest);
}

// Within 1 ulp in float (through double), 1.5 in double.
template <class T>
FLAMBEAU_LEAF T atan(T x) {
  return copysign(T(atan_ratio(abs(double(x)), 1.0, false, x)), x);
}

// Within 1 ulp in float (through double), 2 in double. Special cases are C99's.
template <class T>
FLAMBEAU_LEAF T atan2(T y, T x) {
  double a = abs(double(y)), b = abs(double(x));
  bool both_infinite = (a == infinity<double>)&(b == infinity<double>);
  double scale = (a > 0x1p1000) | (b > 0x1p1000) ? 0.25 : 1.0;  // a + b must not overflow
  a = both_infinite ? 1.0 : a * scale;
  b = both_infinite ? 1.0 : b * scale;
  return copysign(T(atan_ratio(a, b, signbit(x), x)), y);
}

// (asin(s) / s - 1) / s^2 at z = s^2 <= 1/4; the error in asin is 2^-60 and 2^-32 of it.
FLAMBEAU_LEAF double asin_tail(double z, double) {
  return poly(z, 0x1.5555555555577p-3, 0x1.333333332e132p-4, 0x1.6db6db7212577p-5,
              0x1.f1c71a94f9a68p-6, 0x1.6e8bdedf826bfp-6, 0x1.1c49f069a1579p-6,
              0x1.ca1f8c50bcbcep-7, 0x1.7585922f1f87fp-7, 0x1.613c60418607fp-7,
              0x1.e5f7f239700f7p-9, 0x1.639bc37e3620cp-6, -0x1.57fc952a84a38p-6,
              0x1.0b4679aea864ep-5);
}
FLAMBEAU_LEAF double asin_tail(double z, float) {
  return poly(z, 0x1.55554c5fc5ff2p-3, 0x1.33387c8383a5cp-4, 0x1.6caed772cc421p-5,
              0x1.04916b88a7d05p-5, 0x1.d923317217decp-7, 0x1.335469259b439p-5);
}

// Beyond 1/2 both are made of asin(sqrt((1 - |x|) / 2)). Within 1 ulp in float (through double),
// 1.5 in double.
template <class T>
FLAMBEAU_LEAF T asin(T x) {
  double a = abs(double(x));
  bool far = a > 0.5;
  double z = far ? fma_or_mul(-0.5, a, 0.5) : a * a;
  double s = far ? sqrt(z) : a;
  double rest = s * z * asin_tail(z, x);
  pair<double> head = fast_two_sum(0x1.921fb54442d18p0, -2.0 * s);
  double far_y = head.hi + fma_or_mul(-2.0, rest, head.lo + 0x1.1a62633145c07p-54);
  return copysign(T(far ? far_y : s + rest), x);
}
template <class T>
FLAMBEAU_LEAF T acos(T x_given) {
  double x = x_given, a = abs(x);
  bool far = a > 0.5;
  double z = far ? fma_or_mul(-0.5, a, 0.5) : a * a;
  double s = far ? 2.0 * sqrt(z) : x;
  double rest = s * z * asin_tail(z, x_given);
  double base = far ? 0x1.921fb54442d18p1 : 0x1.921fb54442d18p0;
  double base_lo = far ? 0x1.1a62633145c07p-53 : 0x1.1a62633145c07p-54;
  double from_base = base - (s + (rest - base_lo));
  return T(x > 0.5 ? s + rest : from_base);
}

}  // namespace flambeau::inline v1::math
