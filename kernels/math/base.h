// What every leaf is made of: types, bits, exact sums and products, polynomials.
//
// Note [Leaves]
// A leaf is a branch-free function of one element. The host compiler turns
// `for (i) y[i] = leaf(x[i])` into vector code, and NVRTC compiles the same bytes for a GPU; so
// there are no includes, no branches that depend on data, no calls into libm. A leaf uses only
// IEEE operations that act on one element, and fma where it is written; therefore the vector body
// of a loop and its scalar tail give the same bits (compile with -ffp-contract=off, for NVRTC
// --fmad=false). Rounding is to nearest even. The sign and payload of a NaN are not part of a
// result. Bounds are in ulp of the result against the exact value; "float through double" means
// that the error before the last rounding is below 2^-29, so the result is within 0.51 ulp.
//
// FLAMBEAU_LEAF is inlined into every loop. FLAMBEAU_LEAF_CALL, for the functions of complex
// numbers, is called once per element instead: inlined and vectorised they would be 5 to 20 KB a
// loop.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define FLAMBEAU_LEAF static __device__ __forceinline__
#define FLAMBEAU_LEAF_CALL static __device__ __noinline__
#define FLAMBEAU_LEAF_TABLE static __device__ const
#define FLAMBEAU_LEAF_BUILTIN(name) ::name
#define FLAMBEAU_LEAF_HAS_FMA 1
#else
#define FLAMBEAU_LEAF static inline __attribute__((always_inline))
#define FLAMBEAU_LEAF_CALL static inline __attribute__((noinline))
#define FLAMBEAU_LEAF_TABLE static const
#define FLAMBEAU_LEAF_BUILTIN(name) __builtin_##name
#if defined(__FMA__) || defined(__aarch64__)
#define FLAMBEAU_LEAF_HAS_FMA 1
#else
#define FLAMBEAU_LEAF_HAS_FMA 0
#endif
#endif

