#include "kernels/cpu/reduce/reduce_fold.h"

namespace flambeau::cpu::FLAMBEAU_ISA_NAMESPACE {
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
  static constexpr bool kMaps = false, kPartwise = false;
  FLAMBEAU_LEAF T map(T x, const void*) { return x; }
  FLAMBEAU_LEAF T finish(T s, int64_t, const void*) { return s; }
};

template <class T>
struct Sum : Plain<T> {
  static constexpr bool kPartwise = true;
  FLAMBEAU_LEAF T identity() { return T{}; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a + b;
  }
};

template <class T>
struct Mean : Sum<T> {
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

// NaN wins, the earlier one of two.
template <class T>
struct Maximum : Plain<T> {
  FLAMBEAU_LEAF T identity() { return least<T>(); }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return ((a > b) | (a != a)) ? a : b;
  }
  template <class V>
  FLAMBEAU_LEAF auto better(V later, V best) {
    return (later > best) | ((later != later) & (best == best));
  }
};
template <class T>
struct Minimum : Plain<T> {
  FLAMBEAU_LEAF T identity() { return greatest<T>(); }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return ((a < b) | (a != a)) ? a : b;
  }
  template <class V>
  FLAMBEAU_LEAF auto better(V later, V best) {
    return (later < best) | ((later != later) & (best == best));
  }
};

struct Truth : Plain<uint8_t> {
  static constexpr bool kMaps = true;
  FLAMBEAU_LEAF uint8_t map(uint8_t x, const void*) { return x != 0; }
};
struct Any : Truth {
  FLAMBEAU_LEAF uint8_t identity() { return 0; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a | b;
  }
};
struct All : Truth {
  FLAMBEAU_LEAF uint8_t identity() { return 1; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a & b;
  }
};

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

template <class T>
struct NormSum {
  using Element = T;
  using State = double;
  using Result = real_t<T>;
  static constexpr bool kMaps = true, kPartwise = false;
  FLAMBEAU_LEAF double identity() { return 0; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a + b;
  }
  FLAMBEAU_LEAF Result finish(double s, int64_t, const void*) { return static_cast<Result>(s); }
};
template <class T>
struct Norm0 : NormSum<T> {
  FLAMBEAU_LEAF double map(T x, const void*) { return math::cast<bool>(x) ? 1.0 : 0.0; }
};
template <class T>
struct Norm1 : NormSum<T> {
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
  FLAMBEAU_LEAF double p(const void* params) { return static_cast<const NormParams*>(params)->p; }
  FLAMBEAU_LEAF double map(T x, const void* params) { return math::pow(magnitude(x), p(params)); }
  FLAMBEAU_LEAF real_t<T> finish(double s, int64_t, const void* params) {
    return static_cast<real_t<T>>(math::pow(s, 1.0 / p(params)));
  }
};
template <class T>
struct NormMax : Maximum<real_t<T>> {
  using Element = T;
  static constexpr bool kMaps = true;
  FLAMBEAU_LEAF real_t<T> identity() { return 0; }
  FLAMBEAU_LEAF real_t<T> map(T x, const void*) { return math::abs(x); }
};
template <class T>
struct NormMin : Minimum<real_t<T>> {
  using Element = T;
  static constexpr bool kMaps = true;
  FLAMBEAU_LEAF real_t<T> map(T x, const void*) { return math::abs(x); }
};

