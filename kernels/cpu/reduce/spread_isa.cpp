#include "kernels/cpu/reduce/reduce_states.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- variance and mean: each block by two passes, blocks joined by Chan's formula, all in double

template <class T>
struct Spread {
  using Real = real_t<T>;
  static constexpr int kParts = Parts<T>::count;
  struct State {
    double n, squares;  // squares: of the distances from the mean
    double mean[kParts];
  };

  static void rows(const void* elements, int64_t row_stride, int64_t rows, int64_t n, int64_t,
                   const void*, void* states) {
    for (int64_t r = 0; r < rows; ++r)
      static_cast<State*>(states)[r] =
          of_row(row_of(static_cast<const Real*>(elements), row_stride, r), n);
  }

  FLAMBEAU_LEAF State of_row(const Real* p, int64_t n) {
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
    return s;
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
    return {sizeof(State), rows, columns, combine, finish, {kDType<Real>, kDType<T>}};
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

}  // namespace

extern const ReduceRow spread_row;
const ReduceRow spread_row = {{Spread<float>::kernel(), Spread<double>::kernel(), kNone, kNone,
                               kNone, kNone, Spread<C64>::kernel(), Spread<C128>::kernel()}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
