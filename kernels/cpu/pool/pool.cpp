#include "kernels/cpu/pool/pool.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pool/pool_kernels.h"
#include "kernels/cpu/pool/windows.h"
#include "kernels/math/half.h"

namespace flambeau::inline v1::cpu {
namespace {

const PoolKernels& pool_kernels() {
  static const PoolKernels& chosen =
      of_isa(baseline::pool_kernels, avx2::pool_kernels, avx512::pool_kernels);
  return chosen;
}

const PoolLoops& loops_of(DType dtype) {
  const PoolKernels& kernels = pool_kernels();
  switch (dtype) {
    case DType::float64:
      return kernels.f64;
    case DType::float16:
      return kernels.f16;
    case DType::bfloat16:
      return kernels.bf16;
    case DType::int64:
      return kernels.i64;
    case DType::int32:
      return kernels.i32;
    case DType::int16:
      return kernels.i16;
    case DType::int8:
      return kernels.i8;
    case DType::uint8:
      return kernels.u8;
    default:
      return kernels.f32;
  }
}

// The tables that a window refers to.
struct Windows {
  std::vector<int64_t> begin[3], end[3];
  PoolWindow window{};

  // Dimensions in front of the first one that is pooled.
  void fill_up(size_t rank) {
    for (size_t d = 0; d + rank < 3; ++d) {
      begin[d] = {0};
      end[d] = {1};
      window.dims[d] = {1, 1, 1, nullptr, nullptr, 1, 1, 0};
    }
    for (size_t d = 0; d < 3; ++d) {
      window.dims[d].begin = begin[d].data();
      window.dims[d].end = end[d].data();
    }
  }
};

int64_t planes_at_once(int64_t plane) { return std::max<int64_t>(1, 16384 / plane); }

int64_t plane_of(const Tensor& t, int64_t rank) {
  int64_t size = 1;
  for (int64_t d = 1; d <= rank; ++d) size *= t.size(-d);
  return size;
}

// How images are walked: as planes, or with channels as neighbours in memory.
MemoryFormat format_of(const Tensor& t, int64_t rank) {
  const MemoryFormat last =
      rank == 3 ? MemoryFormat::channels_last_3d : MemoryFormat::channels_last;
  const bool lies_last = t.dim() == rank + 2 && t.is_contiguous(last) && !t.is_contiguous();
  // Places in a plane are counted by vectors of 32 bits.
  return lies_last && plane_of(t, rank) <= INT32_MAX ? last : MemoryFormat::contiguous;
}

void pool_windows(const Tensor& out, const Tensor& indices, const Tensor& self, int64_t rank,
                  const PoolWindow& w) {
  MemoryFormat format = format_of(self, rank);
  if (!out.is_contiguous(format)) format = MemoryFormat::contiguous;
  const DType dtype = self.dtype();
  const Tensor x = packed(self, dtype, format), y = place_for(out, dtype, format);
  const Tensor where = place_for(indices, DType::int64, format);
  const PoolLoops& pool = loops_of(dtype);
  const int64_t plane = plane_of(x, rank), out_plane = plane_of(y, rank);
  const int64_t item = static_cast<int64_t>(x.itemsize());
  if (format == MemoryFormat::contiguous) {
    parallel_for(y.numel() / out_plane, planes_at_once(plane), [&](int64_t p, int64_t end) {
      for (; p < end; ++p)
        pool.plane(x.bytes() + p * plane * item, y.bytes() + p * out_plane * item,
                   where.data<int64_t>() + p * out_plane, w);
    });
  } else {
    const int64_t channels = x.size(1), row = w.dims[2].out * channels;
    const int64_t per_image = w.dims[0].out * w.dims[1].out;
    const int64_t inputs = plane * channels / per_image;
    parallel_for(y.numel() / row, planes_at_once(std::max<int64_t>(inputs, 1)),
                 [&](int64_t r, int64_t end) {
                   for (; r < end; ++r)
                     pool.row(x.bytes() + r / per_image * plane * channels * item,
                              y.bytes() + r * row * item, where.data<int64_t>() + r * row, w,
                              channels, r % per_image);
                 });
  }
  deliver(out, y);
  deliver(indices, where);
}

// Calls f with a number of the type that the gradients of a dtype are added in.
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

[[noreturn]] void refuse(const char* op, int64_t place, int64_t size, bool adds) {
  check<IndexError>(!adds, op, ": index ", place, " is out of range for a plane of ", size,
                    " elements");
  raise<Error>(op, ": Found an invalid max index: ", place, " (output volumes are of ", size,
               " elements)");
}

// `count` elements go to the places that the indices name in a plane of `size`: added there, or put
// there.
template <bool Add, class T, class S>
void scatter_plane(const S* g, const int64_t* where, int64_t count, T* to, int64_t size,
                   const char* op) {
  std::fill_n(to, size, T(0));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t place = where[i];
    if (static_cast<uint64_t>(place) >= static_cast<uint64_t>(size)) [[unlikely]] {
      if (Add && place == -1) continue;  // of a window without elements
      refuse(op, place, size, Add);
    }
    if constexpr (!Add)
      to[place] = g[i];
    else if constexpr (std::is_same_v<T, S>)
      to[place] = static_cast<T>(to[place] + g[i]);
    else
      to[place] += math::to_float(g[i]);
  }
}

// The same of `width` channels out of `channels` that are neighbours.
template <bool Add, class T>
void scatter_channels(const T* g, const int64_t* where, int64_t count, T* to, int64_t size,
                      int64_t width, int64_t channels, const char* op) {
  for (int64_t i = 0; i < size; ++i) std::fill_n(to + i * channels, width, T(0));
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = 0; c < width; ++c) {
      const int64_t place = where[i * channels + c];
      if (static_cast<uint64_t>(place) >= static_cast<uint64_t>(size)) [[unlikely]] {
        if (Add && place == -1) continue;
        refuse(op, place, size, Add);
      }
      T& target = to[place * channels + c];
      target = Add ? static_cast<T>(target + g[i * channels + c]) : g[i * channels + c];
    }
}