// Blocks of columns whose intermediate values stay in the L1 cache.
constexpr int kBlock = 128;
template <class F>
FLAMBEAU_LEAF void for_blocks(int64_t cols, F f) {
  for (int64_t j = 0; j < cols; j += kBlock) f(j, cols - j < kBlock ? cols - j : kBlock);
}

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

  static void row(const void* elements, int64_t n, int64_t index, const void*, void* state) {
    const T* p = static_cast<const T*>(elements);
    T best;
    Fold<Op>::row(p, n, 0, nullptr, &best);
    *static_cast<State*>(state) = {best, index + find(p, n, best)};
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
    return {sizeof(State), row, columns, combine, finish, {kDType<T>, DType::int64}};
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

// ---- variance and mean: each block by two passes, blocks joined by Chan's formula, all in double

template <class T>
struct Spread {
  using Real = real_t<T>;
  static constexpr int kParts = Parts<T>::count;
  struct State {
    double n, squares;  // squares: of the distances from the mean
    double mean[kParts];
  };

  static void row(const void* elements, int64_t n, int64_t, const void*, void* state) {
    const Real* p = static_cast<const Real*>(elements);
    State s{static_cast<double>(n), 0, {}};
    const double scale = n > 0 ? 1.0 / s.n : 0.0;
    const Sums total = sums(p, n, [](double x, int) { return x; });
    for (int part = 0; part < kParts; ++part) s.mean[part] = total.of[part] * scale;
    const Sums distance = sums(p, n, [&](double x, int part) { return x - s.mean[part]; });
    const Sums squared = sums(p, n, [&](double x, int part) {
      const double d = x - s.mean[part];
      return d * d;
    });
    for (int part = 0; part < kParts; ++part) {  // what rounding left in the mean
      s.mean[part] += distance.of[part] * scale;
      s.squares += squared.of[part] - distance.of[part] * distance.of[part] * scale;
    }
    *static_cast<State*>(state) = s;
  }

  static void columns(const void* elements, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                      const void*, void* states) {
    const Real* p = static_cast<const Real*>(elements);
    State* s = static_cast<State*>(states);
    const double n = static_cast<double>(rows), scale = 1.0 / n;
    for_blocks(cols * kParts, [&](int64_t begin, int64_t width) {
      double mean[kBlock], squares[kBlock];
      for (int64_t j = 0; j < width; ++j) mean[j] = squares[j] = 0;
      for (int64_t r = 0; r < rows; ++r) {
        const Real* q = row_of(p, row_stride, r) + begin;
        for (int64_t j = 0; j < width; ++j) mean[j] += static_cast<double>(q[j]);
      }
      for (int64_t j = 0; j < width; ++j) mean[j] *= scale;
      for (int64_t r = 0; r < rows; ++r) {
        const Real* q = row_of(p, row_stride, r) + begin;
        for (int64_t j = 0; j < width; ++j) {
          const double d = static_cast<double>(q[j]) - mean[j];
          squares[j] += d * d;
        }
      }
      for (int64_t j = 0; j < width / kParts; ++j) {
        State& out = s[begin / kParts + j];
        out = {n, 0, {}};
        for (int part = 0; part < kParts; ++part) {
          out.mean[part] = mean[j * kParts + part];
          out.squares += squares[j * kParts + part];
        }
      }
    });
  }

  static void combine(void* states, const void* later, int64_t count) {
    State* s = static_cast<State*>(states);
    const State* l = static_cast<const State*>(later);
    for (int64_t i = 0; i < count; ++i) {
      const double n = s[i].n + l[i].n;
      const double share = n > 0 ? l[i].n / n : 0.0;
      s[i].squares += l[i].squares;
      for (int part = 0; part < kParts; ++part) {
        const double d = l[i].mean[part] - s[i].mean[part];
        s[i].mean[part] += d * share;
        s[i].squares += d * d * s[i].n * share;
      }
      s[i].n = n;
    }
  }

  static void finish(const void* states, int64_t n, int64_t count, const void* params,
                     void* const* outs) {
    const State* s = static_cast<const State*>(states);
    const auto& wanted = *static_cast<const SpreadParams*>(params);
    const double freedom = static_cast<double>(count) - wanted.correction;
    const double divisor = freedom > 0 ? freedom : 0.0;
    Real* out = static_cast<Real*>(outs[0]);
    for (int64_t i = 0; i < n; ++i) {
      const double variance = s[i].squares / divisor;
      out[i] = static_cast<Real>(wanted.root ? math::sqrt(variance) : variance);
    }
    Real* mean = static_cast<Real*>(outs[1]);
    if (!mean) return;
    const double none = count > 0 ? 0.0 : math::nan<double>;
    for (int64_t i = 0; i < n; ++i)
      for (int part = 0; part < kParts; ++part)
        mean[i * kParts + part] = static_cast<Real>(s[i].mean[part] + none);
  }

  static constexpr ReduceKernel kernel() {
    return {sizeof(State), row, columns, combine, finish, {kDType<Real>, kDType<T>}};
  }

 private:
  struct Sums {
    double of[kParts];
  };
  // The sums of f(x, part) over n elements.
  template <class F>
  FLAMBEAU_LEAF Sums sums(const Real* p, int64_t n, F f) {
    constexpr int kCount = 32;
    double lane[kCount];
    for (int k = 0; k < kCount; ++k) lane[k] = 0;
    const int64_t parts = n * kParts;
    int64_t i = 0;
    for (; i + kCount <= parts; i += kCount)
      for (int k = 0; k < kCount; ++k) lane[k] += f(static_cast<double>(p[i + k]), k % kParts);
    for (int k = 0; i + k < parts; ++k) lane[k] += f(static_cast<double>(p[i + k]), k % kParts);
    for (int half = kCount / 2; half >= kParts; half /= 2)
      for (int k = 0; k < half; ++k) lane[k] += lane[k + half];
    Sums total;
    for (int part = 0; part < kParts; ++part) total.of[part] = lane[part];
    return total;
  }
};

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

  static void row(const void* elements, int64_t n, int64_t, const void*, void* state) {
    State s;
    Fold<Maximum<T>>::row(elements, n, 0, nullptr, &s.largest);
    const T shift = shift_of(s.largest);
    Fold<Scaled>::row(elements, n, 0, &shift, &s.sum);
    *static_cast<State*>(state) = s;
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
    return {sizeof(State), row, columns, combine, finish, {kDType<T>, kDType<T>}};
  }

 private:
  FLAMBEAU_LEAF T rescaled(State s, T largest) {
    if (s.largest == least<T>()) return T(0);
    return s.sum * math::exp(shift_of(s.largest) - shift_of(largest));
  }
};

