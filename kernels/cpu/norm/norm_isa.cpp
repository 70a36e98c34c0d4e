#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Sums run in kLanes partial sums, joined as a tree: the same bits at any alignment. Each stretch
// of kStretch elements joins a double, which keeps long rows exact enough.
constexpr int kLanes = 32;
constexpr int64_t kStretch = 4096;

// Joins lanes pairwise until one is left. The widths are constants, or the compiler would make
// loops of them.
#if defined(__AVX512F__)
template <class T, int n>
struct VectorOf {
  typedef T type __attribute__((vector_size(n * sizeof(T))));
};

template <class T, int n, class V, class F>
FLAMBEAU_LEAF T join_halves(V v, F&& join) {  // in registers
  using Half = typename VectorOf<T, n / 2>::type;
  Half halves[2];
  __builtin_memcpy(halves, &v, sizeof v);
  const Half joined = join(halves[0], halves[1]);
  if constexpr (n == 4)
    return join(joined[0], joined[1]);
  else
    return join_halves<T, n / 2>(joined, join);
}

template <class T, class F>
FLAMBEAU_LEAF T join_lanes(const T* lanes, F&& join) {
  using Half = typename VectorOf<T, kLanes / 2>::type;
  Half halves[2];
  __builtin_memcpy(halves, lanes, sizeof halves);
  return join_halves<T, kLanes / 2>(join(halves[0], halves[1]), join);
}
#else
template <int width, class T, class F>
FLAMBEAU_LEAF T fold(T* lanes, F&& join) {
  for (int j = 0; j < width; ++j) lanes[j] = join(lanes[j], lanes[j + width]);
  if constexpr (width > 1) fold<width / 2>(lanes, join);
  return lanes[0];
}

template <class T, class F>
FLAMBEAU_LEAF T join_lanes(T* lanes, F&& join) {
  return fold<kLanes / 2>(lanes, join);
}
#endif

template <class T>
FLAMBEAU_LEAF T tree(T* lanes) {
  return join_lanes(lanes, [](auto a, auto b) { return a + b; });
}

// NaN must win: a comparison that is false for it keeps it. Numbers, or vectors of them.
template <class T>
FLAMBEAU_LEAF T larger(T a, T b) {
  return (b > a) | (b != b) ? b : a;
}

// The sum of term(i) over i < n.
template <class T, class F>
FLAMBEAU_LEAF double sum_of(int64_t n, F&& term) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kStretch) {
    const int64_t end = begin + kStretch < n ? begin + kStretch : n;
    T lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (int j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
    for (int j = 0; i + j < end; ++j) lanes[j] += term(i + j);
    total += static_cast<double>(tree(lanes));
  }
  return total;
}

template <class T>
FLAMBEAU_LEAF T top_of(T* lanes) {
  return join_lanes(lanes, [](auto a, auto b) { return larger(a, b); });
}

template <class T>
FLAMBEAU_LEAF T max_of(const T* x, int64_t n) {
  T lanes[kLanes];
  for (int j = 0; j < kLanes; ++j) lanes[j] = -static_cast<T>(__builtin_inf());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] = larger(lanes[j], x[i + j]);
  for (int j = 0; i + j < n; ++j) lanes[j] = larger(lanes[j], x[i + j]);
  return top_of(lanes);
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

// Rows up to this length are put into whole lanes, filled up with what adds nothing, and stay in
// registers: `whole` elements, which are a constant.
constexpr int kShortRow = 4 * kLanes;

// The exponentials of x - their largest into `powers`; their sum.
template <int whole, class T>
FLAMBEAU_LEAF T short_exponentials(T* powers, const T* x, int n, T& top) {
  constexpr T kNone = -static_cast<T>(__builtin_inf());
  T lanes[kLanes];
  for (int i = 0; i < whole; ++i) powers[i] = i < n ? x[i] : kNone;
  for (int j = 0; j < kLanes; ++j) lanes[j] = powers[j];
  for (int i = kLanes; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] = larger(lanes[j], powers[i + j]);
  top = top_of(lanes);
  const T shift = top;
  for (int i = 0; i < whole; ++i) powers[i] = exp_of_negative(powers[i] - shift);
  for (int j = 0; j < kLanes; ++j) lanes[j] = powers[j];
  for (int i = kLanes; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] += powers[i + j];
  return tree(lanes);
}

template <int whole, class T>
FLAMBEAU_LEAF void softmax_short(T* __restrict out, const T* __restrict x, int n) {
  T powers[whole], top;
  const T scale = T(1) / short_exponentials<whole>(powers, x, n, top);
  for (int i = 0; i < whole; ++i)
    if (i < n) out[i] = powers[i] * scale;
}

template <int whole, class T>
FLAMBEAU_LEAF void log_softmax_short(T* __restrict out, const T* __restrict x, int n) {
  T powers[whole], top;
  const T log_sum = math::log(short_exponentials<whole>(powers, x, n, top));
  const T shift = top;
  for (int i = 0; i < whole; ++i)
    if (i < n) out[i] = x[i] - shift - log_sum;
}

