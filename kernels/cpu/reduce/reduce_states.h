// States that several files of reductions use, and how a table's rows are written.
#pragma once

#include "kernels/cpu/reduce/reduce_fold.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

template <class T>
constexpr T least() {
  if constexpr (kFloating<T>)
    return -math::infinity<T>;
  else
    return T(-1) < T(0) ? T(T(1) << (8 * sizeof(T) - 1)) : T(0);
}
template <class T>
constexpr T greatest() {
  if constexpr (kFloating<T>)
    return math::infinity<T>;
  else
    return T(~least<T>());
}

// What most folds share.
template <class T>
struct Plain {
  using Element = T;
  using State = T;
  using Result = T;
  static constexpr bool kMaps = false, kLongMap = false, kPartwise = false, kExtreme = false;
  FLAMBEAU_LEAF T map(T x, const void*) { return x; }
  FLAMBEAU_LEAF T finish(T s, int64_t, const void*) { return s; }
};

template <class T>
struct Sum : Plain<T> {
  using OfPart = Sum<real_t<T>>;
  static constexpr bool kPartwise = true;
  FLAMBEAU_LEAF T identity() { return T{}; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a + b;
  }
};

// NaN wins, the earlier one of two.
template <class T>
struct Maximum : Plain<T> {
  static constexpr bool kExtreme = true;
  FLAMBEAU_LEAF T identity() { return least<T>(); }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    if constexpr (kFloating<T>)
      return ((a > b) | (a != a)) ? a : b;
    else
      return of_numbers(a, b);
  }
  template <class V>
  FLAMBEAU_LEAF V of_numbers(V a, V b) {
    return a > b ? a : b;
  }
  template <class V>
  FLAMBEAU_LEAF auto better(V later, V best) {
    return (later > best) | ((later != later) & (best == best));
  }
};
template <class T>
struct Minimum : Plain<T> {
  static constexpr bool kExtreme = true;
  FLAMBEAU_LEAF T identity() { return greatest<T>(); }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    if constexpr (kFloating<T>)
      return ((a < b) | (a != a)) ? a : b;
    else
      return of_numbers(a, b);
  }
  template <class V>
  FLAMBEAU_LEAF V of_numbers(V a, V b) {
    return a < b ? a : b;
  }
  template <class V>
  FLAMBEAU_LEAF auto better(V later, V best) {
    return (later < best) | ((later != later) & (best == best));
  }
};

// Blocks of columns whose intermediate values stay in the L1 cache.
constexpr int kBlock = 128;
template <class F>
FLAMBEAU_LEAF void for_blocks(int64_t cols, F f) {
  for (int64_t j = 0; j < cols; j += kBlock) f(j, cols - j < kBlock ? cols - j : kBlock);
}

template <template <class> class Op, class T>
constexpr ReduceKernel fold() {
  return Fold<Op<T>>::kernel();
}
constexpr ReduceKernel kNone = {};

using C64 = complex<float>;
using C128 = complex<double>;

// Rows in the order of Compute: floating and complex types, and for some the integers, which others
// are converted from.
template <template <class> class Op>
constexpr ReduceRow inexact(ReduceKernel integers = kNone) {
  return {{fold<Op, float>(), fold<Op, double>(), kNone, integers, kNone, kNone, fold<Op, C64>(),
           fold<Op, C128>(), kNone, kNone, kNone, Fold<Op<float>, math::bfloat16>::kernel()},
          Fold<Op<float>, math::float16>::kernel()};
}
template <template <class> class Op, class T>
constexpr ReduceKernel of_small(DType dtype) {
  ReduceKernel kernel = fold<Op, T>();
  kernel.outs[0] = kernel.outs[1] = dtype;
  return kernel;
}
template <template <class> class Op>
constexpr ReduceRow ordered() {
  return {{fold<Op, float>(), fold<Op, double>(), fold<Op, int32_t>(), fold<Op, int64_t>(),
           fold<Op, uint64_t>(), kNone, kNone, kNone, of_small<Op, int8_t>(DType::int8),
           of_small<Op, uint8_t>(DType::uint8), of_small<Op, int16_t>(DType::int16),
           Fold<Op<float>, math::bfloat16>::kernel()},
          Fold<Op<float>, math::float16>::kernel()};
}

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
