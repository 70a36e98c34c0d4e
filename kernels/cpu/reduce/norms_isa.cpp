#include "kernels/cpu/reduce/reduce_states.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- norms: folds of magnitudes. Sums are in double, where no float overflows.

FLAMBEAU_LEAF double magnitude(float x) { return math::abs(x); }
FLAMBEAU_LEAF double magnitude(double x) { return math::abs(x); }
FLAMBEAU_LEAF double magnitude(complex<float> z) { return math::hypot(double(z.re), double(z.im)); }
FLAMBEAU_LEAF double magnitude(complex<double> z) { return math::hypot(z.re, z.im); }

FLAMBEAU_LEAF double square(float x) { return double(x) * double(x); }
FLAMBEAU_LEAF double square(double x) { return x * x; }
template <class T>
FLAMBEAU_LEAF double square(complex<T> z) {
  return square(z.re) + square(z.im);
}

// The bits of 1, of 0 for 0: without comparisons, which the compiler takes out of vectors.
FLAMBEAU_LEAF uint64_t one_unless_zero(double x) {
  const uint64_t b = math::bits_of(x) << 1;
  return (0 - ((b | (0 - b)) >> 63)) & math::bits_of(1.0);
}
template <class T>
FLAMBEAU_LEAF uint64_t one_unless_zero(complex<T> z) {
  return one_unless_zero(z.re) | one_unless_zero(z.im);
}

template <class T>
struct NormSum {
  using Element = T;
  using State = double;
  using Result = real_t<T>;
  static constexpr bool kMaps = true, kLongMap = false, kPartwise = false, kExtreme = false;
  FLAMBEAU_LEAF double identity() { return 0; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a + b;
  }
  FLAMBEAU_LEAF Result finish(double s, int64_t, const void*) { return static_cast<Result>(s); }
};
template <class T>
struct Norm0 : NormSum<T> {
  FLAMBEAU_LEAF double map(T x, const void*) { return math::from_bits(one_unless_zero(x)); }
};
template <class T>
struct Norm1 : NormSum<T> {
  static constexpr bool kLongMap = Parts<T>::count == 2;
  FLAMBEAU_LEAF double map(T x, const void*) { return magnitude(x); }
};
template <class T>
struct Norm2 : NormSum<T> {
  FLAMBEAU_LEAF double map(T x, const void*) { return square(x); }
  FLAMBEAU_LEAF real_t<T> finish(double s, int64_t, const void*) {
    return static_cast<real_t<T>>(math::sqrt(s));
  }
};
template <class T>
struct NormP : NormSum<T> {
  static constexpr bool kLongMap = true;
  FLAMBEAU_LEAF double p(const void* params) { return static_cast<const NormParams*>(params)->p; }
  FLAMBEAU_LEAF double map(T x, const void* params) { return math::pow(magnitude(x), p(params)); }
  FLAMBEAU_LEAF real_t<T> finish(double s, int64_t, const void* params) {
    return static_cast<real_t<T>>(math::pow(s, 1.0 / p(params)));
  }
};
template <class T>
struct NormMax : Maximum<real_t<T>> {
  using Element = T;
  static constexpr bool kMaps = true, kLongMap = Parts<T>::count == 2;
  FLAMBEAU_LEAF real_t<T> identity() { return 0; }
  FLAMBEAU_LEAF real_t<T> map(T x, const void*) { return math::abs(x); }
};
template <class T>
struct NormMin : Minimum<real_t<T>> {
  using Element = T;
  static constexpr bool kMaps = true, kLongMap = Parts<T>::count == 2;
  FLAMBEAU_LEAF real_t<T> map(T x, const void*) { return math::abs(x); }
};

}  // namespace

extern const ReduceRow norm_0_row;
const ReduceRow norm_0_row = inexact<Norm0>();
extern const ReduceRow norm_1_row;
const ReduceRow norm_1_row = inexact<Norm1>();
extern const ReduceRow norm_2_row;
const ReduceRow norm_2_row = inexact<Norm2>();
extern const ReduceRow norm_p_row;
const ReduceRow norm_p_row = inexact<NormP>();
extern const ReduceRow norm_max_row;
const ReduceRow norm_max_row = inexact<NormMax>();
extern const ReduceRow norm_min_row;
const ReduceRow norm_min_row = inexact<NormMin>();

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