template <class T>
void softmax(T* out, const T* x, int64_t n) {
  const int few = static_cast<int>(n);
  if (n <= kLanes) return softmax_short<kLanes>(out, x, few);
  if (n <= 2 * kLanes) return softmax_short<2 * kLanes>(out, x, few);
  if (n <= kShortRow) return softmax_short<kShortRow>(out, x, few);
  const T top = max_of(x, n);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = exp_of_negative(x[i] - top);
  const T scale = static_cast<T>(1 / sum_of<T>(n, [=](int64_t i) { return out[i]; }));
  for (int64_t i = 0; i < n; ++i) out[i] *= scale;
}

template <class T>
void log_softmax(T* out, const T* x, int64_t n) {
  const int few = static_cast<int>(n);
  if (n <= kLanes) return log_softmax_short<kLanes>(out, x, few);
  if (n <= 2 * kLanes) return log_softmax_short<2 * kLanes>(out, x, few);
  if (n <= kShortRow) return log_softmax_short<kShortRow>(out, x, few);
  const T top = max_of(x, n);
  // The exponentials wait in `out`, which is written last.
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = exp_of_negative(x[i] - top);
  const T log_sum = math::log(static_cast<T>(sum_of<T>(n, [=](int64_t i) { return out[i]; })));
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] - top - log_sum;
}

template <class T>
void softmax_backward(T* out, const T* grad, const T* y, int64_t n) {
  const T dot = static_cast<T>(sum_of<T>(n, [=](int64_t i) { return grad[i] * y[i]; }));
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = (grad[i] - dot) * y[i];
}

template <class T>
void log_softmax_backward(T* out, const T* grad, const T* y, int64_t n) {
  const T sum = static_cast<T>(sum_of<T>(n, [=](int64_t i) { return grad[i]; }));
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = grad[i] - math::exp(y[i]) * sum;
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
    for (int64_t j = 0; j < width; ++j) tops[j] = larger(tops[j], x[i * step + j]);
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
  const auto element = [=](int64_t i) { return static_cast<double>(x[i]) / scale; };
  const double m = sum_of<double>(n, element) / count;
  const double variance = sum_of<double>(n,
                                         [=](int64_t i) {
                                           const double d = element(i) - m;
                                           return d * d;
                                         }) /
                          count;
  // Next to the largest elements eps may round to 0; of elements that are all alike it is what is
  // left, and their distances from the mean are 0.
  const double spread = variance + eps / scale / scale;
  const bool alike = spread == 0 && eps > 0;
  const double r = alike ? 0 : 1 / __builtin_sqrt(spread);
  *mean = static_cast<T>(m * scale);
  *rstd = static_cast<T>(alike ? 1 / __builtin_sqrt(eps) : r / scale);
  for (int64_t i = 0; i < n; ++i) {
    const double y = (element(i) - m) * r;
    out[i] = static_cast<T>(y * (weight ? static_cast<double>(weight[i]) : 1.0) +
                            (bias ? static_cast<double>(bias[i]) : 0.0));
  }
}

template <class T>
void layer_norm(T* out, T* mean, T* rstd, const T* x, const T* weight, const T* bias, int64_t n,
                double eps) {
  const T m =
      static_cast<T>(sum_of<T>(n, [=](int64_t i) { return x[i]; }) / static_cast<double>(n));
  const double variance = sum_of<T>(n,
                                    [=](int64_t i) {
                                      const T d = x[i] - m;
                                      return d * d;
                                    }) /
                          static_cast<double>(n);
  constexpr double small = sizeof(T) == 4 ? 0x1p-96 : 0x1p-900;
  if (!((variance + eps > small) & (variance < __builtin_inf()))) [[unlikely]]
    return layer_norm_wide(out, mean, rstd, x, weight, bias, n, eps);
  const T r = static_cast<T>(1 / __builtin_sqrt(variance + eps));
  *mean = m;
  *rstd = r;
  if (weight && bias) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * r * weight[i] + bias[i];
  } else if (weight || bias) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i)
      out[i] = (x[i] - m) * r * (weight ? weight[i] : T(1)) + (bias ? bias[i] : T(0));
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * r;
  }
}

template <class T>
void layer_norm_backward(T* out, const T* grad, const T* x, const T* weight, T mean, T rstd,
                         int64_t n) {
  const auto scaled = [=](int64_t i) { return weight ? grad[i] * weight[i] : grad[i]; };
  const double sum = sum_of<T>(n, scaled);
  const double dot = sum_of<T>(n, [=](int64_t i) { return scaled(i) * ((x[i] - mean) * rstd); });
  const T a = static_cast<T>(sum / static_cast<double>(n)),
          b = static_cast<T>(dot / static_cast<double>(n));
  if (weight) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i)
      out[i] = (grad[i] * weight[i] - a - (x[i] - mean) * rstd * b) * rstd;
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = (grad[i] - a - (x[i] - mean) * rstd * b) * rstd;
  }
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
