// Transforms side by side, one for each lane of a vector: see Note [Lanes] in fft.cpp. Compiled
// once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// One step of a transform: its length is radix * m here, and s of them are interleaved.
template <class T>
struct FftStage {
  int radix;
  int64_t m, s;
  const T* twiddles;  // for each of m, radix - 1 complex numbers
  const T* roots;     // of a radix without a loop of its own: radix complex numbers
};

// Element j of lane l is at rows[l] + j * step, its imaginary part `imaginary` further; -1: it is
// 0, or not written. `swapped`: the parts change places, which turns a transform into its inverse.
template <class T>
struct FftLines {
  T* const* rows;
  int count;  // lanes in use
  int64_t step, imaginary;
  bool columns;  // rows[l] is rows[0] + 2 l
  bool swapped;
};

template <class T>
struct FftLoops {
  int lanes;
  // Element j of all lanes is 2 * lanes numbers: real parts, then imaginary ones.
  void (*load)(T* x, const FftLines<T>& lines, int64_t n);
  void (*store)(const FftLines<T>& lines, const T* x, int64_t n, T scale);
  // From x to the result, which is x or y; both are overwritten.
  T* (*transform)(const FftStage<T>* stages, int count, T* x, T* y);
  // y = x times a complex number for each element; either with its parts exchanged.
  void (*multiply)(T* y, const T* x, const T* factors, int64_t n, bool swap_in, bool swap_out);
  // x times a[j / 16] b[j % 16], which are complex vectors `width` apart from part to part.
  void (*twist)(T* x, int64_t n, const T* a, const T* b, int64_t width);
  // From transforms of pairs of real numbers, n of them, to those of the 2 n; and back, where the
  // result has its parts exchanged. w: exp(-pi i k / n).
  void (*join_pairs)(T* y, const T* x, int64_t n, const T* w);
  void (*split_pairs)(T* y, const T* x, int64_t n, const T* w);
  // The second half of n elements from the first, of real results; parts exchanged in all.
  void (*mirror)(T* x, int64_t n);
};

struct FftKernels {
  FftLoops<float> f32;
  FftLoops<double> f64;
};

}  // namespace flambeau::inline v1::cpu
