// Steps of optimisers over contiguous memory.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

struct AdamStep {
  double lr, beta1, beta2, weight_decay, eps, correction1, correction2_sqrt;
  bool maximize, decoupled;
};
struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first;
};
struct AdagradStep {
  double lr, weight_decay, eps;  // lr with its decay
  bool maximize;
};

template <class T>
struct OptimizerRows {
  // largest may be null (no amsgrad), buffer may be null (no momentum).
  void (*adam)(T* p, const T* g, T* average, T* square, T* largest, int64_t n,
               const AdamStep& step);
  void (*sgd)(T* p, const T* g, T* buffer, int64_t n, const SgdStep& step);
  void (*adagrad)(T* p, const T* g, T* sum, int64_t n, const AdagradStep& step);
};

struct OptimizerKernels {
  OptimizerRows<float> f32;
  OptimizerRows<double> f64;
};

const OptimizerKernels& optimizer_kernels();

}  // namespace flambeau::inline v1::cpu
