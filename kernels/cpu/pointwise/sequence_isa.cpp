#include "kernels/cpu/pointwise/sequence_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

void integers(int64_t* p, int64_t begin, int64_t n, uint64_t first, uint64_t step) {
  const uint64_t start = first + static_cast<uint64_t>(begin) * step;
  for (int64_t i = 0; i < n; ++i)
    p[i] = static_cast<int64_t>(start + static_cast<uint64_t>(i) * step);
}

// Places are counted by 32 bits from a block's first: vectors of these become doubles, which are
// exact sums.
template <class T>
void numbers(T* p, int64_t begin, int64_t n, double first, double step) {
  constexpr int64_t kBlock = 1 << 20;
  for (int64_t at = 0; at < n; at += kBlock, p += kBlock) {
    const double place = static_cast<double>(begin + at);
    const auto count = static_cast<int32_t>(n - at < kBlock ? n - at : kBlock);
    for (int32_t i = 0; i < count; ++i)
      p[i] = static_cast<T>(first + (place + static_cast<double>(i)) * step);
  }
}

}  // namespace

extern const SequenceKernels sequence_kernels;
const SequenceKernels sequence_kernels = {integers, numbers<float>, numbers<double>};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
