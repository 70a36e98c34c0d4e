#include "kernels/cpu/loss/loss_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

template <class T>
void squares(T* __restrict out, const T* x, const T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - y[i]) * (x[i] - y[i]);
}

template <class T>
void add_squares(double* sums, const T* x, const T* y, int64_t n) {
  constexpr int kLanes = SquareLoops<T>::kLanes;
  const auto term = [=](int64_t i) {
    const T d = x[i] - y[i];
    return static_cast<double>(d * d);
  };
  double lanes[kLanes];
  for (int j = 0; j < kLanes; ++j) lanes[j] = sums[j];
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
  for (int j = 0; i + j < n; ++j) lanes[j] += term(i + j);
  for (int j = 0; j < kLanes; ++j) sums[j] = lanes[j];
}

template <class T>
void backward(T* __restrict out, const T* grad, T scale, const T* x, const T* y, int64_t n) {
  if (grad)
    for (int64_t i = 0; i < n; ++i) out[i] = scale * grad[i] * (x[i] - y[i]);
  else
    for (int64_t i = 0; i < n; ++i) out[i] = scale * (x[i] - y[i]);
}

template <class T>
constexpr SquareLoops<T> loops() {
  return {squares<T>, add_squares<T>, backward<T>};
}

}  // namespace

extern const LossKernels loss_kernels;
const LossKernels loss_kernels = {loops<float>(), loops<double>()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
