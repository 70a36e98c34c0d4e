#include "kernels/cpu/pool.h"

#include <limits>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise.h"
#include "kernels/shape/conv.h"

namespace flambeau::cpu {
namespace {

Tensor packed(const Tensor& t, DType dtype) {
  if (t.is_contiguous() && t.dtype() == dtype) return t;
  const Tensor p = empty(t.sizes(), {dtype, t.device()});
  copy(p, t);
  return p;
}

Tensor place_for(const Tensor& out, DType dtype) {
  return out.is_contiguous() && out.dtype() == dtype ? out
                                                     : empty(out.sizes(), {dtype, out.device()});
}

struct Window {
  std::array<int64_t, 2> kernel, step, pad, dilate;
  int64_t height, width, out_height, out_width;
};

template <class T>
T lowest() {
  if constexpr (std::numeric_limits<T>::has_infinity)
    return -std::numeric_limits<T>::infinity();
  else
    return std::numeric_limits<T>::lowest();
}

template <class T>
void pool_plane(const T* x, T* y, int64_t* where, const Window& w) {
  for (int64_t oy = 0; oy < w.out_height; ++oy) {
    int64_t y0 = oy * w.step[0] - w.pad[0];
    const int64_t y1 = std::min(y0 + (w.kernel[0] - 1) * w.dilate[0] + 1, w.height);
    while (y0 < 0) y0 += w.dilate[0];
    for (int64_t ox = 0; ox < w.out_width; ++ox) {
      int64_t x0 = ox * w.step[1] - w.pad[1];
      const int64_t x1 = std::min(x0 + (w.kernel[1] - 1) * w.dilate[1] + 1, w.width);
      while (x0 < 0) x0 += w.dilate[1];
      T best = lowest<T>();
      int64_t at = y0 * w.width + x0;
      for (int64_t i = y0; i < y1; i += w.dilate[0])
        for (int64_t j = x0; j < x1; j += w.dilate[1]) {
          const T v = x[i * w.width + j];
          const bool wins = v > best || v != v;
          best = wins ? v : best;
          at = wins ? i * w.width + j : at;
        }
      y[oy * w.out_width + ox] = best;
      where[oy * w.out_width + ox] = at;
    }
  }
}

// The common window of 2 x 2 without padding needs no bounds and no branches.
template <class T>
void pool_plane_2x2(const T* x, T* y, int64_t* where, const Window& w) {
  for (int64_t oy = 0; oy < w.out_height; ++oy) {
    const T* const upper = x + 2 * oy * w.width;
    const T* const lower = upper + w.width;
    for (int64_t ox = 0; ox < w.out_width; ++ox) {
      const int64_t corner = 2 * oy * w.width + 2 * ox;
      T best = upper[2 * ox];
      int64_t at = corner;
      const auto take = [&](T v, int64_t place) {
        const bool wins = v > best || v != v;
        best = wins ? v : best;
        at = wins ? place : at;
      };
      take(upper[2 * ox + 1], corner + 1);
      take(lower[2 * ox], corner + w.width);
      take(lower[2 * ox + 1], corner + w.width + 1);
      y[oy * w.out_width + ox] = best;
      where[oy * w.out_width + ox] = at;
    }
  }
}

template <class F>
void by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(int64_t{});
    case DType::int32:
      return f(int32_t{});
    case DType::int16:
      return f(int16_t{});
    case DType::int8:
      return f(int8_t{});
    case DType::uint8:
      return f(uint8_t{});
    default:
      return f(float{});
  }
}

DType compute_dtype(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 ? DType::float32 : dtype;
}

}  // namespace

void max_pool2d(const Tensor& out, const Tensor& indices, const Tensor& self, IntSpan kernel_size,
                IntSpan stride, IntSpan padding, IntSpan dilation) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(self.dtype());
  const Tensor x = packed(self, dtype), y = place_for(out, dtype);
  const Tensor where = place_for(indices, DType::int64);
  Window w;
  w.kernel = shape::pair_of(kernel_size, "max_pool2d", "kernel_size");
  w.step = stride.empty() ? w.kernel : shape::pair_of(stride, "max_pool2d", "stride");
  w.pad = shape::pair_of(padding, "max_pool2d", "padding");
  w.dilate = shape::pair_of(dilation, "max_pool2d", "dilation");
  w.height = self.size(-2);
  w.width = self.size(-1);
  w.out_height = out.size(-2);
  w.out_width = out.size(-1);
  const std::array<int64_t, 2> two{2, 2}, zero{0, 0}, one{1, 1};
  const bool simple = w.kernel == two && w.step == two && w.pad == zero && w.dilate == one &&
                      2 * w.out_height <= w.height && 2 * w.out_width <= w.width;
  const int64_t plane = w.height * w.width, out_plane = w.out_height * w.out_width;
  by_type(dtype, [&](auto z) {
    using T = decltype(z);
    parallel_for(y.numel() / out_plane, std::max<int64_t>(1, 16384 / plane),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t p = begin; p < end; ++p)
                     (simple ? pool_plane_2x2<T>
                             : pool_plane<T>)(x.data<T>() + p * plane, y.data<T>() + p * out_plane,
                                              where.data<int64_t>() + p * out_plane, w);
                 });
  });
  if (!y.is(out)) copy(out, y);
  if (!where.is(indices)) copy(indices, where);
}

void max_pool2d_backward(const Tensor& out, const Tensor& grad, const Tensor& indices, IntSpan,
                         IntSpan, IntSpan, IntSpan) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(out.dtype());
  const Tensor g = packed(grad, dtype), where = packed(indices, DType::int64);
  const Tensor made = place_for(out, dtype);
  fill(made, 0);
  const int64_t plane = out.size(-2) * out.size(-1), out_plane = g.size(-2) * g.size(-1);
  if (out_plane > 0)
    by_type(dtype, [&](auto z) {
      using T = decltype(z);
      parallel_for(made.numel() / plane, std::max<int64_t>(1, 16384 / plane),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t p = begin; p < end; ++p)
                       for (int64_t i = 0; i < out_plane; ++i)
                         made.data<T>()[p * plane + where.data<int64_t>()[p * out_plane + i]] +=
                             g.data<T>()[p * out_plane + i];
                   });
    });
  if (!made.is(out)) copy(out, made);
}

}  // namespace flambeau::cpu
