// The driver of reductions.
#pragma once

#include <atomic>
#include <cmath>

#include "core/tensor/tensor.h"
#include "kernels/cpu/reduce/reduce_kernels.h"

namespace flambeau::inline v1::cpu {

// Note [Results that are found again]
// Sums and squares may overflow, or vanish, where what is asked for does not. That is rare, so it
// is looked for in the results alone: if one is not finite, or no larger than `low`, or larger than
// `high`, then the reduction runs once more, in a wider type or on elements that were scaled.
struct Watch {
  double low, high;
  std::atomic<bool> hit{false};

  explicit Watch(double low = -1, double high = __builtin_inf()) : low(low), high(high) {}
  void see(const void* results, int64_t n, DType dtype) {
    const bool complex = is_complex(dtype);
    const bool fine = to_real(dtype) == DType::float64
                          ? inside(static_cast<const double*>(results), complex ? 2 * n : n)
                          : inside(static_cast<const float*>(results), complex ? 2 * n : n);
    if (!fine) hit.store(true, std::memory_order_relaxed);
  }

 private:
  // The parts of a complex number are only asked to be finite: its watch has no `low`.
  template <class T>
  bool inside(const T* p, int64_t n) const {
    using Vector [[gnu::vector_size(16)]] = T;
    constexpr int kWidth = 16 / sizeof(T);
    const T least = static_cast<T>(low), most = static_cast<T>(high);
    int64_t i = 0;
    auto fine = Vector{} == Vector{};
    for (; i + kWidth <= n; i += kWidth) {
      Vector v;
      __builtin_memcpy(&v, p + i, sizeof v);
      const Vector size = v < T(0) ? -v : v;
      fine &= (size > least) & (size < most);
    }
    bool all = true;
    for (int k = 0; k < kWidth; ++k) all &= fine[k] != 0;
    for (; i < n; ++i) all &= (std::abs(p[i]) > least) & (std::abs(p[i]) < most);
    return all;
  }
};

struct ReduceJob {
  const ReduceKernel& kernel;
  DType element;
  const void* params;
  const Tensor& self;
  uint64_t reduced;          // a bit per dimension
  const Tensor* outs[2];     // nullptr: not wanted
  bool keeps_order = false;  // places of elements count in the order of the shape
  Watch* watch = nullptr;    // of the first output
};

// Results in the outputs, of which there is at least one element. Their order of summation depends
// on shapes and strides alone; see Note [Reduction tree].
void run_reduction(const ReduceJob& job);

}  // namespace flambeau::inline v1::cpu
