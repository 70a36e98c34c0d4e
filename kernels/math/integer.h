// Arithmetic of integers: it wraps around, and division by zero gives 0 (whoever must raise an
// error for it does so before). bool is not an integer here.
#pragma once

#include "kernels/math/base.h"

namespace flambeau::inline v1::math {

template <class T>
struct integer_traits {
  static constexpr bool is_integer = false;
};
#define FLAMBEAU_INTEGER(type, unsigned_type, wide_type, quotient_type)                      \
  template <>                                                                                \
  struct integer_traits<type> {                                                              \
    static constexpr bool is_integer = true;                                                 \
    using unsigned_t = unsigned_type;                                                        \
    using wide = wide_type;         /* unsigned, and safe from promotion to int */           \
    using quotient = quotient_type; /* where a / b rounds to the right side of an integer */ \
  };
FLAMBEAU_INTEGER(int8, uint8, uint32, float)
FLAMBEAU_INTEGER(uint8, uint8, uint32, float)
#if defined(__cpp_char8_t)
FLAMBEAU_INTEGER(char8_t, uint8, uint32, float)  // where uint8 stands for truth values
#endif
FLAMBEAU_INTEGER(int16, uint16, uint32, float)
FLAMBEAU_INTEGER(uint16, uint16, uint32, float)
FLAMBEAU_INTEGER(int32, uint32, uint32, double)
FLAMBEAU_INTEGER(uint32, uint32, uint32, double)
FLAMBEAU_INTEGER(int64, uint64, uint64, int64)
FLAMBEAU_INTEGER(uint64, uint64, uint64, uint64)
#undef FLAMBEAU_INTEGER

template <class T>
concept integer = integer_traits<T>::is_integer;
template <integer T>
static constexpr bool is_signed = T(-1) < T(0);
template <integer T>
static constexpr int width = 8 * int(sizeof(T));
template <integer T>
using wide_t = typename integer_traits<T>::wide;

template <integer T>
FLAMBEAU_LEAF T add(T a, T b) {
  return T(wide_t<T>(a) + wide_t<T>(b));
}
template <integer T>
FLAMBEAU_LEAF T sub(T a, T b) {
  return T(wide_t<T>(a) - wide_t<T>(b));
}
template <integer T>
FLAMBEAU_LEAF T mul(T a, T b) {
  return T(wide_t<T>(a) * wide_t<T>(b));
}
template <integer T>
FLAMBEAU_LEAF T neg(T a) {
  return T(wide_t<T>(0) - wide_t<T>(a));
}
template <integer T>
FLAMBEAU_LEAF T abs(T a) {
  return a < T(0) ? neg(a) : a;
}

#if defined(__AVX512DQ__)
// a / b of 64 bits, where vectors are converted to double and back. What a product with a
// reciprocal that is a little too small leaves is less than b (1 + 2^-48) + 2^15; after a second
// product it is less than 2 b.
FLAMBEAU_LEAF uint64 quotient(uint64 a, uint64 b) {
  double reciprocal = (1.0 - 0x1p-50) / double(b);
  uint64 q = uint64(double(a) * reciprocal);
  uint64 rest = a - q * b;
  uint64 more = uint64(double(rest) * reciprocal);
  q += more;
  return rest - more * b >= b ? q + 1 : q;
}
#endif

// Vector units divide no integers, but a quotient of floats that are wide enough truncates to the
// right one: it is exact or at least 1 / |b| away from the next integer.
template <integer T>
FLAMBEAU_LEAF T trunc_divide(T a, T b) {
  using Q = typename integer_traits<T>::quotient;
#if defined(__AVX512DQ__)
  if constexpr (sizeof(T) == 8) {
    bool negative = is_signed<T> & ((a < T(0)) != (b < T(0)));
    T q = T(quotient(uint64(abs(a)), b == T(0) ? uint64(1) : uint64(abs(b))));
    return b == T(0) ? T(0) : (negative ? neg(q) : q);
  }
#endif
  if constexpr (is_float<Q>) {
    Q q = trunc(Q(a) / Q(b == T(0) ? T(1) : b));
    bool overflow = is_signed<T> & (b == T(-1));
    T y = overflow ? neg(a) : T(overflow ? Q(0) : q);
    return b == T(0) ? T(0) : y;
  } else {
    bool negates = is_signed<T> & (b == T(-1)), zero = b == T(0);
    T q = a / (negates | zero ? T(1) : b);
    return zero ? T(0) : (negates ? neg(a) : q);
  }
}

// The remainder has the sign of b and the quotient is rounded down.
template <integer T>
FLAMBEAU_LEAF T fmod(T a, T b) {
  T r = sub(a, mul(trunc_divide(a, b), b));
  return b == T(0) ? T(0) : r;
}
template <integer T>
FLAMBEAU_LEAF T remainder(T a, T b) {
  T r = fmod(a, b);
  return (r != T(0)) & ((r < T(0)) != (b < T(0))) ? add(r, b) : r;
}
template <integer T>
FLAMBEAU_LEAF T floor_divide(T a, T b) {
  T q = trunc_divide(a, b);
  T r = sub(a, mul(q, b));
  bool down = (r != T(0)) & ((r < T(0)) != (b < T(0))) & (b != T(0));
  return down ? sub(q, T(1)) : q;
}

// a^b by squaring; for b < 0 the reciprocal of an integer is 0 except that of 1 and -1. The loop
// runs once per bit of b, so that small exponents cost little; it does not vectorise.
template <integer T>
FLAMBEAU_LEAF T pow(T a, T b) {
  using W = wide_t<T>;
  W power = 1, square = W(a);
  for (T rest = b; rest > T(0); rest = T(rest >> 1)) {
    power = rest & 1 ? W(power * square) : power;
    square = square * square;
  }
  T unit = a == T(1) ? T(1) : (is_signed<T> & (a == T(-1)) ? (b & 1 ? T(-1) : T(1)) : T(0));
  return b < T(0) ? unit : T(power);
}

// a^n for 0 <= n < 32: unlike `pow`, it becomes vectors.
template <integer T>
FLAMBEAU_LEAF T whole_power(T a, T n) {
  using W = wide_t<T>;
  W a1 = W(a), a2 = a1 * a1, a4 = a2 * a2, a8 = a4 * a4, a16 = a8 * a8;
  W low = (n & 1 ? a1 : W(1)) * (n & 2 ? a2 : W(1));
  W high = (n & 4 ? a4 : W(1)) * (n & 8 ? a8 : W(1));
  return T(low * high * (n & 16 ? a16 : W(1)));
}

// Exponents for which `pow` is this.
template <integer T>
FLAMBEAU_LEAF bool is_near_power(T, T n) {
  return (n >= T(0)) & (n < T(32));
}
template <integer T>
FLAMBEAU_LEAF T pow_near(T a, T n) {
  return whole_power(a, n);
}

// A count outside [0, width) shifts everything out: 0, or to the right the sign. Vector units shift
// no bytes by counts of their own: these go by the bits of the count.
template <integer T>
FLAMBEAU_LEAF T left_shift(T a, T b) {
  using W = wide_t<T>;
  if constexpr (sizeof(T) == 1) {
    uint8 y = uint8(a), count = uint8(b);
    y = count & 1 ? uint8(y << 1) : y;
    y = count & 2 ? uint8(y << 2) : y;
    y = count & 4 ? uint8(y << 4) : y;
    return count < 8 ? T(y) : T(0);
  }
  bool inside = W(b) < W(width<T>);
  T y = T(W(a) << (inside ? W(b) : 0));
  return inside ? y : T(0);
}
template <integer T>
FLAMBEAU_LEAF T right_shift(T a, T b) {
  if constexpr (sizeof(T) == 1) {
    uint8 count = uint8(b);
    T y = count & 1 ? T(a >> 1) : a;
    y = count & 2 ? T(y >> 2) : y;
    y = count & 4 ? T(y >> 4) : y;
    return count < 8 ? y : T(is_signed<T> & (a < T(0)) ? -1 : 0);
  } else if constexpr (sizeof(T) == 2) {  // a count that is seen to be less than 16
    bool inside = uint16(b) < width<T>;
    int count = uint16(inside ? b : T(width<T> - 1)) & 15;
    T y = T(a >> count);
    return inside | is_signed<T> ? y : T(0);
  }
  bool inside = wide_t<T>(b) < wide_t<T>(width<T>);
  T y = T(a >> (inside ? b : T(width<T> - 1)));
  return inside | is_signed<T> ? y : T(0);
}

template <integer T>
FLAMBEAU_LEAF T minimum(T a, T b) {
  return a < b ? a : b;
}
template <integer T>
FLAMBEAU_LEAF T maximum(T a, T b) {
  return a > b ? a : b;
}

// The greatest common divisor, by Euclid's remainders, and the least common multiple, which wraps.
template <integer T>
FLAMBEAU_LEAF_CALL T gcd(T a, T b) {
  using U = typename integer_traits<T>::unsigned_t;
  U x = U(abs(a)), y = U(abs(b));
  while (y != U(0)) {
    U rest = U(x % y);
    x = y;
    y = rest;
  }
  return T(x);
}
template <integer T>
FLAMBEAU_LEAF_CALL T lcm(T a, T b) {
  T divisor = gcd(a, b);
  return divisor == T(0) ? T(0) : abs(mul(trunc_divide(a, divisor), b));
}

}  // namespace flambeau::inline v1::math
