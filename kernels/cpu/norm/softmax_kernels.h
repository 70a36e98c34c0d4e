// Softmax, its logarithm and their gradients, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

enum class Softmax : uint8_t { plain, log, plain_backward, log_backward, count };
constexpr int kSoftmaxes = static_cast<int>(Softmax::count);

// `first` is the input or the gradient of the output, `second` the output where that is an operand.
// `room` is for elements in the compute type, where they are not stored in it: the rows or columns
// that are worked on together.
struct SoftmaxKernel {
  static constexpr int64_t kTogether = 64;  // columns
  static constexpr int64_t kRows = 16;
  [[gnu::always_inline]] static int64_t rows_together(int64_t n) {  // that fit the L1 cache
    const int64_t fitting = 2048 / n;
    return fitting < 1 ? 1 : fitting < kRows ? fitting : kRows;
  }
  // Rows of n elements, one after the other.
  void (*rows)(void* out, const void* first, const void* second, int64_t rows, int64_t n,
               void* room);
  // Neighbouring columns of n elements, which lie `stride` elements apart.
  void (*columns)(void* out, const void* first, const void* second, int64_t cols, int64_t stride,
                  int64_t n, void* room);
};

struct SoftmaxKernels {
  SoftmaxKernel f32[kSoftmaxes], f64[kSoftmaxes], f16[kSoftmaxes], bf16[kSoftmaxes];
};

}  // namespace flambeau::inline v1::cpu
