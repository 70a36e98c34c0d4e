// Sequences of numbers; one table per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// The elements [begin, begin + n) of a sequence, at p.
struct SequenceKernels {
  void (*integers)(int64_t* p, int64_t begin, int64_t n, uint64_t first, uint64_t step);
  // first + i step, in double
  void (*floats)(float* p, int64_t begin, int64_t n, double first, double step);
  void (*doubles)(double* p, int64_t begin, int64_t n, double first, double step);
};

namespace baseline {
extern const SequenceKernels sequence_kernels;
}
namespace avx2 {
extern const SequenceKernels sequence_kernels;
}
namespace avx512 {
extern const SequenceKernels sequence_kernels;
}

}  // namespace flambeau::inline v1::cpu
