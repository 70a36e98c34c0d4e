#include "kernels/cpu/pool/pool.h"

#include <algorithm>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pool/pool_kernels.h"
#include "kernels/shape/conv.h"

namespace flambeau::inline v1::cpu {
namespace {

const PoolKernels& pool_kernels() {
  static const PoolKernels& chosen =
      of_isa(baseline::pool_kernels, avx2::pool_kernels, avx512::pool_kernels);
  return chosen;
}

PoolWindow window_of(const Tensor& in, const Tensor& out, IntSpan kernel_size, IntSpan stride,
                     IntSpan padding, IntSpan dilation) {
  const auto kernel = shape::pair_of(kernel_size, "max_pool2d", "kernel_size");
  const auto step = stride.empty() ? kernel : shape::pair_of(stride, "max_pool2d", "stride");
  const auto pad = shape::pair_of(padding, "max_pool2d", "padding");
  auto dilate = shape::pair_of(dilation, "max_pool2d", "dilation");
  for (int d = 0; d < 2; ++d)
    if (kernel[d] == 1) dilate[d] = 1;  // it is never stepped, and may be of any size
  return {{kernel[0], kernel[1]}, {step[0], step[1]},         {pad[0], pad[1]},
          {dilate[0], dilate[1]}, {in.size(-2), in.size(-1)}, {out.size(-2), out.size(-1)}};
}

// Calls f with the kernel for a dtype.
template <class F>
void with_kernel(DType dtype, F&& f) {
  const PoolKernels& kernels = pool_kernels();
  switch (dtype) {
    case DType::float64:
      return f(kernels.f64);
    case DType::int64:
      return f(kernels.i64);
    case DType::int32:
      return f(kernels.i32);
    case DType::int16:
      return f(kernels.i16);
    case DType::int8:
      return f(kernels.i8);
    case DType::uint8:
      return f(kernels.u8);
    default:
      return f(kernels.f32);
  }
}

DType compute_dtype(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 ? DType::float32 : dtype;
}

int64_t planes_at_once(int64_t plane) { return std::max<int64_t>(1, 16384 / plane); }

// Whether the channels of images are neighbours in memory, and not the columns.
bool lies_channels_last(const Tensor& t) {
  return t.dim() == 4 && t.is_contiguous(MemoryFormat::channels_last) && !t.is_contiguous();
}
// Places in a plane are counted by vectors of 32 bits.
bool is_small_plane(const Tensor& t) { return t.size(-2) * t.size(-1) <= INT32_MAX; }

// Adds `count` gradients, of each of `width` channels out of `channels`, to the places that the
// indices name in a plane of `size`.
template <class T>
void scatter_plane(const T* g, const int64_t* where, int64_t count, T* to, int64_t size,
                   int64_t width, int64_t channels) {
  for (int64_t i = 0; i < size; ++i) std::fill_n(to + i * channels, width, T(0));
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = 0; c < width; ++c) {
      const int64_t place = where[i * channels + c];
      if (place == -1) continue;  // of a window without elements
      check<IndexError>(static_cast<uint64_t>(place) < static_cast<uint64_t>(size),
                        "max_pool2d_with_indices_backward: index ", place,
                        " is out of range for a plane of ", size, " elements");
      to[place * channels + c] += g[i * channels + c];
    }
}

}  // namespace

void max_pool2d(const Tensor& out, const Tensor& indices, const Tensor& self, IntSpan kernel_size,
                IntSpan stride, IntSpan padding, IntSpan dilation) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(self.dtype());
  const bool last = lies_channels_last(self) && lies_channels_last(out) && is_small_plane(self);
  const MemoryFormat format = last ? MemoryFormat::channels_last : MemoryFormat::contiguous;
  const Tensor x = packed(self, dtype, format), y = place_for(out, dtype, format);
  const Tensor where = place_for(indices, DType::int64, format);
  const PoolWindow w = window_of(x, y, kernel_size, stride, padding, dilation);
  const int64_t plane = w.in[0] * w.in[1], out_plane = w.out[0] * w.out[1];
  with_kernel(dtype, [&]<class T>(const PoolLoops<T>& pool) {
    if (!last)
      return parallel_for(y.numel() / out_plane, planes_at_once(plane),
                          [&](int64_t p, int64_t end) {
                            for (; p < end; ++p)
                              pool.plane(x.data<T>() + p * plane, y.data<T>() + p * out_plane,
                                         where.data<int64_t>() + p * out_plane, w);
                          });
    const int64_t channels = x.size(-3), row = w.out[1] * channels;
    const int64_t rows = y.numel() / row, inputs = w.in[1] * channels * w.step[0];
    parallel_for(rows, planes_at_once(inputs), [&](int64_t r, int64_t end) {
      for (; r < end; ++r)
        pool.row(x.data<T>() + r / w.out[0] * plane * channels, y.data<T>() + r * row,
                 where.data<int64_t>() + r * row, w, channels, r % w.out[0]);
    });
  });
  deliver(out, y);
  deliver(indices, where);
}

void max_pool2d_backward(const Tensor& out, const Tensor& grad, const Tensor& indices) {
  if (out.numel() == 0) return;
  const DType dtype = compute_dtype(out.dtype());
  const bool last = lies_channels_last(out);
  const MemoryFormat format = last ? MemoryFormat::channels_last : MemoryFormat::contiguous;
  const Tensor g = packed(grad, dtype, format), where = packed(indices, DType::int64, format);
  const Tensor made = place_for(out, dtype, format);
  const int64_t plane = out.size(-2) * out.size(-1), out_plane = g.size(-2) * g.size(-1);
  // Neighbouring channels of a plane fill lines of the cache together.
  const int64_t channels = last ? out.size(-3) : 1, width = std::min<int64_t>(channels, 64);
  const int64_t blocks = (channels + width - 1) / width;
  with_kernel(dtype, [&]<class T>(const PoolLoops<T>&) {
    parallel_for(made.numel() / (plane * channels) * blocks, planes_at_once(plane * width),
                 [&](int64_t p, int64_t end) {
                   for (; p < end; ++p) {
                     const int64_t image = p / blocks * channels, first = p % blocks * width;
                     const int64_t from = image * out_plane + first;
                     scatter_plane(g.data<T>() + from, where.data<int64_t>() + from, out_plane,
                                   made.data<T>() + image * plane + first, plane,
                                   std::min(width, channels - first), channels);
                   }
                 });
  });
  deliver(out, made);
}

}  // namespace flambeau::inline v1::cpu
