// Transforms of one line, and of many.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"
#include "kernels/cpu/fft/plan.h"

namespace flambeau::inline v1::cpu {

enum class FftKind : uint8_t { complex, from_real, to_real };

// Lines of n elements, counted where they are real. Steps and places count elements of T, of which
// a complex number has two.
template <class T>
struct FftJob {
  FftKind kind;
  int64_t n;
  bool forward;
  T scale;
  const T* in;
  T* out;
  std::vector<int64_t> in_places, out_places;
  int64_t in_step, out_step;
};

template <class T>
void fft_lines(const FftJob<T>& job);

// A transform of one line of complex numbers without gaps; in and out may be the same. Parts change
// places on the way in and on the way out where that is asked.
template <class T>
void fft_one(const FftPlan<T>& plan, const T* in, T* out, bool swapped, T scale);

}  // namespace flambeau::inline v1::cpu
