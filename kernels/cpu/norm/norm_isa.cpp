#include "kernels/cpu/matmul/gemm/simd.h"
#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Element i of a row goes to place i % kPlaces of a sum, and the places are joined as a tree: the
// same bits at any alignment. Each stretch of kStretch elements joins a double, which keeps long
// rows exact enough.
constexpr int kPlaces = 32;
constexpr int64_t kStretch = 4096;
template <class T>
constexpr int kVectors = kPlaces / kLanes<T>;

// The first `count` lanes of v, and `rest` beyond them.
template <class T>
FLAMBEAU_LEAF Vec<T> first(Vec<T> v, int64_t count, Vec<T> rest) {
  using Index = decltype(v < v);
  Index lane;
  for (int j = 0; j < kLanes<T>; ++j) lane[j] = j;
  return lane < Index{} + static_cast<math::bits_t<T>>(count) ? v : rest;
}

// A row of n elements. What is left after the last whole vector is read once, as a vector that is 0
// beyond the end: it would take long to come back from memory that it was just written to.
template <class T>
struct Row {
  const T* elements;
  int64_t n;
  Vec<T> rest;

  Row(const T* row, int64_t count) : elements(row), n(count), rest{} {
    if (left() > 0) rest = load_as<T>(row + whole(), left());
  }
  int64_t left() const { return n % kLanes<T>; }
  int64_t whole() const { return n - left(); }
  Row(const T* row, int64_t count, Vec<T> last) : elements(row), n(count), rest(last) {}
  Vec<T> operator[](int64_t i) const { return i < whole() ? load(elements + i) : rest; }
};

// Folds the elements from `begin` to `end`, of which the vector that starts at i is part(i), into
// the places: place = f(place, part).
template <class T, class P, class F>
FLAMBEAU_LEAF void fold(Vec<T>* places, int64_t begin, int64_t end, P&& part, F&& f) {
  constexpr int64_t kWidth = kLanes<T>;
  int64_t i = begin;
  for (; i + kPlaces <= end; i += kPlaces)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors<T>; ++v) places[v] = f(places[v], part(i + v * kWidth));
#pragma GCC unroll 16
  for (int v = 0; v < kVectors<T>; ++v) {
    const int64_t from = i + v * kWidth;
    if (from + kWidth <= end)
      places[v] = f(places[v], part(from));
    else if (from < end)
      places[v] = first<T>(f(places[v], part(from)), end - from, places[v]);
  }
}

// All places joined, neighbours last.
template <class T, int width, class F>
FLAMBEAU_LEAF T joined(Vec<T> v, F&& join) {
  if constexpr (width == 0) {
    return v[0];
  } else {
    decltype(v < v) index;
    for (int j = 0; j < kLanes<T>; ++j) index[j] = (j + width) % kLanes<T>;
    return joined<T, width / 2>(join(v, __builtin_shuffle(v, index)), join);
  }
}
template <class T, class F>
FLAMBEAU_LEAF T joined(Vec<T>* places, F&& join) {
#pragma GCC unroll 4
  for (int half = kVectors<T> / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int v = 0; v < half; ++v) places[v] = join(places[v], places[v + half]);
  return joined<T, kLanes<T> / 2>(places[0], join);
}

// The sum of n elements, of which the vector that starts at i is part(i).
template <class T, class P>
FLAMBEAU_LEAF double sum_of(int64_t n, P&& part) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kStretch) {
    Vec<T> places[kVectors<T>] = {};
    const auto plus = [](Vec<T> a, Vec<T> b) { return a + b; };
    fold<T>(places, begin, begin + kStretch < n ? begin + kStretch : n, part, plus);
    total += static_cast<double>(joined<T>(places, plus));
  }
  return total;
}

template <class T>
FLAMBEAU_LEAF T max_of(const Row<T>& x) {
  // A NaN is passed over; it comes into the sum of the exponentials, and so into all results.
  const auto larger = [](Vec<T> best, Vec<T> v) { return v > best ? v : best; };
  Vec<T> places[kVectors<T>];
  for (auto& place : places) place = broadcast(-static_cast<T>(__builtin_inf()));
  fold<T>(places, 0, x.n, [&](int64_t i) { return x[i]; }, larger);
  return joined<T>(places, larger);
}

