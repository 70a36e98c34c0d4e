#include "kernels/cpu/reduce/reduce_states.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- extremes and their places

template <class Op>
struct ArgExtreme {
  using T = typename Op::Element;
  using Place = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  using Places = vector_t<Place>;
  struct State {
    T value;
    int64_t index;
  };

  static void rows(const void* elements, int64_t row_stride, int64_t rows, int64_t n, int64_t index,
                   const void*, void* states) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* p = row_of(static_cast<const T*>(elements), row_stride, r);
      T best;
      Fold<Op>::row(p, n, nullptr, &best);
      static_cast<State*>(states)[r] = {best, index + find(p, n, best)};
    }
  }

  static void columns(const void* elements, int64_t row_stride, int64_t rows, int64_t cols,
                      int64_t index, const void*, void* states) {
    const T* p = static_cast<const T*>(elements);
    State* s = static_cast<State*>(states);
    constexpr int kTogether = 8;
    constexpr int64_t kStep = kTogether * Vector<T>::kWidth;
    int64_t j = 0;
    for (; j + kStep <= cols; j += kStep)
      few_columns<kTogether>(p + j, row_stride, rows, Vector<T>::kWidth, index, s + j);
    for_vectors<T>(cols - j, [&](int64_t k, int64_t n) {
      few_columns<1>(p + j + k, row_stride, rows, n, index, s + j + k);
    });
  }

  static void combine(void* states, const void* later, int64_t n) {
    State* s = static_cast<State*>(states);
    const State* l = static_cast<const State*>(later);
    for (int64_t i = 0; i < n; ++i) {
      const bool later_wins = Op::better(l[i].value, s[i].value);
      s[i] = {later_wins ? l[i].value : s[i].value, later_wins ? l[i].index : s[i].index};
    }
  }

  static void finish(const void* states, int64_t n, int64_t, const void*, void* const* outs) {
    const State* s = static_cast<const State*>(states);
    if (T* values = static_cast<T*>(outs[0]))
      for (int64_t i = 0; i < n; ++i) values[i] = s[i].value;
    int64_t* indices = static_cast<int64_t*>(outs[1]);
    for (int64_t i = 0; i < n; ++i) indices[i] = s[i].index;
  }

  static constexpr ReduceKernel kernel() {
    return {sizeof(State), rows, columns, combine, finish, {kDType<T>, DType::int64}};
  }

 private:
  // Vectors side by side, of which the last one has n columns.
  template <int kVectors>
  FLAMBEAU_LEAF void few_columns(const T* p, int64_t row_stride, int64_t rows, int64_t n,
                                 int64_t index, State* s) {
    constexpr int kWidth = Vector<T>::kWidth;
    vector_t<T> best[kVectors];
    Places at[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      best[v] = load<T>(p + v * kWidth, n, vector_t<T>{});
      at[v] = Places{};
    }
    for (int64_t r = 1; r < rows; ++r) {
      const T* q = row_of(p, row_stride, r);
      const Places place = Places{} + static_cast<Place>(r);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const vector_t<T> x = load<T>(q + v * kWidth, n, vector_t<T>{});
        const Places wins = Op::better(x, best[v]);
        best[v] = wins ? x : best[v];
        at[v] = wins ? place : at[v];
      }
    }
    for (int v = 0; v < kVectors; ++v)
      for (int64_t k = 0; k < n; ++k) s[v * kWidth + k] = {best[v][k], index + at[v][k]};
  }

  template <Place... I>
  FLAMBEAU_LEAF Places iota(std::integer_sequence<Place, I...>) {
    return Places{I...};
  }

  // The place of the first element that is `best`, or NaN when that is.
  FLAMBEAU_LEAF int64_t find(const T* p, int64_t n, T best) {
    constexpr int64_t kWidth = Vector<T>::kWidth, kStretch = 32 * kWidth;
    const vector_t<T> wanted = broadcast(best);
    for (int64_t begin = 0; begin < n; begin += kStretch) {
      const int64_t left = n - begin < kStretch ? n - begin : kStretch;
      Places place = iota(std::make_integer_sequence<Place, kWidth>()),
             first = Places{} + static_cast<Place>(kStretch);
      for_vectors<T>(left, [&](int64_t j, int64_t m) {
        const vector_t<T> x = load<T>(p + begin + j, m, wanted);
        const Places hits = (x == wanted) | (x != x);
        first = hits & (place < first) ? place : first;
        place += static_cast<Place>(kWidth);
      });
      Place found = first[0];
      for (int k = 1; k < kWidth; ++k) found = first[k] < found ? first[k] : found;
      if (found < left) return begin + found;
    }
    return 0;
  }
};

template <template <class> class Op>
constexpr ReduceRow places() {
  return {{ArgExtreme<Op<float>>::kernel(), ArgExtreme<Op<double>>::kernel(),
           ArgExtreme<Op<int32_t>>::kernel(), ArgExtreme<Op<int64_t>>::kernel(),
           ArgExtreme<Op<uint64_t>>::kernel()}};
}

}  // namespace

extern const ReduceRow max_row;
const ReduceRow max_row = ordered<Maximum>();
extern const ReduceRow min_row;
const ReduceRow min_row = ordered<Minimum>();
extern const ReduceRow arg_max_row;
const ReduceRow arg_max_row = places<Maximum>();
extern const ReduceRow arg_min_row;
const ReduceRow arg_min_row = places<Minimum>();

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