// Halves are added up in floats, a plane at a time.
template <class S>
void scatter_halves(const Tensor& out, const Tensor& given, const Tensor& indices, int64_t rank,
                    const char* op) {
  const Tensor g = packed(given, out.dtype()), where = packed(indices, DType::int64);
  const Tensor made = place_for(out, out.dtype());
  const int64_t plane = plane_of(out, rank), out_plane = plane_of(g, rank);
  const S* const from = reinterpret_cast<const S*>(g.bytes());
  S* const to = reinterpret_cast<S*>(made.bytes());
  parallel_for(made.numel() / plane, planes_at_once(plane), [&](int64_t p, int64_t end) {
    std::vector<float> sums(static_cast<size_t>(plane));
    for (; p < end; ++p) {
      scatter_plane<true>(from + p * out_plane, where.data<int64_t>() + p * out_plane, out_plane,
                          sums.data(), plane, op);
      math::convert(sums.data(), to + p * plane, plane);
    }
  });
  deliver(out, made);
}

template <bool Add>
void scatter(const Tensor& out, const Tensor& given, const Tensor& indices, int64_t rank,
             const char* op) {
  if (out.numel() == 0) return;
  const DType dtype = Add ? compute_dtype(out.dtype()) : out.dtype();
  const MemoryFormat format = format_of(out, rank);
  const bool last = format != MemoryFormat::contiguous;
  if (Add && !last && out.dtype() == DType::float16)
    return scatter_halves<math::float16>(out, given, indices, rank, op);
  if (Add && !last && out.dtype() == DType::bfloat16)
    return scatter_halves<math::bfloat16>(out, given, indices, rank, op);
  const Tensor g = packed(given, dtype, format), where = packed(indices, DType::int64, format);
  const Tensor made = place_for(out, dtype, format);
  const int64_t plane = plane_of(out, rank), out_plane = plane_of(g, rank);
  // Neighbouring channels of a plane fill lines of the cache together.
  const int64_t channels = last ? out.size(1) : 1, width = std::min<int64_t>(channels, 64);
  const int64_t blocks = (channels + width - 1) / width;
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    const T* const from = reinterpret_cast<const T*>(g.bytes());
    T* const to = reinterpret_cast<T*>(made.bytes());
    parallel_for(made.numel() / (plane * channels) * blocks, planes_at_once(plane * width),
                 [&](int64_t p, int64_t end) {
                   for (; p < end; ++p) {
                     const int64_t image = p / blocks * channels, first = p % blocks * width;
                     const int64_t at = image * out_plane + first;
                     if (!last)
                       scatter_plane<Add>(from + at, where.data<int64_t>() + at, out_plane,
                                          to + image * plane, plane, op);
                     else
                       scatter_channels<Add>(from + at, where.data<int64_t>() + at, out_plane,
                                             to + image * plane + first, plane,
                                             std::min(width, channels - first), channels, op);
                   }
                 });
  };
  if constexpr (Add) {
    by_type(dtype, run);
  } else {  // which only moves elements
    switch (made.itemsize()) {
      case 1:
        run(uint8_t{});
        break;
      case 2:
        run(uint16_t{});
        break;
      case 4:
        run(uint32_t{});
        break;
      default:
        run(uint64_t{});
    }
  }
  deliver(out, made);
}

}  // namespace