// out[i] = f(rows[i]...) for whole vectors; gives what belongs behind them.
template <class T, class F, class... R>
FLAMBEAU_LEAF Vec<T> map(T* out, F&& f, const Row<T>& row, const R&... rows) {
  const int64_t whole = row.whole();
#pragma GCC ivdep
  for (int64_t i = 0; i < whole; ++i) out[i] = f(row.elements[i], rows.elements[i]...);
  if (whole == row.n) return Vec<T>{};
  T last[kLanes<T>];
  for (int j = 0; j < kLanes<T>; ++j) last[j] = f(row.rest[j], rows.rest[j]...);
  return load(last);
}
// The same to the end.
template <class T, class F, class... R>
FLAMBEAU_LEAF void finish(T* out, F&& f, const Row<T>& row, const R&... rows) {
  const Vec<T> rest = map(out, f, row, rows...);
  if (row.left() > 0) store_as(out + row.whole(), rest, row.left());
}

// math::exp of x <= 0, with its bits: 2^n, which may not be normal, is a normal number times a
// constant.
template <class T>
FLAMBEAU_LEAF T exp_of_negative(T x) {
  constexpr T low = sizeof(T) == 4 ? T(-104) : T(-746);
  constexpr int shift = sizeof(T) == 4 ? 32 : 64;
  constexpr T unit = sizeof(T) == 4 ? T(0x1p-32) : T(0x1p-64);
  const math::exp_reduced<T> a = math::exp_reduce(math::at_least(x, low));
  const T y = math::fma_or_mul(a.r * a.r, math::exp_tail(a.r), a.r) + T(1);
  return y * math::exp2_of_bits<T>(a.n.bits + math::bits_t<T>(shift)) * unit;
}

// exp(x - top) in `out`, and as a row.
template <class T>
FLAMBEAU_LEAF Row<T> exponentials(T* out, const Row<T>& x, T top) {
  const Vec<T> rest = map(out, [=](T v) { return exp_of_negative(v - top); }, x);
  return Row<T>(out, x.n, rest);
}

template <class T>
void softmax(T* out, const T* x, int64_t n) {
  const Row<T> row(x, n);
  const Row<T> made = exponentials(out, row, max_of(row));
  const T scale = static_cast<T>(1 / sum_of<T>(n, [&](int64_t i) { return made[i]; }));
  finish(out, [=](T v) { return v * scale; }, made);
}

template <class T>
void log_softmax(T* out, const T* x, int64_t n) {
  const Row<T> row(x, n);
  const T top = max_of(row);
  // The exponentials wait in `out`, which is written last.
  const Row<T> made = exponentials(out, row, top);
  const T log_sum = math::log(static_cast<T>(sum_of<T>(n, [&](int64_t i) { return made[i]; })));
  finish(out, [=](T v) { return v - top - log_sum; }, row);
}

template <class T>
void softmax_backward(T* out, const T* grad, const T* y, int64_t n) {
  const Row<T> g(grad, n), v(y, n);
  const T dot = static_cast<T>(sum_of<T>(n, [&](int64_t i) { return g[i] * v[i]; }));
  finish(out, [=](T a, T b) { return (a - dot) * b; }, g, v);
}

template <class T>
void log_softmax_backward(T* out, const T* grad, const T* y, int64_t n) {
  const Row<T> g(grad, n), v(y, n);
  const T sum = static_cast<T>(sum_of<T>(n, [&](int64_t i) { return g[i]; }));
  finish(out, [=](T a, T b) { return a - math::exp(b) * sum; }, g, v);
}

// ---- along columns

constexpr int64_t kStrip = kStripColumns;  // full strips have a length that the compiler knows

// Sums of term(i, j) over rows i < n for each column j < width: of stretches of rows first.
template <class T, class F>
FLAMBEAU_LEAF void sum_columns(T* sums, int64_t n, int64_t width, F&& term) {
  constexpr int64_t kRows = 64;
  double totals[kStrip] = {};
  for (int64_t begin = 0; begin < n; begin += kRows) {
    const int64_t end = begin + kRows < n ? begin + kRows : n;
    T parts[kStrip] = {};
    for (int64_t i = begin; i < end; ++i)
#pragma GCC ivdep
      for (int64_t j = 0; j < width; ++j) parts[j] += term(i, j);
    for (int64_t j = 0; j < width; ++j) totals[j] += static_cast<double>(parts[j]);
  }
  for (int64_t j = 0; j < width; ++j) sums[j] = static_cast<T>(totals[j]);
}

template <class T>
FLAMBEAU_LEAF void exponentials(T* out, const T* x, T* tops, T* sums, int64_t n, int64_t step,
                                int64_t width) {
  for (int64_t j = 0; j < width; ++j) tops[j] = -static_cast<T>(__builtin_inf());
  for (int64_t i = 0; i < n; ++i)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j) {
      const T v = x[i * step + j];
      tops[j] = v > tops[j] || v != v ? v : tops[j];
    }
  sum_columns(sums, n, width, [=](int64_t i, int64_t j) {
    return out[i * step + j] = exp_of_negative(x[i * step + j] - tops[j]);
  });
}

