#include "kernels/cpu/reduce/reduce_states.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- log(sum(exp(x))): the sum is kept relative to the largest element

template <class T>
struct LogSumExp {
  struct State {
    T largest, sum;
  };

  // An infinite largest element cannot be subtracted.
  FLAMBEAU_LEAF T shift_of(T largest) { return math::isinf(largest) ? T(0) : largest; }

  struct Scaled : Sum<T> {
    static constexpr bool kMaps = true;
    FLAMBEAU_LEAF T map(T x, const void* shift) {
      return math::exp(x - *static_cast<const T*>(shift));
    }
  };

  static void rows(const void* elements, int64_t row_stride, int64_t rows, int64_t n, int64_t,
                   const void*, void* states) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* p = row_of(static_cast<const T*>(elements), row_stride, r);
      State s;
      Fold<Maximum<T>>::row(p, n, nullptr, &s.largest);
      const T shift = shift_of(s.largest);
      Fold<Scaled>::row(p, n, &shift, &s.sum);
      static_cast<State*>(states)[r] = s;
    }
  }

  static void columns(const void* elements, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                      const void*, void* states) {
    const T* p = static_cast<const T*>(elements);
    State* s = static_cast<State*>(states);
    for_blocks(cols, [&](int64_t begin, int64_t n) {
      T largest[kBlock], shift[kBlock], sum[kBlock];
      Fold<Maximum<T>>::columns(p + begin, row_stride, rows, n, 0, nullptr, largest);
      for (int64_t j = 0; j < n; ++j) {
        shift[j] = shift_of(largest[j]);
        sum[j] = 0;
      }
      for (int64_t r = 0; r < rows; ++r) {
        const T* q = row_of(p, row_stride, r) + begin;
        for (int64_t j = 0; j < n; ++j) sum[j] += math::exp(q[j] - shift[j]);
      }
      for (int64_t j = 0; j < n; ++j) s[begin + j] = {largest[j], sum[j]};
    });
  }

  static void combine(void* states, const void* later, int64_t n) {
    State* s = static_cast<State*>(states);
    const State* l = static_cast<const State*>(later);
    for (int64_t i = 0; i < n; ++i) {
      const T largest = Maximum<T>::join(s[i].largest, l[i].largest);
      s[i] = {largest, rescaled(s[i], largest) + rescaled(l[i], largest)};
    }
  }

  static void finish(const void* states, int64_t n, int64_t, const void*, void* const* outs) {
    const State* s = static_cast<const State*>(states);
    T* out = static_cast<T*>(outs[0]);
    for (int64_t i = 0; i < n; ++i) out[i] = math::log(s[i].sum) + shift_of(s[i].largest);
  }

  static constexpr ReduceKernel kernel() {
    return {sizeof(State), rows, columns, combine, finish, {kDType<T>, kDType<T>}};
  }

 private:
  FLAMBEAU_LEAF T rescaled(State s, T largest) {
    if (s.largest == least<T>()) return T(0);
    return s.sum * math::exp(shift_of(s.largest) - shift_of(largest));
  }
};

}  // namespace

extern const ReduceRow logsumexp_row;
const ReduceRow logsumexp_row = {{LogSumExp<float>::kernel(), LogSumExp<double>::kernel()}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
