// The inner loops of random numbers, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1 {

constexpr uint32_t kMt19937Words = 624;

struct RandomKernels {
  // The next block of the twister's state.
  void (*refill)(uint32_t* state);
  // The numbers that `count` words of state stand for.
  void (*temper)(const uint32_t* state, uint32_t* words, int64_t count);

  // In [0, 1), times to - from, plus from; `to` itself, which rounding can give, becomes `from`.
  // One word for a float, two for a double.
  void (*uniform_float)(const uint32_t* words, float* out, int64_t count, float from, float to);
  void (*uniform_double)(const uint32_t* words, double* out, int64_t count, double from, double to);

  // Groups of 16 words to 16 normally distributed numbers.
  void (*normal_float)(const uint32_t* words, float* out, int64_t count, float mean, float std);

  void (*exponential)(const uint32_t* words, float* out, int64_t count, double lambda);

  // 1 where the number of two words, in [0, 2^53), is below the threshold, else 0.
  void (*bernoulli)(const uint32_t* words, uint8_t* out, int64_t count, uint64_t threshold);
  // Elements of `itemsize` bytes, zero where `hits` is 0, else `one`.
  void (*spread)(const uint8_t* hits, void* out, int64_t count, int itemsize, uint64_t one);

  void (*to_bfloat16)(const float* values, uint16_t* out, int64_t count);
  void (*to_float16)(const float* values, uint16_t* out, int64_t count);
};

const RandomKernels& random_kernels();  // of isa()

namespace cpu {
namespace baseline {
extern const RandomKernels random_kernels;
}
namespace avx2 {
extern const RandomKernels random_kernels;
}
namespace avx512 {
extern const RandomKernels random_kernels;
}
}  // namespace cpu

}  // namespace flambeau::inline v1