template <class T>
FLAMBEAU_LEAF void softmax_strip(T* out, const T* x, int64_t n, int64_t step, int64_t width) {
  T tops[kStrip], sums[kStrip];
  exponentials(out, x, tops, sums, n, step, width);
  for (int64_t j = 0; j < width; ++j) sums[j] = T(1) / sums[j];
  for (int64_t i = 0; i < n; ++i)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j) out[i * step + j] *= sums[j];
}

template <class T>
FLAMBEAU_LEAF void log_softmax_strip(T* out, const T* x, int64_t n, int64_t step, int64_t width) {
  T tops[kStrip], sums[kStrip];
  exponentials(out, x, tops, sums, n, step, width);
#pragma GCC ivdep
  for (int64_t j = 0; j < width; ++j) sums[j] = math::log(sums[j]);
  for (int64_t i = 0; i < n; ++i)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j) out[i * step + j] = x[i * step + j] - tops[j] - sums[j];
}

template <class T>
FLAMBEAU_LEAF void softmax_backward_strip(T* out, const T* grad, const T* y, int64_t n,
                                          int64_t step, int64_t width) {
  T dots[kStrip];
  sum_columns(dots, n, width,
              [=](int64_t i, int64_t j) { return grad[i * step + j] * y[i * step + j]; });
  for (int64_t i = 0; i < n; ++i)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j)
      out[i * step + j] = (grad[i * step + j] - dots[j]) * y[i * step + j];
}

template <class T>
FLAMBEAU_LEAF void log_softmax_backward_strip(T* out, const T* grad, const T* y, int64_t n,
                                              int64_t step, int64_t width) {
  T sums[kStrip];
  sum_columns(sums, n, width, [=](int64_t i, int64_t j) { return grad[i * step + j]; });
  for (int64_t i = 0; i < n; ++i)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j)
      out[i * step + j] = grad[i * step + j] - math::exp(y[i * step + j]) * sums[j];
}

struct FullStrip {
  constexpr operator int64_t() const { return kStrip; }
};
template <class F>
FLAMBEAU_LEAF void by_width(int64_t width, F&& f) {
  if (width == kStrip)
    f(FullStrip());
  else
    f(width);
}

template <class T>
void softmax_columns(T* out, const T* x, int64_t n, int64_t step, int64_t width) {
  by_width(width, [=](auto w) { softmax_strip(out, x, n, step, w); });
}
template <class T>
void log_softmax_columns(T* out, const T* x, int64_t n, int64_t step, int64_t width) {
  by_width(width, [=](auto w) { log_softmax_strip(out, x, n, step, w); });
}
template <class T>
void softmax_backward_columns(T* out, const T* grad, const T* y, int64_t n, int64_t step,
                              int64_t width) {
  by_width(width, [=](auto w) { softmax_backward_strip(out, grad, y, n, step, w); });
}
template <class T>
void log_softmax_backward_columns(T* out, const T* grad, const T* y, int64_t n, int64_t step,
                                  int64_t width) {
  by_width(width, [=](auto w) { log_softmax_backward_strip(out, grad, y, n, step, w); });
}

// ---- layer norm

// In double, on elements that are divided by the largest: for rows whose sums or squares do not
// stay within T.
template <class T>
__attribute__((noinline)) void layer_norm_wide(T* out, T* mean, T* rstd, const T* x,
                                               const T* weight, const T* bias, int64_t n,
                                               double eps) {
  double top = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double size = math::abs(static_cast<double>(x[i]));
    top = size > top ? size : top;
  }
  const double scale = (top > 0) & (top < __builtin_inf()) ? top : 1;
  const double count = static_cast<double>(n);
  // Vectors of doubles, of elements that may be floats.
  const auto scaled = [=](int64_t i) {
    Vec<double> v{};
    for (int j = 0; j < kLanes<double>; ++j) v[j] = i + j < n ? static_cast<double>(x[i + j]) : 0;
    return v / scale;
  };
  const auto squared = [=](Vec<double> v) { return v * v; };
  const double m = sum_of<double>(n, scaled) / count;
  const double variance =
      sum_of<double>(n, [=](int64_t i) { return squared(scaled(i) - m); }) / count;
  // Next to the largest elements eps may round to 0; of elements that are all alike it is what is
  // left, and their distances from the mean are 0.
  const double spread = variance + eps / scale / scale;
  const bool alike = spread == 0 && eps > 0;
  const double r = alike ? 0 : 1 / __builtin_sqrt(spread);
  *mean = static_cast<T>(m * scale);
  *rstd = static_cast<T>(alike ? 1 / __builtin_sqrt(eps) : r / scale);
  for (int64_t i = 0; i < n; ++i) {
    const double y = (static_cast<double>(x[i]) / scale - m) * r;
    out[i] = static_cast<T>(y * (weight ? static_cast<double>(weight[i]) : 1.0) +
                            (bias ? static_cast<double>(bias[i]) : 0.0));
  }
}

