#include <algorithm>
#include <memory>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/resample/grid_kernels.h"
#include "kernels/cpu/resample/resample.h"

namespace flambeau::inline v1::cpu {
namespace {

const GridKernels& grid_kernels() {
  static const GridKernels& chosen =
      of_isa(baseline::grid_kernels, avx2::grid_kernels, avx512::grid_kernels);
  return chosen;
}

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(grid_kernels().f64);
  else
    f(grid_kernels().f32);
}

DType compute_dtype(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

GridHow how_of(const Tensor& image, int64_t interpolation, int64_t padding, bool align_corners) {
  GridHow how{image.dim() - 2, interpolation, padding, align_corners, {1, 1, 1}, 1};
  for (int64_t d = 0; d < how.rank; ++d) {
    how.sizes[d] = image.size(2 + d);
    how.plane *= how.sizes[d];
  }
  return how;
}

}  // namespace

void grid_sampler(const Tensor& out, const Tensor& input, const Tensor& grid, int64_t interpolation,
                  int64_t padding, bool align_corners) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(input.dtype());
  const Tensor x = packed(input, dtype), places = packed(grid, dtype), y = place_for(out, dtype);
  const GridHow how = how_of(x, interpolation, padding, align_corners);
  const int64_t channels = x.size(1), points = places.numel() / how.rank / x.size(0);
  const int64_t blocks = (points + kGridBlock - 1) / kGridBlock;
  by_type(dtype, [&]<class T>(const GridLoops<T>& loops) {
    const int64_t grain = std::max<int64_t>(1, 128 / std::max<int64_t>(channels, 1));
    parallel_for(x.size(0) * blocks, grain, [&](int64_t b, int64_t end) {
      const auto taps = std::make_unique<GridTaps<T>>();
      for (; b < end; ++b) {
        const int64_t image = b / blocks, first = b % blocks * kGridBlock;
        const int64_t count = std::min(kGridBlock, points - first);
        loops.taps(*taps, places.data<T>() + (image * points + first) * how.rank, nullptr, count,
                   how, false);
        for (int64_t c = 0; c < channels; ++c)
          loops.read(y.data<T>() + (image * channels + c) * points + first,
                     x.data<T>() + (image * channels + c) * how.plane, *taps);
      }
    });
  });
  deliver(out, y);
}

void grid_sampler_backward(const Tensor& grad_input, const Tensor& grad_grid,
                           const Tensor& grad_output, const Tensor& input, const Tensor& grid,
                           int64_t interpolation, int64_t padding, bool align_corners,
                           std::span<const bool> wanted) {
  const DType dtype = compute_dtype(input.dtype());
  const Tensor to_input = place_for(grad_input, dtype), to_grid = place_for(grad_grid, dtype);
  fill(to_input, Scalar(int64_t{0}));
  fill(to_grid, Scalar(int64_t{0}));
  if (grad_output.numel() > 0) {
    const Tensor g = packed(grad_output, dtype), x = packed(input, dtype);
    const Tensor places = packed(grid, dtype);
    const GridHow how = how_of(x, interpolation, padding, align_corners);
    const int64_t channels = x.size(1), points = places.numel() / how.rank / x.size(0);
    const int64_t blocks = (points + kGridBlock - 1) / kGridBlock;
    by_type(dtype, [&]<class T>(const GridLoops<T>& loops) {
      const auto taps_at = [&](GridTaps<T>& taps, int64_t image, int64_t first, bool slopes) {
        loops.taps(taps, places.data<T>() + (image * points + first) * how.rank, nullptr,
                   std::min(kGridBlock, points - first), how, slopes);
      };
      constexpr int64_t kTogether = 16;  // channels that use the same places once they are known
      const int64_t groups = (channels + kTogether - 1) / kTogether;
      parallel_for(wanted[0] ? x.size(0) * groups : 0, 1, [&](int64_t task, int64_t end) {
        const auto taps = std::make_unique<GridTaps<T>>();
        for (; task < end; ++task) {
          const int64_t image = task / groups, from = task % groups * kTogether;
          for (int64_t first = 0; first < points; first += kGridBlock) {
            taps_at(*taps, image, first, false);
            for (int64_t c = from; c < std::min(channels, from + kTogether); ++c)
              loops.write(to_input.data<T>() + (image * channels + c) * how.plane,
                          g.data<T>() + (image * channels + c) * points + first, *taps);
          }
        }
      });
      // The nearest element stays the same where a point moves a little.
      const bool moves = wanted[1] && interpolation != kNearest;
      parallel_for(moves ? x.size(0) * blocks : 0, 1, [&](int64_t b, int64_t end) {
        const auto taps = std::make_unique<GridTaps<T>>();
        for (; b < end; ++b) {
          const int64_t image = b / blocks, first = b % blocks * kGridBlock;
          taps_at(*taps, image, first, true);
          for (int64_t c = 0; c < channels; ++c)
            loops.slope(to_grid.data<T>() + (image * points + first) * how.rank,
                        x.data<T>() + (image * channels + c) * how.plane,
                        g.data<T>() + (image * channels + c) * points + first, *taps, how.rank);
        }
      });
    });
  }
  deliver(grad_input, to_input);
  deliver(grad_grid, to_grid);
}

