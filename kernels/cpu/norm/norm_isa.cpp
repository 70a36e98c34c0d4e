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

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {
    {layer_norm_backward<float>, layer_norm_affine<float>, accumulate<float>},
    {layer_norm_backward<double>, layer_norm_affine<double>, accumulate<double>}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
