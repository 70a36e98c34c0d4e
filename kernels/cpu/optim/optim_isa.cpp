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
void adam(T* p, const T* g, T* const* state, int64_t n, const AdamStep& s) {
  if (state[2])
    adam_loop<T, true>(p, g, state[0], state[1], state[2], n, s);
  else
    adam_loop<T, false>(p, g, state[0], state[1], nullptr, n, s);
}

template <class T>
void sgd(T* p, const T* g, T* const* state, int64_t n, const SgdStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr);
  T* buffer = state[0];
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
void adagrad(T* p, const T* g, T* const* state, int64_t n, const AdagradStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr), eps = static_cast<T>(s.eps);
  T* sum = state[0];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T total = sum[i] + d * d;
    sum[i] = total;
    p[i] = p[i] - lr * (d / (math::sqrt(total) + eps));
  }
}

template <class T>
void adadelta(T* p, const T* g, T* const* state, int64_t n, const AdadeltaStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr), eps = static_cast<T>(s.eps);
  const T rho = static_cast<T>(s.rho), rest = static_cast<T>(1 - s.rho);
  T *square = state[0], *moved = state[1];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T v = square[i] * rho + rest * d * d;
    const T delta = math::sqrt(moved[i] + eps) / math::sqrt(v + eps) * d;
    square[i] = v;
    moved[i] = moved[i] * rho + rest * delta * delta;
    p[i] = p[i] - lr * delta;
  }
}

template <class T>
void adamax(T* p, const T* g, T* const* state, int64_t n, const AdamaxStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr), eps = static_cast<T>(s.eps);
  const T rest1 = static_cast<T>(1 - s.beta1), beta2 = static_cast<T>(s.beta2);
  T *average = state[0], *top = state[1];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T m = average[i] + rest1 * (d - average[i]);
    const T old = top[i] * beta2, size = (d < 0 ? -d : d) + eps;
    const T u = old > size || old != old ? old : size;  // a NaN stays
    average[i] = m;
    top[i] = u;
    p[i] = p[i] - lr * (m / u);
  }
}

template <class T>
void asgd(T* p, const T* g, T* const* state, int64_t n, const AsgdStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T shrink = static_cast<T>(s.shrink), eta = static_cast<T>(s.eta);
  const T mu = static_cast<T>(s.mu);
  const bool follows = s.mu == 1;  // the mean is the parameter itself
  T* mean = state[0];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T w = p[i] * shrink - eta * d;
    const T a = mean[i] + (w - mean[i]) * mu;
    mean[i] = follows ? w : a;
    p[i] = w;
  }
}

template <class T>
void nadam(T* p, const T* g, T* const* state, int64_t n, const NadamStep& s) {
  const T sign = s.maximize ? T(-1) : T(1);
  const T shrink = static_cast<T>(s.decoupled ? 1 - s.lr * s.weight_decay : 1);
  const T decay = static_cast<T>(s.decoupled ? 0 : s.weight_decay);
  const T rest1 = static_cast<T>(1 - s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest2 = static_cast<T>(1 - s.beta2), eps = static_cast<T>(s.eps);
  const T scale = static_cast<T>(s.correction2);
  const T of_grad = static_cast<T>(s.of_grad), of_average = static_cast<T>(s.of_average);
  T *average = state[0], *square = state[1];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T w = p[i] * shrink;
    const T d = sign * g[i] + decay * w;
    const T m = average[i] + rest1 * (d - average[i]);
    const T v = square[i] * beta2 + rest2 * d * d;
    const T divisor = math::sqrt(v / scale) + eps;
    average[i] = m;
    square[i] = v;
    p[i] = w - of_grad * (d / divisor) - of_average * (m / divisor);
  }
}

