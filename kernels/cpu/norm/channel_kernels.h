// Means, deviations and scaling of channels, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// T is the compute type; tensors are stored in it or in 16 bits. `mean` is what is taken off each
// element first. A plane is one channel: `rows` rows of n elements, `stride` elements apart.
// Columns are neighbouring channels: `rows` rows of n elements, each of another channel, with an
// entry of every array for each.
template <class T>
struct ChannelKernels {
  // The mean, and the sum of the squared distances from it.
  void (*plane_moments)(const void* x, int64_t rows, int64_t stride, int64_t n, double* mean,
                        double* square);
  // (x - mean) scale + shift
  void (*plane_apply)(void* out, const void* x, int64_t rows, int64_t stride, int64_t n, T mean,
                      T scale, T shift);
  // The sums of g, and of g (x - mean).
  void (*plane_dots)(const void* g, const void* x, int64_t rows, int64_t stride, int64_t n, T mean,
                     double* sum, double* dot);
  // g scale - shift - (x - mean) slope
  void (*plane_back)(void* out, const void* g, const void* x, int64_t rows, int64_t stride,
                     int64_t n, T mean, T scale, T shift, T slope);

  void (*column_moments)(const void* x, int64_t rows, int64_t stride, int64_t n, double* mean,
                         double* square);
  void (*column_apply)(void* out, const void* x, int64_t rows, int64_t stride, int64_t n,
                       const T* mean, const T* scale, const T* shift);
  void (*column_dots)(const void* g, const void* x, int64_t rows, int64_t stride, int64_t n,
                      const T* mean, double* sum, double* dot);
  void (*column_back)(void* out, const void* g, const void* x, int64_t rows, int64_t stride,
                      int64_t n, const T* mean, const T* scale, const T* shift, const T* slope);
};

struct AllChannelKernels {
  ChannelKernels<float> f32;
  ChannelKernels<double> f64;
  ChannelKernels<float> f16, bf16;
};

// Joins the moments of `more` elements to those of `count`.
[[gnu::always_inline]] inline void join_moments(double count, double* mean, double* square,
                                                double more, double other_mean,
                                                double other_square) {
  const double apart = other_mean - *mean, all = count + more;
  *mean += apart * (more / all);
  *square += other_square + apart * apart * (count * (more / all));
}

}  // namespace flambeau::inline v1::cpu
