// Conversions between all element types, as PyTorch makes them on x86.
//
// Note [Casts]
// Rounding is to nearest even, float to integer truncates. What does not fit gets the bits that the
// processor's own conversion would leave: signed targets up to 32 bits go through int32, unsigned
// ones of 8 and 32 bits through int64 and of 16 bits through int32, keeping the low bits; a value
// beyond the type in between (or NaN) becomes its smallest number. Everything but zero is true. A
// complex number loses its imaginary part, except to bool.
#pragma once

#include "kernels/math/complex.h"
#include "kernels/math/half.h"
#include "kernels/math/integer.h"

namespace flambeau::inline v1::math {

template <class T>
FLAMBEAU_LEAF int32 to_int32(T x) {
  bool fits = (x > T(-0x1p31) - T(1)) & (x < T(0x1p31));
  return fits ? int32(fits ? x : T(0)) : int32(-0x7fffffff - 1);
}
template <class T>
FLAMBEAU_LEAF int64 to_int64(T x) {
  bool fits = (x >= T(-0x1p63)) & (x < T(0x1p63));
  return fits ? int64(fits ? x : T(0)) : int64(uint64(1) << 63);
}

// trunc(x) modulo 2^32 or 2^8, for which no vector unit needs a conversion to int64; 0 where x does
// not fit int64.
FLAMBEAU_LEAF uint32 low_32_bits(double x) {
  double whole = trunc(x);
  double low = whole - 0x1p32 * floor(whole * 0x1p-32) - 0x1p31;
  return uint32(abs(x) <= 0x1p63 ? to_int32(low) : int32(-0x7fffffff - 1)) ^ 0x80000000u;
}
FLAMBEAU_LEAF uint8 low_8_bits(float x) {
  return uint8(to_int32(x));
}  // the rest is multiples of 2^8
FLAMBEAU_LEAF uint8 low_8_bits(double x) {
  double whole = trunc(x);
  double low = whole - 0x1p8 * floor(whole * 0x1p-8);
  return uint8(abs(x) <= 0x1p63 ? to_int32(low) : 0);
}

template <integer To, class From>
FLAMBEAU_LEAF To float_to_integer(From x) {
  if constexpr (sizeof(To) == 8 && is_signed<To>) {
    return to_int64(x);
  } else if constexpr (sizeof(To) == 8) {
    bool high = x >= From(0x1p63);
    uint64 y = uint64(to_int64(high ? x - From(0x1p63) : x));
    return high ? y ^ (uint64(1) << 63) : y;
  } else if constexpr (sizeof(To) == 4 && !is_signed<To>) {
    return low_32_bits(x);
  } else if constexpr (sizeof(To) == 1 && !is_signed<To>) {
    return low_8_bits(x);
  } else {
    return To(to_int32(x));
  }
}

template <class T>
struct is_complex_type {
  static constexpr bool value = false;
};
template <class T>
struct is_complex_type<complex<T>> {
  static constexpr bool value = true;
  using part = T;
};
template <class A, class B>
static constexpr bool is_same = false;
template <class A>
constexpr bool is_same<A, A> = true;

template <class To, class From>
FLAMBEAU_LEAF To cast(From x) {
  if constexpr (is_same<To, From>) {
    return x;
  } else if constexpr (is_same<From, float16> || is_same<From, bfloat16>) {
    return cast<To>(to_float(x));
  } else if constexpr (is_complex_type<From>::value) {
    if constexpr (is_same<To, bool>) {
      return (x.re != 0) | (x.im != 0);
    } else if constexpr (is_complex_type<To>::value) {
      using Part = typename is_complex_type<To>::part;
      return To{Part(x.re), Part(x.im)};
    } else {
      return cast<To>(x.re);
    }
  } else if constexpr (is_complex_type<To>::value) {
    using Part = typename is_complex_type<To>::part;
    return To{cast<Part>(x), Part(0)};
  } else if constexpr (is_same<To, float16>) {
    return to_float16(cast<float>(x));
  } else if constexpr (is_same<To, bfloat16>) {
    return to_bfloat16(cast<float>(x));
  } else if constexpr (is_same<To, bool>) {
    return x != From(0);
  } else if constexpr (is_float<From> && integer<To>) {
    return float_to_integer<To>(x);
  } else {
    return To(x);  // between floats, between integers, from bool, from integers to floats
  }
}

}  // namespace flambeau::inline v1::math