template <class T>
void radam(T* p, const T* g, T* const* state, int64_t n, const RadamStep& s) {
  const T sign = s.maximize ? T(-1) : T(1);
  const T shrink = static_cast<T>(s.decoupled ? 1 - s.lr * s.weight_decay : 1);
  const T decay = static_cast<T>(s.decoupled ? 0 : s.weight_decay);
  const T rest1 = static_cast<T>(1 - s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest2 = static_cast<T>(1 - s.beta2), eps = static_cast<T>(s.eps);
  const T lr = static_cast<T>(s.lr), correction = static_cast<T>(s.correction1);
  const T rectified = static_cast<T>(s.rectified);
  const bool adaptive = s.rectified != 0;
  T *average = state[0], *square = state[1];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T w = p[i] * shrink;
    const T d = sign * g[i] + decay * w;
    const T m = average[i] + rest1 * (d - average[i]);
    const T v = square[i] * beta2 + rest2 * d * d;
    const T step = m / correction * lr, divisor = math::sqrt(v) + eps;
    average[i] = m;
    square[i] = v;
    p[i] = w - (adaptive ? step * (rectified / divisor) : step);
  }
}

template <class T, bool centered, bool moving>
void rmsprop_loop(T* p, const T* g, T* square, T* mean, T* buffer, int64_t n,
                  const RmspropStep& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = static_cast<T>(s.weight_decay);
  const T lr = static_cast<T>(s.lr), eps = static_cast<T>(s.eps);
  const T alpha = static_cast<T>(s.alpha), rest = static_cast<T>(1 - s.alpha);
  const T momentum = static_cast<T>(s.momentum);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i] + decay * p[i];
    const T v = square[i] * alpha + rest * d * d;
    T spread = v;
    square[i] = v;
    if constexpr (centered) {
      const T m = mean[i] + rest * (d - mean[i]);
      mean[i] = m;
      spread = v - m * m;
    }
    T step = d / (math::sqrt(spread) + eps);
    if constexpr (moving) {
      step = buffer[i] * momentum + step;
      buffer[i] = step;
    }
    p[i] = p[i] - lr * step;
  }
}

template <class T>
void rmsprop(T* p, const T* g, T* const* state, int64_t n, const RmspropStep& s) {
  T *square = state[0], *mean = state[1], *buffer = state[2];
  if (mean && buffer)
    rmsprop_loop<T, true, true>(p, g, square, mean, buffer, n, s);
  else if (mean)
    rmsprop_loop<T, true, false>(p, g, square, mean, nullptr, n, s);
  else if (buffer)
    rmsprop_loop<T, false, true>(p, g, square, nullptr, buffer, n, s);
  else
    rmsprop_loop<T, false, false>(p, g, square, nullptr, nullptr, n, s);
}

template <class T>
void rprop(T* p, const T* g, T* const* state, int64_t n, const RpropStep& s) {
  const T sign = s.maximize ? T(-1) : T(1);
  const T minus = static_cast<T>(s.minus), plus = static_cast<T>(s.plus);
  const T smallest = static_cast<T>(s.smallest), largest = static_cast<T>(s.largest);
  T *before = state[0], *size = state[1];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T d = sign * g[i], agreement = d * before[i];
    T step = size[i] * (agreement > 0 ? plus : agreement < 0 ? minus : T(1));
    step = step < smallest ? smallest : step;
    step = step > largest ? largest : step;
    const T kept = agreement < 0 ? T(0) : d;  // having turned, it waits for a step
    before[i] = kept;
    size[i] = step;
    const T direction = kept > 0 ? T(1) : kept < 0 ? T(-1) : T(0);
    p[i] = p[i] - direction * step;
  }
}

template <class T>
constexpr OptimizerRows<T> kRows = {adam<T>, sgd<T>,   adagrad<T>, adadelta<T>, adamax<T>,
                                    asgd<T>, nadam<T>, radam<T>,   rmsprop<T>,  rprop<T>};

}  // namespace

extern const OptimizerKernels optimizer_rows;
const OptimizerKernels optimizer_rows = {kRows<float>, kRows<double>};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