// With S the values that are read: of <to_input, dS/dinput> + <to_grid, dS/dgrid>, both times
// grad_output, the gradients.
void grid_sampler_double_backward(const Tensor& of_grad, const Tensor& of_input,
                                  const Tensor& of_grid, const Tensor& to_input,
                                  const Tensor& to_grid, const Tensor& grad_output,
                                  const Tensor& input, const Tensor& grid, int64_t interpolation,
                                  int64_t padding, bool align_corners) {
  const DType dtype = compute_dtype(input.dtype());
  const Tensor y = place_for(of_grad, dtype), gx = place_for(of_input, dtype);
  const Tensor gp = place_for(of_grid, dtype);
  fill(gx, Scalar(int64_t{0}));
  fill(gp, Scalar(int64_t{0}));
  if (grad_output.numel() > 0) {
    const Tensor g = packed(grad_output, dtype), x = packed(input, dtype);
    const Tensor places = packed(grid, dtype), u = packed(to_input, dtype);
    const Tensor ways = packed(to_grid, dtype);
    const GridHow how = how_of(x, interpolation, padding, align_corners);
    const int64_t channels = x.size(1), points = places.numel() / how.rank / x.size(0);
    by_type(dtype, [&]<class T>(const GridLoops<T>& loops) {
      parallel_for(x.size(0), 1, [&](int64_t image, int64_t end) {
        const auto plain = std::make_unique<GridTaps<T>>(), moved = std::make_unique<GridTaps<T>>();
        for (; image < end; ++image)
          for (int64_t first = 0; first < points; first += kGridBlock) {
            const int64_t at = (image * points + first) * how.rank;
            const int64_t count = std::min(kGridBlock, points - first);
            loops.taps(*plain, places.data<T>() + at, nullptr, count, how, true);
            loops.taps(*moved, places.data<T>() + at, ways.data<T>() + at, count, how, true);
            for (int64_t c = 0; c < channels; ++c) {
              const int64_t plane = image * channels + c, row = plane * points + first;
              const T *const xs = x.data<T>() + plane * how.plane, *const gs = g.data<T>() + row;
              const T* const us = u.data<T>() + plane * how.plane;
              T parts[kGridBlock];
              loops.read(y.data<T>() + row, us, *plain);
              loops.read(parts, xs, *moved);
              for (int64_t p = 0; p < count; ++p) y.data<T>()[row + p] += parts[p];
              loops.write(gx.data<T>() + plane * how.plane, gs, *moved);
              loops.slope(gp.data<T>() + at, us, gs, *plain, how.rank);
              loops.slope(gp.data<T>() + at, xs, gs, *moved, how.rank);
            }
          }
      });
    });
  }
  deliver(of_grad, y);
  deliver(of_input, gx);
  deliver(of_grid, gp);
}

}  // namespace flambeau::inline v1::cpu