// ---- the table: reductions by compute type, in the order of both enumerations

template <template <class> class Op, class T>
constexpr ReduceKernel fold() {
  return Fold<Op<T>>::kernel();
}
template <template <class> class Op, class T>
constexpr ReduceKernel place() {
  return ArgExtreme<Op<T>>::kernel();
}
constexpr ReduceKernel kNone = {};

using C64 = complex<float>;
using C128 = complex<double>;

}  // namespace

#define FLAMBEAU_INEXACT(Op, integers)                                   \
  {fold<Op, float>(), fold<Op, double>(), kNone, integers, kNone, kNone, \
   fold<Op, C64>(),   fold<Op, C128>()}
#define FLAMBEAU_ORDERED(of, Op) \
  {of<Op, float>(), of<Op, double>(), of<Op, int32_t>(), of<Op, int64_t>(), of<Op, uint64_t>()}

extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {{
    FLAMBEAU_INEXACT(Sum, (fold<Sum, int64_t>())),
    FLAMBEAU_INEXACT(Mean, kNone),
    FLAMBEAU_INEXACT(Product, (fold<Product, int64_t>())),
    FLAMBEAU_ORDERED(fold, Maximum),
    FLAMBEAU_ORDERED(fold, Minimum),
    FLAMBEAU_ORDERED(place, Maximum),
    FLAMBEAU_ORDERED(place, Minimum),
    {kNone, kNone, kNone, kNone, kNone, Fold<Any>::kernel()},
    {kNone, kNone, kNone, kNone, kNone, Fold<All>::kernel()},
    {Spread<float>::kernel(), Spread<double>::kernel(), kNone, kNone, kNone, kNone,
     Spread<C64>::kernel(), Spread<C128>::kernel()},
    {LogSumExp<float>::kernel(), LogSumExp<double>::kernel()},
    FLAMBEAU_INEXACT(Norm0, kNone),
    FLAMBEAU_INEXACT(Norm1, kNone),
    FLAMBEAU_INEXACT(Norm2, kNone),
    FLAMBEAU_INEXACT(NormP, kNone),
    FLAMBEAU_INEXACT(NormMax, kNone),
    FLAMBEAU_INEXACT(NormMin, kNone),
}};

#undef FLAMBEAU_INEXACT
#undef FLAMBEAU_ORDERED

}  // namespace flambeau::cpu::FLAMBEAU_ISA_NAMESPACE
