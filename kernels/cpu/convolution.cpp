#include "kernels/cpu/convolution.h"

#include <cstring>

#include "core/parallel/parallel.h"
#include "kernels/cpu/gemm/gemm.h"
#include "kernels/cpu/pointwise.h"

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

DType compute_dtype(DType dtype) {
  check<NotImplementedError>(is_floating(dtype), "convolution: not implemented for ",
                             dtype_name(dtype), ": convert with .to(torch.float32)");
  return dtype == DType::float64 ? dtype : DType::float32;
}

struct Shape {
  int64_t n, c, h, w, k, r, s, oh, ow, groups;
  int64_t stride[2], pad[2], dilate[2];
  int64_t patch() const { return c / groups * r * s; }
  int64_t places() const { return oh * ow; }
};

Shape shape_of(IntSpan in, IntSpan weight, IntSpan out, IntSpan stride, IntSpan padding,
               IntSpan dilation, int64_t groups) {
  Shape p{in[0],  in[1],  in[2],  in[3], weight[0], weight[2], weight[3],
          out[2], out[3], groups, {},    {},        {}};
  for (int d = 0; d < 2; ++d) {
    p.stride[d] = stride[d];
    p.pad[d] = padding[d];
    p.dilate[d] = dilation[d];
  }
  return p;
}

// One group of one image as (patch, places), zeros where a window leaves the image.
template <class T>
void unfold(const Shape& p, const T* image, T* columns) {
  for (int64_t row = 0; row < p.patch(); ++row) {
    const int64_t c = row / (p.r * p.s), i = row / p.s % p.r, j = row % p.s;
    T* dst = columns + row * p.places();
    const T* const plane = image + c * p.h * p.w;
    for (int64_t oy = 0; oy < p.oh; ++oy) {
      const int64_t y = oy * p.stride[0] - p.pad[0] + i * p.dilate[0];
      for (int64_t ox = 0; ox < p.ow; ++ox, ++dst) {
        const int64_t x = ox * p.stride[1] - p.pad[1] + j * p.dilate[1];
        *dst = y >= 0 && y < p.h && x >= 0 && x < p.w ? plane[y * p.w + x] : T(0);
      }
    }
  }
}

// The reverse: adds columns into the image.
template <class T>
void fold(const Shape& p, const T* columns, T* image) {
  for (int64_t row = 0; row < p.patch(); ++row) {
    const int64_t c = row / (p.r * p.s), i = row / p.s % p.r, j = row % p.s;
    const T* src = columns + row * p.places();
    T* const plane = image + c * p.h * p.w;
    for (int64_t oy = 0; oy < p.oh; ++oy) {
      const int64_t y = oy * p.stride[0] - p.pad[0] + i * p.dilate[0];
      for (int64_t ox = 0; ox < p.ow; ++ox, ++src) {
        const int64_t x = ox * p.stride[1] - p.pad[1] + j * p.dilate[1];
        if (y >= 0 && y < p.h && x >= 0 && x < p.w) plane[y * p.w + x] += *src;
      }
    }
  }
}

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{}, GemmType::f64);
  else
    f(float{}, GemmType::f32);
}

}  // namespace

void convolution(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(input.dtype());
  const Tensor x = packed(input, dtype), w = packed(weight, dtype), y = place_for(out, dtype);
  const Tensor b = bias.defined() ? packed(bias, dtype) : bias;
  const Shape p = shape_of(x.sizes(), w.sizes(), y.sizes(), stride, padding, dilation, groups);
  const int64_t rows = p.k / groups, channels = p.c / groups;
  by_type(dtype, [&](auto zero, GemmType type) {
    using T = decltype(zero);
    parallel_tasks(p.n, [&](int64_t n) {
      const int64_t buffer[] = {p.patch() * p.places()};
      const Tensor columns = empty(buffer, {dtype, x.device()});
      for (int64_t g = 0; g < groups; ++g) {
        unfold(p, x.data<T>() + (n * p.c + g * channels) * p.h * p.w, columns.data<T>());
        Epilogue epilogue;
        if (b.defined()) epilogue.bias = {b.data<T>() + g * rows, 1, 0};
        gemm(type, rows, p.places(), p.patch(), 1,
             {w.data<T>() + g * rows * p.patch(), p.patch(), 1}, {columns.data<T>(), p.places(), 1},
             0, {y.data<T>() + (n * p.k + g * rows) * p.places(), p.places(), 1}, epilogue);
      }
    });
  });
  if (!y.is(out)) copy(out, y);
}

void convolution_backward(const Tensor& grad_input, const Tensor& grad_weight,
                          const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                          const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                          int64_t groups, std::span<const bool> mask) {
  const DType dtype = compute_dtype(input.dtype());
  const Tensor g = packed(grad, dtype), x = packed(input, dtype), w = packed(weight, dtype);
  const Shape p = shape_of(x.sizes(), w.sizes(), g.sizes(), stride, padding, dilation, groups);
  const int64_t rows = p.k / groups, channels = p.c / groups;
  by_type(dtype, [&](auto zero, GemmType type) {
    using T = decltype(zero);
    const int64_t buffer[] = {p.patch() * p.places()};
    if (mask[0]) {
      const Tensor dx = place_for(grad_input, dtype);
      fill(dx, 0);
      parallel_tasks(p.n, [&](int64_t n) {
        const Tensor columns = empty(buffer, {dtype, x.device()});
        for (int64_t i = 0; i < groups; ++i) {
          gemm(type, p.patch(), p.places(), rows, 1,
               {w.data<T>() + i * rows * p.patch(), 1, p.patch()},
               {g.data<T>() + (n * p.k + i * rows) * p.places(), p.places(), 1}, 0,
               {columns.data<T>(), p.places(), 1});
          fold(p, columns.data<T>(), dx.data<T>() + (n * p.c + i * channels) * p.h * p.w);
        }
      });
      if (!dx.is(grad_input)) copy(grad_input, dx);
    }
    if (mask[1]) {
      const Tensor dw = place_for(grad_weight, dtype);
      fill(dw, 0);
      const Tensor columns = empty(buffer, {dtype, x.device()});
      for (int64_t n = 0; n < p.n; ++n)
        for (int64_t i = 0; i < groups; ++i) {
          unfold(p, x.data<T>() + (n * p.c + i * channels) * p.h * p.w, columns.data<T>());
          gemm(type, rows, p.patch(), p.places(), 1,
               {g.data<T>() + (n * p.k + i * rows) * p.places(), p.places(), 1},
               {columns.data<T>(), 1, p.places()}, 1,
               {dw.data<T>() + i * rows * p.patch(), p.patch(), 1});
        }
      if (!dw.is(grad_weight)) copy(grad_weight, dw);
    }
    if (mask[2]) {
      const Tensor db = place_for(grad_bias, dtype);
      for (int64_t k = 0; k < p.k; ++k) {
        double sum = 0;
        for (int64_t n = 0; n < p.n; ++n)
          for (int64_t i = 0; i < p.places(); ++i)
            sum += g.data<T>()[(n * p.k + k) * p.places() + i];
        db.data<T>()[k] = static_cast<T>(sum);
      }
      if (!db.is(grad_bias)) copy(grad_bias, db);
    }
  });
}

}  // namespace flambeau::cpu
