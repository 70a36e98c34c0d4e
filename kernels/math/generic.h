// Leaves that formulas name for every compute type, where a type's own meaning is trivial: real
// numbers are their own conjugates, integers their own roundings.
#pragma once

#include "kernels/math/arithmetic.h"
#include "kernels/math/complex.h"
#include "kernels/math/complex_functions.h"
#include "kernels/math/integer.h"

namespace flambeau::inline v1::math {

template <class T>
concept RealNumber = !is_complex_type<T>::value;
template <class T>
concept Integer = RealNumber<T> && static_cast<T>(0.5) == T(0);

template <RealNumber T>
FLAMBEAU_LEAF T conj(T x) {
  return x;
}
template <RealNumber T>
FLAMBEAU_LEAF T sign(T x) {  // NaN has none
  return static_cast<T>((x > T(0)) - (x < T(0)));
}
template <RealNumber T>
FLAMBEAU_LEAF T sgn(T x) {
  return sign(x);
}
template <RealNumber T>
FLAMBEAU_LEAF T mul_i(T) {
  return T(0);
}
template <class T>
FLAMBEAU_LEAF complex<T> mul_i(complex<T> z) {
  return {-z.im, z.re};
}
template <RealNumber T>
FLAMBEAU_LEAF T reciprocal(T x) {
  return T(1) / x;
}
template <class T>
FLAMBEAU_LEAF complex<T> silu(complex<T> z) {
  complex<T> s = sigmoid(z);
  bool zero = s == complex<T>{T(0), T(0)};  // z may be infinite there
  return complex<T>{zero ? T(-1) : z.re, zero ? T(0) : z.im} * s;
}
template <class T>
FLAMBEAU_LEAF complex<T> silu_slope(complex<T> z) {
  complex<T> s = sigmoid(z), one = {T(1), T(0)};
  complex<T> bend = z * (one - s), height = s * (one - s);
  bool zero = height == complex<T>{T(0), T(0)};  // z may be infinite there
  return s * (one + complex<T>{zero ? T(0) : bend.re, zero ? T(0) : bend.im});
}
template <Integer T>
FLAMBEAU_LEAF T floor(T x) {
  return x;
}
template <Integer T>
FLAMBEAU_LEAF T ceil(T x) {
  return x;
}
template <Integer T>
FLAMBEAU_LEAF T trunc(T x) {
  return x;
}
template <Integer T>
FLAMBEAU_LEAF T round(T x) {
  return x;
}
template <Integer T>
FLAMBEAU_LEAF bool signbit(T x) {
  return x < T(0);
}
template <Integer T>
FLAMBEAU_LEAF bool isinf(T) {
  return false;
}
template <Integer T>
FLAMBEAU_LEAF bool isfinite(T) {
  return true;
}

}  // namespace flambeau::inline v1::math