namespace flambeau::inline v1::math {

#if defined(__INT64_TYPE__)
using int8 = __INT8_TYPE__;
using int16 = __INT16_TYPE__;
using int32 = __INT32_TYPE__;
using int64 = __INT64_TYPE__;
using uint8 = __UINT8_TYPE__;
using uint16 = __UINT16_TYPE__;
using uint32 = __UINT32_TYPE__;
using uint64 = __UINT64_TYPE__;
#else  // NVRTC predefines no such names
using int8 = signed char;
using int16 = short;
using int32 = int;
using int64 = long long;
using uint8 = unsigned char;
using uint16 = unsigned short;
using uint32 = unsigned int;
using uint64 = unsigned long long;
#endif

// The layout of an IEEE format.
template <class T>
struct ieee;

template <>
struct ieee<float> {
  using bits = uint32;
  using signed_bits = int32;
  static constexpr int mantissa = 23;
  static constexpr int bias = 127;
  static constexpr float min_normal = 0x1p-126f;
  static constexpr float max = 0x1.fffffep127f;
  static constexpr float magic = 0x1.8p23f;    // see Note [Magic rounding]
  static constexpr float split = 0x1.001p12f;  // Veltkamp's constant
};

template <>
struct ieee<double> {
  using bits = uint64;
  using signed_bits = int64;
  static constexpr int mantissa = 52;
  static constexpr int bias = 1023;
  static constexpr double min_normal = 0x1p-1022;
  static constexpr double max = 0x1.fffffffffffffp1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr double split = 0x1.0000002p27;
};

template <class T>
using bits_t = typename ieee<T>::bits;

template <class T>
static constexpr T infinity = T(__builtin_bit_cast(double, uint64(0x7ff0000000000000)));
template <class T>
static constexpr T nan = T(__builtin_bit_cast(double, uint64(0x7ff8000000000000)));

template <class T>
static constexpr bool is_float = false;
template <>
constexpr bool is_float<float> = true;
template <>
constexpr bool is_float<double> = true;

// The operations that a processor has itself, under one name for all types.
FLAMBEAU_LEAF uint32 bits_of(float x) { return __builtin_bit_cast(uint32, x); }
FLAMBEAU_LEAF uint64 bits_of(double x) { return __builtin_bit_cast(uint64, x); }
FLAMBEAU_LEAF float from_bits(uint32 b) { return __builtin_bit_cast(float, b); }
FLAMBEAU_LEAF double from_bits(uint64 b) { return __builtin_bit_cast(double, b); }

#define FLAMBEAU_LEAF_UNARY(name, builtin)                                           \
  FLAMBEAU_LEAF float name(float x) { return FLAMBEAU_LEAF_BUILTIN(builtin##f)(x); } \
  FLAMBEAU_LEAF double name(double x) { return FLAMBEAU_LEAF_BUILTIN(builtin)(x); }
FLAMBEAU_LEAF_UNARY(abs, fabs)
FLAMBEAU_LEAF_UNARY(sqrt, sqrt)
FLAMBEAU_LEAF_UNARY(floor, floor)
FLAMBEAU_LEAF_UNARY(ceil, ceil)
FLAMBEAU_LEAF_UNARY(trunc, trunc)
FLAMBEAU_LEAF_UNARY(round, rint)  // half to even
#undef FLAMBEAU_LEAF_UNARY
FLAMBEAU_LEAF float copysign(float x, float s) { return FLAMBEAU_LEAF_BUILTIN(copysignf)(x, s); }
FLAMBEAU_LEAF double copysign(double x, double s) { return FLAMBEAU_LEAF_BUILTIN(copysign)(x, s); }

template <class T>
FLAMBEAU_LEAF bool isnan(T x) {
  return x != x;
}
template <class T>
FLAMBEAU_LEAF bool isinf(T x) {
  return abs(x) == infinity<T>;
}
template <class T>
FLAMBEAU_LEAF bool isfinite(T x) {
  return abs(x) <= ieee<T>::max;
}
template <class T>
FLAMBEAU_LEAF bool signbit(T x) {
  return (bits_of(x) >> (8 * sizeof(T) - 1)) != 0;
}

// x, or the bound that it passes; NaN stays.
template <class T>
FLAMBEAU_LEAF T at_least(T x, T low) {
  return x < low ? low : x;
}
template <class T>
FLAMBEAU_LEAF T at_most(T x, T high) {
  return x > high ? high : x;
}

// a * b + c: one rounding where the instruction set has fma, two elsewhere.
template <class T>
FLAMBEAU_LEAF T fma_or_mul(T a, T b, T c) {
#if FLAMBEAU_LEAF_HAS_FMA
  if constexpr (sizeof(T) == 4)
    return FLAMBEAU_LEAF_BUILTIN(fmaf)(a, b, c);
  else
    return FLAMBEAU_LEAF_BUILTIN(fma)(a, b, c);
#else
  return a * b + c;
#endif
}

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class T>
FLAMBEAU_LEAF T poly(T, double c0) {
  return T(c0);
}
template <class T, class... More>
FLAMBEAU_LEAF T poly(T x, double c0, More... more) {
  return fma_or_mul(x, poly(x, more...), T(c0));
}

// x + x^3 p: the last step of an odd function. Without fma its roundings would take float past 1
// ulp.
FLAMBEAU_LEAF float add_cube(float x, float p) {
#if FLAMBEAU_LEAF_HAS_FMA
  return fma_or_mul(x * (x * x), p, x);
#else
  double y = x;
  return float(y + y * y * y * double(p));
#endif
}
FLAMBEAU_LEAF double add_cube(double x, double p) { return fma_or_mul(x * (x * x), p, x); }

// A value as the unevaluated sum of two, |lo| <= ulp(hi) / 2 or so.
template <class T>
struct pair {
  T hi, lo;
};

// a + b exactly; the fast form wants |a| >= |b| or a == 0.
template <class T>
FLAMBEAU_LEAF pair<T> fast_two_sum(T a, T b) {
  T s = a + b;
  return {s, b - (s - a)};
}
template <class T>
FLAMBEAU_LEAF pair<T> two_sum(T a, T b) {
  T s = a + b, b1 = s - a;
  return {s, (a - (s - b1)) + (b - b1)};
}

// a * b exactly, barring underflow; without fma also |a|, |b| < 2^115 in float, 2^996 in double.
template <class T>
FLAMBEAU_LEAF pair<T> two_product(T a, T b) {
  T p = a * b;
#if FLAMBEAU_LEAF_HAS_FMA
  return {p, fma_or_mul(a, b, -p)};
#else
  T ca = ieee<T>::split * a, cb = ieee<T>::split * b;
  T ah = ca - (ca - a), bh = cb - (cb - b);
  T al = a - ah, bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

// Note [Magic rounding]
// x + magic puts the nearest integer of x, which must be below 2^22 (float) or 2^50 (double), into
// the low bits of the sum, in two's complement; subtracting magic again gives it as a number. This
// rounds and converts with two additions, where 64-bit integers have no conversion of their own.
template <class T>
struct nearest {
  T value;
  bits_t<T> bits;  // the integer, right in the low mantissa - 1 bits
};
template <class T>
FLAMBEAU_LEAF nearest<T> to_nearest(T x_plus_magic) {
  return {x_plus_magic - ieee<T>::magic, bits_of(x_plus_magic)};
}

// 2^n for the integer n in the low bits of `n`; the result must be normal.
template <class T>
FLAMBEAU_LEAF T exp2_of_bits(bits_t<T> n) {
  return from_bits(bits_t<T>((n + ieee<T>::bias) << ieee<T>::mantissa));
}

// 2^-n, or 0 where that is not normal.
template <class T>
FLAMBEAU_LEAF T inverse_power(bits_t<T> n) {
  using Int = typename ieee<T>::signed_bits;
  Int b = Int(bits_t<T>((bits_t<T>(ieee<T>::bias) - n) << ieee<T>::mantissa));
  return from_bits(bits_t<T>(b > 0 ? b : 0));
}

// x * 2^n for |n| < 2 bias: the first factor keeps x normal, the second rounds once, if at all.
template <class T>
FLAMBEAU_LEAF T scale_by_bits(T x, bits_t<T> n) {
  bits_t<T> half = n >> 1;  // high bits of n differ from a sign's, but are shifted out
  return x * exp2_of_bits<T>(half) * exp2_of_bits<T>(n - half);
}

// The number of a small non-negative integer.
template <class T>
FLAMBEAU_LEAF T number_of_bits(bits_t<T> n) {
  constexpr T one_ulp = T(bits_t<T>(1) << ieee<T>::mantissa);
  return from_bits(n | bits_of(one_ulp)) - one_ulp;
}

}  // namespace flambeau::inline v1::math
