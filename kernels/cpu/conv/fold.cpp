#include "kernels/cpu/conv/fold.h"

#include <algorithm>
#include <complex>
#include <cstring>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kTaskElements = int64_t{1} << 15;

// Windows along one dimension of the image.
struct Axis {
  int64_t size, taps, dilation, pad, stride, windows;

  Axis(const Tensor& image, int64_t dim, IntSpan kernel_size, IntSpan dilation_of, IntSpan padding,
       IntSpan stride_of)
      : size(image.size(dim - 2)) {
    const auto of = [dim](IntSpan v) { return v[v.size() == 1 ? 0 : static_cast<size_t>(dim)]; };
    taps = of(kernel_size);
    dilation = taps == 1 ? 1 : of(dilation_of);
    pad = of(padding);
    stride = of(stride_of);
    windows = (size + 2 * pad - dilation * (taps - 1) - 1) / stride + 1;
  }

  // Windows whose tap lies inside the image: from the first one on.
  int64_t first(int64_t tap) const {
    const int64_t at = tap * dilation - pad;
    return at < 0 ? std::min(windows, (stride - 1 - at) / stride) : 0;
  }
  int64_t end(int64_t tap) const {
    const int64_t at = tap * dilation - pad;
    return at < size ? std::min(windows, (size - 1 - at) / stride + 1) : 0;
  }
  // Where the tap of a window lies.
  int64_t at(int64_t window, int64_t tap) const { return window * stride + tap * dilation - pad; }
};

// A row of the columns for a tap of a channel.
template <class T>
void gather(const Tensor& out, const Tensor& self, const Axis& rows, const Axis& cols) {
  const int64_t batch = self.dim() == 4 ? self.size(0) : 1, channels = self.size(-3);
  const int64_t n_stride = self.dim() == 4 ? self.stride(0) : 0;
  const int64_t step = cols.stride * self.stride(-1), windows = rows.windows * cols.windows;
  const T* const from = reinterpret_cast<const T*>(self.bytes());
  T* const to = reinterpret_cast<T*>(out.bytes());
  parallel_for(batch * channels * rows.taps * cols.taps,
               std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, windows)),
               [&](int64_t i, int64_t last) {
                 for (; i < last; ++i) {
                   const int64_t s = i % cols.taps, r = i / cols.taps % rows.taps;
                   const int64_t c = i / cols.taps / rows.taps % channels;
                   const int64_t n = i / cols.taps / rows.taps / channels;
                   const T* const plane = from + n * n_stride + c * self.stride(-3);
                   const int64_t low = cols.first(s), high = std::max(low, cols.end(s));
                   T* line = to + i * windows;
                   for (int64_t h = 0; h < rows.windows; ++h, line += cols.windows) {
                     if (h < rows.first(r) || h >= rows.end(r)) {
                       std::fill_n(line, cols.windows, T{});
                       continue;
                     }
                     const T* const src = plane + rows.at(h, r) * self.stride(-2) +
                                          cols.at(low, s) * self.stride(-1) - low * step;
                     std::fill(line, line + low, T{});
                     if (step == 1)
                       std::copy(src + low, src + high, line + low);
                     else
                       for (int64_t w = low; w < high; ++w) line[w] = src[w * step];
                     std::fill(line + high, line + cols.windows, T{});
                   }
                 }
               });
}

// A row of the image at a time, from all taps that reach it, in their order.
template <class T>
void scatter(const Tensor& out, const Tensor& self, const Axis& rows, const Axis& cols) {
  const int64_t planes = count(out.sizes()) / (rows.size * cols.size);
  const int64_t windows = rows.windows * cols.windows;
  const T* const from = reinterpret_cast<const T*>(self.bytes());
  T* const to = reinterpret_cast<T*>(out.bytes());
  const int64_t work = std::max<int64_t>(1, cols.size * rows.taps * cols.taps / rows.stride);
  parallel_for(
      planes * rows.size, std::max<int64_t>(1, kTaskElements / work), [&](int64_t i, int64_t last) {
        for (; i < last; ++i) {
          const int64_t row = i % rows.size, plane = i / rows.size;
          T* const line = to + i * cols.size;
          std::fill_n(line, cols.size, T{});
          for (int64_t r = 0; r < rows.taps; ++r) {
            const int64_t distance = row - rows.at(0, r), h = distance / rows.stride;
            if (distance < 0 || distance % rows.stride != 0 || h >= rows.windows) continue;
            for (int64_t s = 0; s < cols.taps; ++s) {
              const T* const src =
                  from + ((plane * rows.taps + r) * cols.taps + s) * windows + h * cols.windows;
              const int64_t low = cols.first(s), high = cols.end(s);
              T* const dst = line + cols.at(low, s) - low * cols.stride;
              if (cols.stride == 1)
                for (int64_t w = low; w < high; ++w) dst[w] = static_cast<T>(dst[w] + src[w]);
              else
                for (int64_t w = low; w < high; ++w)
                  dst[w * cols.stride] = static_cast<T>(dst[w * cols.stride] + src[w]);
            }
          }
        }
      });
}

}  // namespace

void im2col(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan dilation,
            IntSpan padding, IntSpan stride) {
  if (out.numel() == 0) return;
  const Axis rows(self, 0, kernel_size, dilation, padding, stride);
  const Axis cols(self, 1, kernel_size, dilation, padding, stride);
  const Tensor to = place_for(out, out.dtype());
  switch (out.itemsize()) {
    case 1:
      gather<uint8_t>(to, self, rows, cols);
      break;
    case 2:
      gather<uint16_t>(to, self, rows, cols);
      break;
    case 4:
      gather<uint32_t>(to, self, rows, cols);
      break;
    case 8:
      gather<uint64_t>(to, self, rows, cols);
      break;
    default:
      gather<std::complex<double>>(to, self, rows, cols);
  }
  deliver(out, to);
}

void col2im(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan dilation,
            IntSpan padding, IntSpan stride) {
  if (out.numel() == 0) return;
  const Axis rows(out, 0, kernel_size, dilation, padding, stride);
  const Axis cols(out, 1, kernel_size, dilation, padding, stride);
  // Halves are summed in float.
  const bool half = out.dtype() == DType::float16 || out.dtype() == DType::bfloat16;
  const DType dtype = half ? DType::float32 : out.dtype();
  const Tensor from = packed(self, dtype), to = place_for(out, dtype);
  switch (dtype) {
    case DType::float64:
      scatter<double>(to, from, rows, cols);
      break;
    case DType::complex64:
      scatter<std::complex<float>>(to, from, rows, cols);
      break;
    case DType::complex128:
      scatter<std::complex<double>>(to, from, rows, cols);
      break;
    case DType::boolean:
      scatter<bool>(to, from, rows, cols);
      break;
    default:
      scatter<float>(to, from, rows, cols);
  }
  deliver(out, to);
}

}  // namespace flambeau::inline v1::cpu