void max_pool(const Tensor& out, const Tensor& indices, const Tensor& self, IntSpan kernel_size,
              IntSpan stride, IntSpan padding, IntSpan dilation, int64_t rank) {
  if (out.numel() == 0) return;
  Windows made;
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    const int64_t at = static_cast<int64_t>(d) - rank;
    const int64_t kernel = along(kernel_size, d), pad = along(padding, d);
    const int64_t step = stride.empty() ? kernel : along(stride, d);
    // Of one element it is never stepped, and may be of any size.
    const int64_t apart = kernel == 1 ? 1 : along(dilation, d);
    const int64_t n = self.size(at), count = out.size(at);
    const size_t place = 3 - static_cast<size_t>(rank) + d;
    for (int64_t o = 0; o < count; ++o) {
      int64_t begin = o * step - pad;
      const int64_t end = std::min(begin + (kernel - 1) * apart + 1, n);
      if (begin < 0) begin += (apart - 1 - begin) / apart * apart;
      made.begin[place].push_back(begin);
      made.end[place].push_back(end);
    }
    made.window.dims[place] = {n, count, apart, nullptr, nullptr, step, kernel, pad};
  }
  made.fill_up(static_cast<size_t>(rank));
  pool_windows(out, indices, self, rank, made.window);
}

void adaptive_max_pool(const Tensor& out, const Tensor& indices, const Tensor& self, int64_t rank) {
  if (out.numel() == 0) return;
  Windows made;
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t n = self.size(d - rank), count = out.size(d - rank), place = 3 - rank + d;
    for (int64_t o = 0; o < count; ++o) {
      made.begin[place].push_back(even_begin(o, count, n));
      made.end[place].push_back(even_end(o, count, n));
    }
    made.window.dims[place] = {n, count, 1, nullptr, nullptr, 0, 0, 0};
  }
  made.fill_up(static_cast<size_t>(rank));
  pool_windows(out, indices, self, rank, made.window);
}

namespace {

// Windows of `kernel` elements: the last one ends with the dimension, the others lie at steps that
// a random shift rounds up or down. T is the type that PyTorch computes in.
template <class T>
void draw_windows(std::vector<int64_t>& begin, std::vector<int64_t>& end, double sample, int64_t n,
                  int64_t count, int64_t kernel) {
  begin.clear();
  end.clear();
  const T shift = static_cast<T>(sample);
  const T alpha = count > 1 ? static_cast<T>(n - kernel) / static_cast<T>(count - 1) : T(0);
  for (int64_t o = 0; o < count; ++o) {
    int64_t from = n - kernel;
    if (o + 1 < count)
      from = static_cast<int64_t>((static_cast<T>(o) + shift) * alpha) -
             static_cast<int64_t>(shift * alpha);
    begin.push_back(from);
    end.push_back(from + kernel);
  }
}

}  // namespace

void fractional_max_pool(const Tensor& out, const Tensor& indices, const Tensor& self,
                         IntSpan kernel_size, const Tensor& samples) {
  if (out.numel() == 0) return;
  const size_t rank = kernel_size.size();
  const int64_t whole = static_cast<int64_t>(rank);
  const DType dtype = self.dtype();
  const Tensor x = packed(self, dtype), y = place_for(out, dtype);
  const Tensor where = place_for(indices, DType::int64);
  const Tensor shifts = packed(samples, DType::float64);
  const bool wide = dtype == DType::float64;
  const PoolLoops& pool = loops_of(dtype);
  const int64_t plane = plane_of(x, whole), out_plane = plane_of(y, whole);
  const int64_t item = static_cast<int64_t>(x.itemsize());
  parallel_for(y.numel() / out_plane, planes_at_once(plane), [&](int64_t p, int64_t last) {
    Windows made;
    for (; p < last; ++p) {
      for (size_t d = 0; d < rank; ++d) {
        const int64_t at = static_cast<int64_t>(d) - whole, n = x.size(at), count = y.size(at);
        const size_t place = 3 - rank + d;
        // Samples come for the last dimension first, and for three dimensions in their order.
        const size_t which = rank == 2 ? 1 - d : d;
        const double sample = shifts.data<double>()[p * whole + static_cast<int64_t>(which)];
        if (wide)
          draw_windows<double>(made.begin[place], made.end[place], sample, n, count,
                               kernel_size[d]);
        else
          draw_windows<float>(made.begin[place], made.end[place], sample, n, count, kernel_size[d]);
        made.window.dims[place] = {n, count, 1, nullptr, nullptr, 0, 0, 0};
      }
      made.fill_up(rank);
      pool.plane(x.bytes() + p * plane * item, y.bytes() + p * out_plane * item,
                 where.data<int64_t>() + p * out_plane, made.window);
    }
  });
  deliver(out, y);
  deliver(indices, where);
}

void max_pool_backward(const Tensor& out, const Tensor& grad, const Tensor& indices, int64_t rank,
                       const char* op) {
  scatter<true>(out, grad, indices, rank, op);
}

void max_unpool(const Tensor& out, const Tensor& self, const Tensor& indices, int64_t rank) {
  scatter<false>(out, self, indices, rank, rank == 2 ? "max_unpool2d" : "max_unpool3d");
}

}  // namespace flambeau::inline v1::cpu
