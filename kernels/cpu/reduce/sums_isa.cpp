#include "kernels/cpu/reduce/reduce_states.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

template <class T>
struct Mean : Sum<T> {
  using FoldedAs = Sum<T>;
  FLAMBEAU_LEAF T finish(T s, int64_t count, const void*) {
    const auto n = static_cast<real_t<T>>(count);
    if constexpr (Parts<T>::count == 2)
      return T{s.re / n, s.im / n};
    else
      return s / n;
  }
};

template <class T>
struct Product : Plain<T> {
  FLAMBEAU_LEAF T identity() {
    if constexpr (Parts<T>::count == 2)
      return T{1, 0};
    else
      return T(1);
  }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a * b;
  }
};

// Any byte but 0 is true.
struct Any : Plain<uint8_t> {
  FLAMBEAU_LEAF uint8_t identity() { return 0; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a | b;
  }
  FLAMBEAU_LEAF uint8_t finish(uint8_t s, int64_t, const void*) { return s != 0; }
};
struct All : Minimum<uint8_t> {
  FLAMBEAU_LEAF uint8_t finish(uint8_t s, int64_t, const void*) { return s != 0; }
};

}  // namespace

extern const ReduceRow sum_row;
const ReduceRow sum_row = inexact<Sum>(fold<Sum, int64_t>());
extern const ReduceRow mean_row;
const ReduceRow mean_row = inexact<Mean>();
extern const ReduceRow prod_row;
const ReduceRow prod_row = inexact<Product>(fold<Product, int64_t>());
extern const ReduceRow any_row;
const ReduceRow any_row = {{kNone, kNone, kNone, kNone, kNone, Fold<Any>::kernel()}};
extern const ReduceRow all_row;
const ReduceRow all_row = {{kNone, kNone, kNone, kNone, kNone, Fold<All>::kernel()}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
