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
struct AdadeltaStep {
  double lr, rho, weight_decay, eps;
  bool maximize;
};
struct AdamaxStep {
  double lr, beta1, beta2, weight_decay, eps;  // lr divided by its correction
  bool maximize;
};
struct AsgdStep {
  double shrink, eta, mu, weight_decay;
  bool maximize;
};
struct NadamStep {
  double lr, beta1, beta2, weight_decay, eps, correction2;
  double of_grad, of_average;  // sizes of the two parts of a step
  bool maximize, decoupled;
};
struct RadamStep {
  double lr, beta1, beta2, weight_decay, eps, correction1;
  double rectified;  // 0: the second moment says too little yet
  bool maximize, decoupled;
};
struct RmspropStep {
  double lr, alpha, eps, weight_decay, momentum;
  bool maximize;
};
struct RpropStep {
  double smallest, largest, minus, plus;
  bool maximize;
};

// state: in the order of the op's lists; null where a list is empty.
template <class T, class Step>
using StepLoop = void (*)(T* p, const T* g, T* const* state, int64_t n, const Step& step);

template <class T>
struct OptimizerRows {
  StepLoop<T, AdamStep> adam;  // mean, mean square, and its largest value for amsgrad
  StepLoop<T, SgdStep> sgd;    // momentum
  StepLoop<T, AdagradStep> adagrad;
  StepLoop<T, AdadeltaStep> adadelta;
  StepLoop<T, AdamaxStep> adamax;
  StepLoop<T, AsgdStep> asgd;
  StepLoop<T, NadamStep> nadam;
  StepLoop<T, RadamStep> radam;
  StepLoop<T, RmspropStep> rmsprop;  // mean square, mean where centred, momentum
  StepLoop<T, RpropStep> rprop;
};

struct OptimizerKernels {
  OptimizerRows<float> f32;
  OptimizerRows<double> f64;
};

const OptimizerKernels& optimizer_kernels();

}  // namespace flambeau::inline v1::cpu
