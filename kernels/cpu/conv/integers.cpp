#include "kernels/cpu/conv/integers.h"

#include <algorithm>
#include <array>

#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/matmul/integer.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kTaskElements = int64_t{1} << 15;

// Along one dimension: element i of the output and a tap meet in an element of the input.
struct Axis {
  int64_t in = 1, taps = 1, out = 1, stride = 1, pad = 0, dilation = 1;
  bool transposed = false;

  // -1: in none.
  int64_t input_of(int64_t i, int64_t tap) const {
    int64_t at = transposed ? i + pad - tap * dilation : i * stride - pad + tap * dilation;
    if (transposed) {
      if (at % stride != 0) return -1;
      at /= stride;
    }
    return at >= 0 && at < in ? at : -1;
  }
};
using Axes = std::array<Axis, 3>;

// What a tap of a channel reads for all elements of the output.
template <class T>
void gather(const Axes& axes, const T* channel, const std::array<int64_t, 3>& strides, int64_t tap,
            T* to) {
  const auto& [depth, rows, cols] = axes;
  const int64_t s = tap % cols.taps, r = tap / cols.taps % rows.taps;
  const int64_t q = tap / cols.taps / rows.taps;
  // Columns of the output are `stride` apart where those of the input are neighbours, or the other
  // way round.
  const int64_t most = cols.transposed ? cols.in : cols.out;
  const int64_t reach = cols.transposed ? cols.out : cols.in;
  const int64_t at = s * cols.dilation - cols.pad;  // for column 0
  const int64_t low = at < 0 ? std::min(most, ceil_div(-at, cols.stride)) : 0;
  const int64_t high =
      at < reach ? std::max(low, std::min(most, (reach - 1 - at) / cols.stride + 1)) : low;
  for (int64_t d = 0; d < depth.out; ++d) {
    for (int64_t h = 0; h < rows.out; ++h, to += cols.out) {
      const int64_t slice = depth.input_of(d, q), row = rows.input_of(h, r);
      std::fill_n(to, cols.out, T{0});
      if (slice < 0 || row < 0) continue;
      const T* const line = channel + slice * strides[0] + row * strides[1];
      if (cols.transposed) {
        for (int64_t j = low; j < high; ++j) to[j * cols.stride + at] = line[j * strides[2]];
      } else if (cols.stride * strides[2] == 1) {
        std::copy(line + low + at, line + high + at, to + low);
      } else {
        for (int64_t j = low; j < high; ++j) to[j] = line[(j * cols.stride + at) * strides[2]];
      }
    }
  }
}

// Products of the filters with what all taps read of a group of channels of one item.
template <class T>
void convolve(const Tensor& out, const Tensor& input, const Tensor& filters, const Tensor& bias,
              const Axes& axes, int64_t groups) {
  const int64_t channels = input.sizes()[1] / groups, outs = out.sizes()[1] / groups;
  const int64_t taps = axes[0].taps * axes[1].taps * axes[2].taps, depth = channels * taps;
  const int64_t elements = axes[0].out * axes[1].out * axes[2].out;
  const IntSpan from = input.strides();
  std::array<int64_t, 3> strides{};
  std::copy(from.begin() + 2, from.end(), strides.begin() + 5 - std::ssize(from));
  const T* const x = reinterpret_cast<const T*>(input.bytes());
  const Scratch columns(depth * elements * int64_t{sizeof(T)});
  T* const to = reinterpret_cast<T*>(columns.data());
  for (int64_t n = 0; n < input.sizes()[0]; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      parallel_for(depth, std::max<int64_t>(1, kTaskElements / elements),
                   [&](int64_t i, int64_t end) {
                     for (; i < end; ++i) {
                       const int64_t channel = g * channels + i / taps;
                       gather(axes, x + n * from[0] + channel * from[1], strides, i % taps,
                              to + i * elements);
                     }
                   });
      const Matrix to_add{bias.defined() ? bias.bytes() + g * outs * int64_t{sizeof(T)} : nullptr,
                          1, 0};
      const IntegerProduct product{
          .batch = 1,
          .m = outs,
          .n = elements,
          .k = depth,
          .a = {filters.bytes() + g * outs * depth * int64_t{sizeof(T)}, depth, 1},
          .b = {to, elements, 1},
          .a_step = 0,
          .b_step = 0,
          .bias = bias.defined() ? &to_add : nullptr,
          .bias_step = 0};
      integer_product(Tensor::alias(out, {{outs, elements}}, {{elements, 1}},
                                    out.offset() + (n * groups + g) * outs * elements),
                      product, 1, 1);
    }
  }
}

}  // namespace

void convolve_integers(const Tensor& out, const Tensor& input, const Tensor& weight,
                       const Tensor& bias, IntSpan stride, IntSpan padding, IntSpan dilation,
                       bool transposed, int64_t groups) {
  const size_t rank = weight.sizes().size() - 2;
  Axes axes;
  for (size_t i = 0; i < rank; ++i) {
    const auto of = [i](IntSpan values) { return values[values.size() == 1 ? 0 : i]; };
    axes[3 - rank + i] = {.in = input.sizes()[2 + i],
                          .taps = weight.sizes()[2 + i],
                          .out = out.sizes()[2 + i],
                          .stride = of(stride),
                          .pad = of(padding),
                          .dilation = of(dilation),
                          .transposed = transposed};
  }
  Tensor filters = packed(weight, weight.dtype());
  if (transposed) {
    // Outs first, then the group's channels and taps.
    const IntSpan n = filters.sizes();
    const int64_t ins = n[0] / groups, taps = count(n.subspan(2));
    const Tensor sorted = empty(n, {weight.dtype(), weight.device()});
    copy(Tensor::alias(sorted, {{groups, n[1], ins, taps}},
                       {{ins * n[1] * taps, ins * taps, taps, 1}}, 0),
         Tensor::alias(filters, {{groups, n[1], ins, taps}},
                       {{ins * n[1] * taps, taps, n[1] * taps, 1}}, filters.offset()));
    filters = sorted;
  }
  const Tensor b = packed(bias, out.dtype()), y = place_for(out, out.dtype());
  const auto of = [&](auto one) { convolve<decltype(one)>(y, input, filters, b, axes, groups); };
  switch (out.itemsize()) {
    case 1:
      of(uint8_t{});
      break;
    case 2:
      of(uint16_t{});
      break;
    case 4:
      of(uint32_t{});
      break;
    default:
      of(uint64_t{});
  }
  deliver(out, y);
}

}  // namespace flambeau::inline v1::cpu