template <class T>
void layer_norm(T* out, T* mean, T* rstd, const T* x, const T* weight, const T* bias, int64_t n,
                double eps) {
  const Row<T> row(x, n);
  const double count = static_cast<double>(n);
  const T m = static_cast<T>(sum_of<T>(n, [&](int64_t i) { return row[i]; }) / count);
  const auto squared = [](Vec<T> v) { return v * v; };
  const double variance = sum_of<T>(n, [&](int64_t i) { return squared(row[i] - m); }) / count;
  constexpr double small = sizeof(T) == 4 ? 0x1p-96 : 0x1p-900;
  if (!((variance + eps > small) & (variance < __builtin_inf()))) [[unlikely]]
    return layer_norm_wide(out, mean, rstd, x, weight, bias, n, eps);
  const T r = static_cast<T>(1 / __builtin_sqrt(variance + eps));
  *mean = m;
  *rstd = r;
  const auto normal = [=](T v) { return (v - m) * r; };
  if (weight && bias)
    finish(
        out, [=](T v, T w, T b) { return normal(v) * w + b; }, row, Row<T>(weight, n),
        Row<T>(bias, n));
  else if (weight)
    finish(out, [=](T v, T w) { return normal(v) * w; }, row, Row<T>(weight, n));
  else if (bias)
    finish(out, [=](T v, T b) { return normal(v) + b; }, row, Row<T>(bias, n));
  else
    finish(out, normal, row);
}

// `scaled`: the gradient of the normalised row, times the weight if there is one.
template <class T, class P, class... W>
FLAMBEAU_LEAF void layer_norm_backward_of(T* out, const Row<T>& g, const Row<T>& x, T mean, T rstd,
                                          P&& scaled, const W&... weight) {
  const double count = static_cast<double>(g.n);
  const T a =
      static_cast<T>(sum_of<T>(g.n, [&](int64_t i) { return scaled(g[i], weight[i]...); }) / count);
  const T b = static_cast<T>(
      sum_of<T>(g.n,
                [&](int64_t i) { return scaled(g[i], weight[i]...) * ((x[i] - mean) * rstd); }) /
      count);
  finish(
      out,
      [=](T d, T v, auto... w) { return (scaled(d, w...) - a - (v - mean) * rstd * b) * rstd; }, g,
      x, weight...);
}

template <class T>
void layer_norm_backward(T* out, const T* grad, const T* x, const T* weight, T mean, T rstd,
                         int64_t n) {
  const Row<T> g(grad, n), row(x, n);
  if (weight)
    layer_norm_backward_of(
        out, g, row, mean, rstd, [](auto d, auto w) { return d * w; }, Row<T>(weight, n));
  else
    layer_norm_backward_of(out, g, row, mean, rstd, [](auto d) { return d; });
}

template <class T>
void layer_norm_affine(T* grad_weight, T* grad_bias, const T* grad, const T* x, T mean, T rstd,
                       int64_t n) {
  if (grad_weight) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) grad_weight[i] += grad[i] * ((x[i] - mean) * rstd);
  }
  if (grad_bias) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) grad_bias[i] += grad[i];
  }
}

template <class T>
void accumulate(T* dst, const T* src, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dst[i] += src[i];
}

#define FLAMBEAU_ROWS(T)                                       \
  {{softmax<T>, softmax_columns<T>},                           \
   {log_softmax<T>, log_softmax_columns<T>},                   \
   {softmax_backward<T>, softmax_backward_columns<T>},         \
   {log_softmax_backward<T>, log_softmax_backward_columns<T>}, \
   layer_norm<T>,                                              \
   layer_norm_backward<T>,                                     \
   layer_norm_affine<T>,                                       \
   accumulate<T>}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {FLAMBEAU_ROWS(float), FLAMBEAU_ROWS(double)};

#undef FLAMBEAU_ROWS
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
