#include "kernels/cpu/conv/integers.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kTaskWork = int64_t{1} << 16;  // multiplications

// A tensor of any rank as a volume, whose first dimensions are 1.
struct Volume {
  std::array<int64_t, 5> sizes{1, 1, 1, 1, 1}, strides{};

  explicit Volume(const Tensor& t) {
    const size_t missing = 5 - t.sizes().size();
    for (size_t i = 0; i < t.sizes().size(); ++i) {
      sizes[i < 2 ? i : i + missing] = t.sizes()[i];
      strides[i < 2 ? i : i + missing] = t.strides()[i];
    }
  }
};

// Along one dimension: element i of the output and a tap meet in an element of the input.
struct Axis {
  int64_t stride = 1, pad = 0, dilation = 1;
  bool transposed = false;

  // -1: in none.
  int64_t input_of(int64_t i, int64_t tap, int64_t size) const {
    int64_t at = transposed ? i + pad - tap * dilation : i * stride - pad + tap * dilation;
    if (transposed) {
      if (at % stride != 0) return -1;
      at /= stride;
    }
    return at >= 0 && at < size ? at : -1;
  }
};

// One row of an output channel at a time: each tap of each input channel is a number times a row.
template <class T>
void convolve(const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
              const std::array<Axis, 3>& axes, int64_t groups) {
  // Small unsigned numbers would become int, which must not overflow.
  using Wide = std::conditional_t<sizeof(T) < 4, uint32_t, T>;
  const Volume xs(input), ws(weight), ys(out);
  const T* const x = reinterpret_cast<const T*>(input.bytes());
  const T* const w = reinterpret_cast<const T*>(weight.bytes());
  const T* const b = bias.defined() ? reinterpret_cast<const T*>(bias.bytes()) : nullptr;
  T* const y = reinterpret_cast<T*>(out.bytes());
  const bool transposed = axes[2].transposed;
  const int64_t channels = xs.sizes[1] / groups, group_outs = ys.sizes[1] / groups;
  const int64_t cols = ys.sizes[4], in_cols = xs.sizes[4], stride = axes[2].stride;
  // Columns of the output are `stride` apart where those of the input are neighbours, or the other
  // way round.
  const int64_t most = transposed ? in_cols : cols, reach = transposed ? cols : in_cols;
  const int64_t x_step = transposed ? xs.strides[4] : stride * xs.strides[4];
  const int64_t y_step = transposed ? stride : 1;
  const int64_t work =
      std::max<int64_t>(1, most * channels * ws.sizes[2] * ws.sizes[3] * ws.sizes[4]);
  parallel_for(
      ys.sizes[0] * ys.sizes[1] * ys.sizes[2] * ys.sizes[3], std::max<int64_t>(1, kTaskWork / work),
      [&](int64_t t, int64_t end) {
        const Scratch row_sums(cols * int64_t{sizeof(Wide)});
        Wide* const sums = reinterpret_cast<Wide*>(row_sums.data());
        for (; t < end; ++t) {
          const int64_t h = t % ys.sizes[3], d = t / ys.sizes[3] % ys.sizes[2];
          const int64_t k = t / ys.sizes[3] / ys.sizes[2] % ys.sizes[1];
          const int64_t n = t / ys.sizes[3] / ys.sizes[2] / ys.sizes[1];
          const int64_t first = k / group_outs * channels, out_of_group = k % group_outs;
          std::fill_n(sums, cols, b ? Wide{b[k * bias.strides()[0]]} : Wide{0});
          for (int64_t c = 0; c < channels; ++c) {
            const T* const filter =
                w + (transposed ? (first + c) * ws.strides[0] + out_of_group * ws.strides[1]
                                : k * ws.strides[0] + c * ws.strides[1]);
            const T* const volume = x + n * xs.strides[0] + (first + c) * xs.strides[1];
            for (int64_t taps = 0; taps < ws.sizes[2] * ws.sizes[3]; ++taps) {
              const int64_t q = taps / ws.sizes[3], r = taps % ws.sizes[3];
              const int64_t slice = axes[0].input_of(d, q, xs.sizes[2]);
              const int64_t row = axes[1].input_of(h, r, xs.sizes[3]);
              if (slice < 0 || row < 0) continue;
              const T* const line = volume + slice * xs.strides[2] + row * xs.strides[3];
              const T* const by_of = filter + q * ws.strides[2] + r * ws.strides[3];
              for (int64_t s = 0; s < ws.sizes[4]; ++s) {
                const int64_t at = s * axes[2].dilation - axes[2].pad;  // for column 0
                const int64_t low = at < 0 ? std::min(most, ceil_div(-at, stride)) : 0;
                const int64_t high = at < reach ? std::min(most, (reach - 1 - at) / stride + 1) : 0;
                const Wide by = by_of[s * ws.strides[4]];
                const T* const from = line + (transposed ? 0 : at * xs.strides[4]);
                Wide* const to = sums + (transposed ? at : 0);
                if (x_step == 1 && y_step == 1)
                  for (int64_t j = low; j < high; ++j) to[j] += by * Wide{from[j]};
                else
                  for (int64_t j = low; j < high; ++j)
                    to[j * y_step] += by * Wide{from[j * x_step]};
              }
            }
          }
          T* const to =
              y + n * ys.strides[0] + k * ys.strides[1] + d * ys.strides[2] + h * ys.strides[3];
          for (int64_t j = 0; j < cols; ++j) to[j * ys.strides[4]] = static_cast<T>(sums[j]);
        }
      });
}

}  // namespace

void convolve_integers(const Tensor& out, const Tensor& input, const Tensor& weight,
                       const Tensor& bias, IntSpan stride, IntSpan padding, IntSpan dilation,
                       bool transposed, int64_t groups) {
  std::array<Axis, 3> axes;
  axes[0].transposed = axes[1].transposed = axes[2].transposed = transposed;
  const size_t rank = weight.sizes().size() - 2;
  for (size_t i = 0; i < rank; ++i) {
    const auto of = [i](IntSpan values) { return values[values.size() == 1 ? 0 : i]; };
    axes[3 - rank + i] = {of(stride), of(padding), of(dilation), transposed};
  }
  const auto of = [&](auto one) {
    convolve<decltype(one)>(out, input, weight, bias, axes, groups);
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
