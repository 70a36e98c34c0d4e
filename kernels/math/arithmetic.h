// Arithmetic of floating-point numbers beyond the operators: roots, extremes, quotients.
#pragma once

#include "kernels/math/log.h"

namespace flambeau::inline v1::math {

// Within 1 ulp in float, 1.5 in double. 1 / sqrt(x) alone is wrong by up to 1.5 ulp; one Newton
// step on its exact residual mends that.
template <class T>
FLAMBEAU_LEAF T rsqrt(T x) {
#if FLAMBEAU_LEAF_HAS_FMA
  T y = T(1) / sqrt(x);
  pair<T> root = two_product(x, y);
  T residual = fma_or_mul(-root.hi, y, T(1)) - root.lo * y;
  T mended = fma_or_mul(T(0.5) * y, residual, y);
  return isnan(residual) ? y : mended;  // 0 and infinity
#else
  return T(1.0 / sqrt(double(x)));
#endif
}

// NaN if either is, b of two zeros. The check is of b, which in a clamp is a bound: a check of what
// came out of another choice makes the compiler tell all cases of both apart.
template <class T>
FLAMBEAU_LEAF T minimum(T a, T b) {
  T y = b <= a ? b : a;
  return b != b ? b : y;
}
template <class T>
FLAMBEAU_LEAF T maximum(T a, T b) {
  T y = b >= a ? b : a;
  return b != b ? b : y;
}
// The other one if either is NaN.
template <class T>
FLAMBEAU_LEAF T fmin(T a, T b) {
  T y = a < b ? a : b;
  return b != b ? a : y;
}
template <class T>
FLAMBEAU_LEAF T fmax(T a, T b) {
  T y = a > b ? a : b;
  return b != b ? a : y;
}

// a at weight 0 and b at weight 1, exactly.
template <class T>
FLAMBEAU_LEAF T lerp(T a, T b, T weight) {
  T d = b - a;
  return abs(weight) < T(0.5) ? a + weight * d : b - d * (T(1) - weight);
}

// x to the nearest multiple of 1 / up, which is an exact power of ten; through double. What has no
// digits that far stays.
template <class T>
FLAMBEAU_LEAF T round_scaled(T x, T up) {
  double scaled = double(x) * double(up);
  T y = T(round(scaled) / double(up));
  return (abs(scaled) < 0x1p52) & isfinite(y) ? y : x;
}

// sqrt(a^2 + b^2) without overflow on the way; infinity if either is, NaN or not.
// Within 1 ulp in float, 1.5 in double.
FLAMBEAU_LEAF double hypot(double a, double b) {
  double x = abs(a), y = abs(b);
  double m = maximum(x, y);
  bool large = m > 0x1p500, small = m < 0x1p-500;
  double scale = large ? 0x1p-600 : (small ? 0x1p600 : 1.0);
  double back = large ? 0x1p600 : (small ? 0x1p-600 : 1.0);
  double u = x * scale, v = y * scale;
  double r = sqrt(fma_or_mul(u, u, v * v)) * back;
  return isinf(a) | isinf(b) ? infinity<double> : r;
}
FLAMBEAU_LEAF float hypot(float a, float b) {  // through double
  double x = a, y = b;
  float r = float(sqrt(x * x + y * y));
  return isinf(a) | isinf(b) ? infinity<float> : r;
}

// log(exp(a) + exp(b)), within 3 ulp of the largest of |result|, |max(a, b)| and d exp(-d) with
// d = |a - b|: the terms cancel where the result is near 0.
template <class T>
FLAMBEAU_LEAF T logaddexp(T a, T b) {
  T m = maximum(a, b);
  T y = m + log1p(exp(-abs(a - b)));
  return isinf(a) & (a == b) ? a : y;
}

// The number next to a on the way to b.
template <class T>
FLAMBEAU_LEAF T nextafter(T a, T b) {
  bits_t<T> bits = bits_of(a);
  bool grows = (a < b) == (a > T(0));
  T next = from_bits(bits_t<T>(grows ? bits + 1 : bits - 1));
  next = a == T(0) ? copysign(from_bits(bits_t<T>(1)), b) : next;
  return isnan(a) | isnan(b) ? nan<T> : a == b ? b : next;
}

// 0 or pi; NaN stays.
template <class T>
FLAMBEAU_LEAF T angle(T x) {
  T y = x < T(0) ? T(0x1.921fb54442d18p1) : T(0);
  return isnan(x) ? x : y;
}

template <class T>
FLAMBEAU_LEAF T trunc_divide(T a, T b) {
  return trunc(a / b);
}

// Note [Near quotients]
// fmod is exact for quotients of any size, which takes a loop; it takes one step where the quotient
// is below 2^28 in float and 2^52 in double. `fmod` holds everywhere but calls libm for the rest,
// which no loop over it survives as vector code; `fmod_near` holds for is_near_quotient(a, b), has
// the same bits there and vectorises. See Note [Near and far]. (remainder, floor_divide likewise.)
FLAMBEAU_LEAF bool is_near_quotient(float a, float b) { return abs(a) < 0x1p28f * abs(b); }
FLAMBEAU_LEAF bool is_near_quotient(double a, double b) {
  double x = abs(a), y = abs(b);
  return (x < 0x1p52 * y) & (x < 0x1p990) & (y < 0x1p990);  // the bounds are two_product's
}

FLAMBEAU_LEAF float fmod_near(float a, float b) {  // through double, where q * b is exact
  double x = abs(double(a)), y = abs(double(b));
  double q = trunc(x / y);
  float r = copysign(float(x - q * y), a);
  return isinf(b) & isfinite(a) ? a : r;
}
FLAMBEAU_LEAF double fmod_near(double a, double b) {
  double x = abs(a), y = abs(b);
  double q = trunc(x / y);  // right or one too large
  pair<double> p = two_product(q, y);
  double r = (x - p.hi) - p.lo;
  r = r < 0.0 ? r + y : r;
  return isinf(b) & isfinite(a) ? a : copysign(r, a);
}
FLAMBEAU_LEAF float fmod(float a, float b) {
  return is_near_quotient(a, b) ? fmod_near(a, b) : FLAMBEAU_LEAF_BUILTIN(fmodf)(a, b);
}
FLAMBEAU_LEAF double fmod(double a, double b) {
  return is_near_quotient(a, b) ? fmod_near(a, b) : FLAMBEAU_LEAF_BUILTIN(fmod)(a, b);
}

// From m = fmod(a, b): the remainder with the sign of b, and the floor of a / b.
template <class T>
FLAMBEAU_LEAF T remainder_of(T m, T b) {
  return (m != T(0)) & ((m < T(0)) != (b < T(0))) ? m + b : m;
}
template <class T>
FLAMBEAU_LEAF T floor_divide_of(T m, T a, T b) {
  T exact = (a - m) / b;  // a whole number but for rounding
  exact = (m != T(0)) & ((m < T(0)) != (b < T(0))) ? exact - T(1) : exact;
  T down = floor(exact);
  T y = exact - down > T(0.5) ? down + T(1) : down;
  y = exact == T(0) ? copysign(T(0), a / b) : y;
  return b == T(0) ? a / b : y;
}

template <class T>
FLAMBEAU_LEAF T remainder_near(T a, T b) {
  return remainder_of(fmod_near(a, b), b);
}
template <class T>
FLAMBEAU_LEAF T remainder(T a, T b) {
  return remainder_of(fmod(a, b), b);
}
template <class T>
FLAMBEAU_LEAF T floor_divide_near(T a, T b) {
  return floor_divide_of(fmod_near(a, b), a, b);
}
template <class T>
FLAMBEAU_LEAF T floor_divide(T a, T b) {
  return floor_divide_of(fmod(a, b), a, b);
}

}  // namespace flambeau::inline v1::math
