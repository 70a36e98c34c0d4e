#include "kernels/cpu/conv/integers.h"

#include <algorithm>
#include <type_traits>

#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kTaskWork = int64_t{1} << 16;  // multiplications

// One row of an output channel at a time: each tap of each input channel is a number times a row.
template <class T>
void convolve(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
              IntSpan stride, IntSpan padding, IntSpan dilation, int64_t groups) {
  // Small unsigned numbers would become int, which must not overflow.
  using Wide = std::conditional_t<sizeof(T) < 4, uint32_t, T>;
  const IntSpan x_sizes = input.sizes(), w_sizes = weight.sizes(), y_sizes = out.sizes();
  const IntSpan x_strides = input.strides(), w_strides = weight.strides();
  const IntSpan y_strides = out.strides();
  const T* const x = reinterpret_cast<const T*>(input.bytes());
  const T* const w = reinterpret_cast<const T*>(weight.bytes());
  const T* const b = bias.defined() ? reinterpret_cast<const T*>(bias.bytes()) : nullptr;
  T* const y = reinterpret_cast<T*>(out.bytes());
  const int64_t channels = w_sizes[1], group_outs = y_sizes[1] / groups, cols = y_sizes[3];
  const int64_t step = stride[1] * x_strides[3];
  const int64_t work = std::max<int64_t>(1, cols * channels * w_sizes[2] * w_sizes[3]);
  parallel_for(
      y_sizes[0] * y_sizes[1] * y_sizes[2], std::max<int64_t>(1, kTaskWork / work),
      [&](int64_t t, int64_t end) {
        const Scratch row_sums(cols * int64_t{sizeof(Wide)});
        Wide* const sums = reinterpret_cast<Wide*>(row_sums.data());
        for (; t < end; ++t) {
          const int64_t h = t % y_sizes[2], k = t / y_sizes[2] % y_sizes[1];
          const int64_t n = t / y_sizes[2] / y_sizes[1], first = k / group_outs * channels;
          std::fill_n(sums, cols, b ? Wide{b[k * bias.strides()[0]]} : Wide{0});
          for (int64_t c = 0; c < channels; ++c) {
            for (int64_t r = 0; r < w_sizes[2]; ++r) {
              const int64_t row = h * stride[0] - padding[0] + r * dilation[0];
              if (row < 0 || row >= x_sizes[2]) continue;
              const T* const line =
                  x + n * x_strides[0] + (first + c) * x_strides[1] + row * x_strides[2];
              const T* const filter = w + k * w_strides[0] + c * w_strides[1] + r * w_strides[2];
              for (int64_t s = 0; s < w_sizes[3]; ++s) {
                const int64_t at = s * dilation[1] - padding[1];  // in the line, for column 0
                const int64_t low = at < 0 ? std::min(cols, ceil_div(-at, stride[1])) : 0;
                const int64_t high =
                    at < x_sizes[3] ? std::min(cols, (x_sizes[3] - 1 - at) / stride[1] + 1) : 0;
                const Wide by = filter[s * w_strides[3]];
                const T* from = line + at * x_strides[3];
                if (step == 1)
                  for (int64_t j = low; j < high; ++j) sums[j] += by * Wide{from[j]};
                else
                  for (int64_t j = low; j < high; ++j) sums[j] += by * Wide{from[j * step]};
              }
            }
          }
          T* const to = y + n * y_strides[0] + k * y_strides[1] + h * y_strides[2];
          for (int64_t j = 0; j < cols; ++j) to[j * y_strides[3]] = static_cast<T>(sums[j]);
        }
      });
}

}  // namespace

void convolve_integers(const Tensor& out, const Tensor& input, const Tensor& weight,
                       const Tensor& bias, IntSpan stride, IntSpan padding, IntSpan dilation,
                       int64_t groups) {
  const auto of = [&](auto one) {
    convolve<decltype(one)>(out, input, weight, bias, stride, padding, dilation, groups);
  };
  switch (out.itemsize()) {
    case 1:
      return of(uint8_t{});
    case 2:
      return of(uint16_t{});
    case 4:
      return of(uint32_t{});
    default:
      return of(uint64_t{});
  }
}

}  // namespace flambeau::inline v1::cpu
