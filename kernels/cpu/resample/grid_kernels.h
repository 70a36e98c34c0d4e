// The loops of grid_sampler; one table per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// How places of a grid are read: ATen's numbers.
constexpr int64_t kBilinear = 0, kNearest = 1, kBicubic = 2;
constexpr int64_t kZeros = 0, kBorder = 1, kReflection = 2;
constexpr int64_t kGridBlock = 64, kMostTaps = 16;

struct GridHow {
  int64_t rank, interpolation, padding;
  bool align_corners;
  int64_t sizes[3];  // of the image, rows before columns
  int64_t plane;     // their product
};

// Up to kGridBlock points, `count` places of a plane for each: -1 lies outside of it.
template <class T>
struct GridTaps {
  int64_t points, count;
  bool inside;  // none lies outside
  int64_t places[kMostTaps][kGridBlock];
  T weights[kMostTaps][kGridBlock];
  T slopes[3][kMostTaps][kGridBlock];  // of weights, by coordinate, the last dimension first
};

template <class T>
struct GridLoops {
  // What `points` points of a grid read; the slopes too where they are asked for. Where points
  // move by `way`, what weights and slopes change by in their place.
  void (*taps)(GridTaps<T>& taps, const T* grid, const T* way, int64_t points, const GridHow& how,
               bool slopes);
  // A channel's values at the points.
  void (*read)(T* out, const T* plane, const GridTaps<T>& taps);
  // Adds a channel's gradients to the places that were read.
  void (*write)(T* plane, const T* grad, const GridTaps<T>& taps);
  // Adds to the gradient of each point, `rank` numbers, what a channel says of it.
  void (*slope)(T* out, const T* plane, const T* grad, const GridTaps<T>& taps, int64_t rank);
};
struct GridKernels {
  GridLoops<float> f32;
  GridLoops<double> f64;
};

namespace baseline {
extern const GridKernels grid_kernels;
}
namespace avx2 {
extern const GridKernels grid_kernels;
}
namespace avx512 {
extern const GridKernels grid_kernels;
}

}  // namespace flambeau::inline v1::cpu
