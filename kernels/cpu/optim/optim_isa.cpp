#include "kernels/cpu/optim/optim_kernels.h"
#include "kernels/math/base.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// The form of each line follows PyTorch's single-tensor step, so that curves can be laid side by
// side.
template <class T, bool amsgrad>
void adam_loop(T* p, const T* g, T* average, T* square, T* largest, int64_t n, const AdamStep& s) {
  const T sign = s.maximize ? T(-1) : T(1);
  const T shrink = static_cast<T>(s.decoupled ? 1 - s.lr * s.weight_decay : 1);
  const T decay = static_cast<T>(s.decoupled ? 0 : s.weight_decay);
  const T rest1 = static_cast<T>(1 - s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest2 = static_cast<T>(1 - s.beta2), eps = static_cast<T>(s.eps);
  const T size = static_cast<T>(s.lr / s.correction1), scale = static_cast<T>(s.correction2_sqrt);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T w = p[i] * shrink;
    const T d = sign * g[i] + decay * w;
    const T m = average[i] + rest1 * (d - average[i]);
    const T v = square[i] * beta2 + rest2 * d * d;
    T top = v;
    if constexpr (amsgrad) {
      top = largest[i] > v ? largest[i] : v;
      largest[i] = top;
    }
    average[i] = m;
    square[i] = v;
    p[i] = w - size * (m / (math::sqrt(top) / scale + eps));
  }
}

template <class T>
void adam(T* p, const T* g, T* average, T* square, T* largest, int64_t n, const AdamStep& s) {
  if (largest)
    adam_loop<T, true>(p, g, average, square, largest, n, s);
  else
    adam_loop<T, false>(p, g, average, square, largest, n, s);
}

template <class T>
void sgd(T* p, const T* g, T* buffer, int64_t n, const SgdStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr);
  if (!buffer) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) p[i] = p[i] - lr * (sign * g[i] + decay * p[i]);
    return;
  }
  const T momentum = static_cast<T>(s.first ? 0 : s.momentum), ahead = static_cast<T>(s.momentum);
  const T rest = static_cast<T>(s.first ? 1 : 1 - s.dampening);
  const bool nesterov = s.nesterov, first = s.first;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T b = first ? d : buffer[i] * momentum + rest * d;
    buffer[i] = b;
    p[i] = p[i] - lr * (nesterov ? d + ahead * b : b);
  }
}

template <class T>
void adagrad(T* p, const T* g, T* sum, int64_t n, const AdagradStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr), eps = static_cast<T>(s.eps);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T total = sum[i] + d * d;
    sum[i] = total;
    p[i] = p[i] - lr * (d / (math::sqrt(total) + eps));
  }
}

}  // namespace

extern const OptimizerKernels optimizer_rows;
const OptimizerKernels optimizer_rows = {{adam<float>, sgd<float>, adagrad<float>},
                                         {adam<double>, sgd<double>, adagrad<double>}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
