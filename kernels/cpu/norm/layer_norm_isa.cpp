#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/cpu/norm/rows.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Sums run in kLanes partial sums, joined as a tree: the same bits at any alignment. Each stretch
// of kStretch elements joins a double, which keeps long rows exact enough.
constexpr int kLanes = 32;
constexpr int64_t kStretch = 4096;

template <class T>
FLAMBEAU_LEAF T tree(T* lanes) {
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  return lanes[0];
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

// In double, on elements that are divided by the largest: for rows whose sums or squares do not
// stay within T.
template <class T, class S>
__attribute__((noinline)) void layer_norm_wide(S* out, T* mean, T* rstd, const S* x,
                                               const T* weight, const T* bias, int64_t n,
                                               double eps) {
  const auto given = [=](int64_t i) { return static_cast<double>(math::cast<T>(x[i])); };
  double top = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double size = math::abs(given(i));
    top = size > top ? size : top;
  }
  const double scale = (top > 0) & (top < __builtin_inf()) ? top : 1;
  const double count = static_cast<double>(n);
  const auto element = [=](int64_t i) { return given(i) / scale; };
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
    out[i] = math::cast<S>(static_cast<T>(y * (weight ? static_cast<double>(weight[i]) : 1.0) +
                                          (bias ? static_cast<double>(bias[i]) : 0.0)));
  }
}

template <class T, class S>
FLAMBEAU_LEAF void layer_norm_row(S* out, T* mean, T* rstd, const S* x, const T* weight,
                                  const T* bias, int64_t n, double eps) {
  using Row = Rows<T, S>;
  using Vec = vector_t<T>;
  const T m =
      static_cast<T>(Row::sum(n, [=](int64_t i, int64_t k) { return Row::read(x + i, k); }) /
                     static_cast<double>(n));
  const Vec center = broadcast(m);
  const double variance = Row::sum(n,
                                   [=](int64_t i, int64_t k) {
                                     const Vec d = Row::read(x + i, k) - center;
                                     return d * d;
                                   }) /
                          static_cast<double>(n);
  constexpr double small = sizeof(T) == 4 ? 0x1p-96 : 0x1p-900;
  if (!((variance + eps > small) & (variance < __builtin_inf()))) [[unlikely]]
    return layer_norm_wide(out, mean, rstd, x, weight, bias, n, eps);
  const T r = static_cast<T>(1 / __builtin_sqrt(variance + eps));
  *mean = m;
  *rstd = r;
  const Vec scale = broadcast(r);
  Row::write(out, n, [=](int64_t i, int64_t k) {
    Vec y = (Row::read(x + i, k) - center) * scale;
    if (weight) y *= widened<T>(weight + i, k);
    if (bias) y += widened<T>(bias + i, k);
    return y;
  });
}

template <class T, class S>
void layer_norm(void* out, T* mean, T* rstd, const void* x, const T* weight, const T* bias,
                int64_t rows, int64_t n, double eps) {
  for (int64_t r = 0; r < rows; ++r)
    layer_norm_row(static_cast<S*>(out) + r * n, mean + r, rstd + r,
                   static_cast<const S*>(x) + r * n, weight, bias, n, eps);
}

}  // namespace

extern const LayerNormKernels layer_norm_kernels;
const LayerNormKernels layer_norm_kernels = {layer_norm<float, float>, layer_norm<double, double>,
                                             layer_norm<float, math::float16>,
                                             layer_norm<float, math::bfloat16>};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
