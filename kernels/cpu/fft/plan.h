// What transforms of one length are made of: steps and tables, kept for the next call.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cpu/fft/fft_kernels.h"

namespace flambeau::inline v1::cpu {

const FftKernels& fft_kernels();
template <class T>
const FftLoops<T>& fft_loops();

// exp(-2 pi i k / n), to the last bit of a double.
struct Root {
  double re, im;
};
Root root_of_unity(int64_t k, int64_t n);

template <class T>
struct FftPlan {
  int64_t n;
  std::vector<FftStage<T>> stages;
  std::vector<std::vector<T>> tables;

  // Note [Chirps]
  // A length with a large prime factor is a convolution of a power of two (Bluestein, 1970): x_j
  // c_j, convolved with 1 / c, times c_k, where c_j = exp(-pi i j^2 / n).
  std::shared_ptr<const FftPlan> inner;
  std::vector<T> chirp;     // n complex numbers
  std::vector<T> response;  // the transform of 1 / c, divided by the length of `inner`

  // Note [Rows and columns]
  // One long transform is n1 x n2 numbers: transforms of the columns, twiddle factors, and
  // transforms of the rows, whose results are columns again.
  std::shared_ptr<const FftPlan> columns, rows;
  std::vector<T> outer, inside;  // vectors of roots of unity: of 16 steps, and of each
  int64_t width = 0;             // n2, up to whole vectors

  int64_t room() const { return inner ? inner->n : n; }  // elements of a buffer in lanes
};

// For n real numbers in pairs: exp(-2 pi i k / n) for k up to n / 4, and for other halves.
template <class T>
struct FftPairs {
  std::vector<T> roots;
};

template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(int64_t n);
template <class T>
std::shared_ptr<const FftPairs<T>> fft_pairs(int64_t n);

}  // namespace flambeau::inline v1::cpu
