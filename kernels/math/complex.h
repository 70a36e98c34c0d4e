// Complex numbers: layout of std::complex, arithmetic as PyTorch's. Functions of them are in
// complex_functions.h.
#pragma once

#include "kernels/math/arithmetic.h"
#include "kernels/math/inverse.h"

namespace flambeau::inline v1::math {

template <class T>
struct complex {
  T re, im;
};

template <class T>
FLAMBEAU_LEAF complex<T> operator+(complex<T> a, complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
FLAMBEAU_LEAF complex<T> operator-(complex<T> a, complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
FLAMBEAU_LEAF complex<T> operator-(complex<T> a) {
  return {-a.re, -a.im};
}
// Note [Alternating sums]
// GCC 12 makes one fused instruction of products that are subtracted for the real part and added
// for the imaginary one, in the vector body alone and whatever -ffp-contract says. It does not
// where both are additions, so a factor is negated instead, which is exact.

// The plain formula: no attempt to recover infinities. See Note [Alternating sums].
template <class T>
FLAMBEAU_LEAF complex<T> operator*(complex<T> a, complex<T> b) {
  return {a.re * b.re + (-a.im) * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
FLAMBEAU_LEAF complex<T> operator*(T a, complex<T> b) {
  return {a * b.re, a * b.im};
}
// Smith's method: scaled by the larger part of b, so that its square cannot overflow.
template <class T>
FLAMBEAU_LEAF complex<T> operator/(complex<T> a, complex<T> b) {
  bool real_larger = abs(b.re) >= abs(b.im);
  T large = real_larger ? b.re : b.im, small = real_larger ? b.im : b.re;
  bool zero = (large == T(0)) & (small == T(0));
  T ratio = zero ? T(0) : small / large;
  T scale = T(1) / (zero ? abs(large) : large + small * ratio);
  // See Note [Alternating sums].
  T first = real_larger ? a.re : a.im, second = real_larger ? a.im : a.re;
  T re = first + second * ratio;
  T im = (real_larger ? a.im : -a.re) + first * (real_larger ? -ratio : ratio);
  // By 0 each part is divided for itself, and gives infinity or NaN.
  return {zero ? a.re / abs(large) : re * scale, zero ? a.im / abs(large) : im * scale};
}
template <class T>
FLAMBEAU_LEAF bool operator==(complex<T> a, complex<T> b) {
  return (a.re == b.re) & (a.im == b.im);
}
template <class T>
FLAMBEAU_LEAF bool operator!=(complex<T> a, complex<T> b) {
  return (a.re != b.re) | (a.im != b.im);
}

template <class T>
FLAMBEAU_LEAF complex<T> conj(complex<T> z) {
  return {z.re, -z.im};
}
template <class T>
FLAMBEAU_LEAF T abs(complex<T> z) {
  return hypot(z.re, z.im);
}
template <class T>
FLAMBEAU_LEAF T angle(complex<T> z) {
  return atan2(z.im, z.re);
}
template <class T>
FLAMBEAU_LEAF bool isnan(complex<T> z) {
  return isnan(z.re) | isnan(z.im);
}
template <class T>
FLAMBEAU_LEAF bool isinf(complex<T> z) {
  return isinf(z.re) | isinf(z.im);
}
template <class T>
FLAMBEAU_LEAF bool isfinite(complex<T> z) {
  return isfinite(z.re) & isfinite(z.im);
}
template <class T>
FLAMBEAU_LEAF complex<T> reciprocal(complex<T> z) {
  return complex<T>{T(1), T(0)} / z;
}
// z / |z|, and 0 at 0.
template <class T>
FLAMBEAU_LEAF complex<T> sgn(complex<T> z) {
  T r = abs(z);
  bool zero = r == T(0);
  return {zero ? T(0) : z.re / r, zero ? T(0) : z.im / r};
}

}  // namespace flambeau::inline v1::math
