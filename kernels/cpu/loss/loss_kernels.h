// Loops of losses, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

template <class T>
struct SquareLoops {
  static constexpr int kLanes = 16;
  // out = (x - y)^2
  void (*squares)(T* out, const T* x, const T* y, int64_t n);
  // Adds the squares to kLanes sums, element i to sum i % kLanes.
  void (*add_squares)(double* sums, const T* x, const T* y, int64_t n);
  // out = scale * grad * (x - y); grad may be null, for 1.
  void (*backward)(T* out, const T* grad, T scale, const T* x, const T* y, int64_t n);
};

struct LossKernels {
  SquareLoops<float> f32;
  SquareLoops<double> f64;
};

}  // namespace flambeau::inline v1::cpu
