#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/cpu/norm/rows.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// In double, for rows whose squares do not stay within T.
template <class T, class S>
__attribute__((noinline)) double wide_mean_square(const S* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(math::cast<T>(x[i]));
    total += v * v;
  }
  return total / static_cast<double>(n);
}

template <class T, class S>
void rms_norm(void* to, T* rstd, const void* from, const T* weight, int64_t rows, int64_t n,
              double eps) {
  using Row = Rows<T, S>;
  using Vec = vector_t<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const S* const x = static_cast<const S*>(from) + r * n;
    double square = Row::sum(n,
                             [=](int64_t i, int64_t m) {
                               const Vec v = Row::read(x + i, m);
                               return v * v;
                             }) /
                    static_cast<double>(n);
    if (!(square < __builtin_inf())) [[unlikely]]
      square = wide_mean_square<T>(x, n);
    rstd[r] = static_cast<T>(1 / __builtin_sqrt(square + eps));
    const Vec scale = broadcast(rstd[r]);
    Row::write(static_cast<S*>(to) + r * n, n, [=](int64_t i, int64_t m) {
      const Vec y = Row::read(x + i, m) * scale;
      return weight ? y * widened<T>(weight + i, m) : y;
    });
  }
}

template <class T, class S>
void rms_norm_backward(void* to, T* grad_weight, const void* grad, const void* from,
                       const T* weight, const T* rstd, int64_t rows, int64_t n) {
  using Row = Rows<T, S>;
  using Vec = vector_t<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const S *const x = static_cast<const S*>(from) + r * n, *const g =
                                                                static_cast<const S*>(grad) + r * n;
    const Vec scale = broadcast(rstd[r]);
    const auto weighted = [=](int64_t i, int64_t m) {
      const Vec v = Row::read(g + i, m);
      return weight ? v * widened<T>(weight + i, m) : v;
    };
    if (to) {
      const double dot = Row::sum(
          n, [=](int64_t i, int64_t m) { return weighted(i, m) * (Row::read(x + i, m) * scale); });
      const Vec along = broadcast(static_cast<T>(dot / static_cast<double>(n)));
      Row::write(static_cast<S*>(to) + r * n, n, [=](int64_t i, int64_t m) {
        return (weighted(i, m) - Row::read(x + i, m) * scale * along) * scale;
      });
    }
    if (!grad_weight) continue;
    for_vectors<T>(n, [=](int64_t i, int64_t m) {
      const Vec more = Row::read(g + i, m) * (Row::read(x + i, m) * scale);
      store<T>(grad_weight + i, widened<T>(grad_weight + i, m) + more, m);
    });
  }
}

template <class T, class S>
constexpr RmsNormKernels<T> both() {
  return {rms_norm<T, S>, rms_norm_backward<T, S>};
}

}  // namespace

extern const AllRmsNormKernels rms_norm_kernels;
const AllRmsNormKernels rms_norm_kernels = {both<float, float>(), both<double, double>(),
                                            both<float, math::float16>(),
                                            both<float, math::bfloat16>()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
