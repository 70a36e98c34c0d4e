// Group normalisation: groups of channels of each sample are centred and scaled by themselves.

#include <algorithm>
#include <cmath>

#include "flambeau/kernels/norm.h"
#include "kernels/cpu/norm/channels.h"

namespace flambeau::inline v1::cpu {
namespace {

// A sample is `channels` planes, of which `width` neighbours are a group.
struct Groups {
  Channels l;
  int64_t groups, width;

  Groups(const Tensor& x, int64_t count)
      : l(channels_of(x)), groups(count), width(l.channels / count) {}
  int64_t in_group() const { return width * l.plane; }
  // Where a group begins, and how it lies there as a plane.
  int64_t at(int64_t sample, int64_t group) const {
    return sample * l.stride() + group * width * (l.last ? 1 : l.plane);
  }
  int64_t rows() const { return l.last ? l.plane : 1; }
  int64_t length() const { return l.last ? width : in_group(); }
};

// Calls f(sample, first group, last group): single groups of planes, all groups of columns, which
// are written side by side.
template <class F>
void for_groups(const Groups& s, F&& f) {
  const int64_t each = s.l.last ? s.groups : 1;
  const int64_t elements = std::max<int64_t>(1, each * s.in_group());
  const int64_t per_sample = s.groups / each;
  parallel_for(s.l.samples * per_sample, std::max<int64_t>(1, kChannelTask / elements),
               [&](int64_t task, int64_t end) {
                 for (; task < end; ++task) {
                   const int64_t first = task % per_sample * each;
                   f(task / per_sample, first, first + each);
                 }
               });
}

}  // namespace

void native_group_norm(const Tensor& result, const Tensor& save_mean, const Tensor& save_rstd,
                       const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t,
                       int64_t, int64_t, int64_t group, double eps) {
  if (input.numel() == 0) {
    fill(save_mean, 0);
    fill(save_rstd, 0);
    return;
  }
  const Groups s(input, group);
  const Channels& l = s.l;
  const Tensor x = packed(input, input.dtype(), l.format);
  const Tensor y = place_for(result, input.dtype(), l.format);
  const auto item = static_cast<int64_t>(x.itemsize());
  std::vector<double> means(static_cast<size_t>(l.samples * group)), rstds(means.size());
  by_float_type(input.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const ChannelKernels<T>& k = channel_kernels_of<T>(input.dtype());
    const std::vector<double> w = numbers_of(weight, l.channels, 1);
    const std::vector<double> b = numbers_of(bias, l.channels, 0);
    for_groups(s, [&](int64_t n, int64_t first, int64_t last) {
      const int64_t from = first * s.width, count = (last - first) * s.width;
      std::vector<T> all(static_cast<size_t>(3 * count));
      T *const center = all.data(), *const scale = center + count, *const shift = scale + count;
      for (int64_t g = first; g < last; ++g) {
        double square = 0;
        const auto at = static_cast<size_t>(n * group + g);
        k.plane_moments(x.bytes() + s.at(n, g) * item, s.rows(), l.channels, s.length(), &means[at],
                        &square);
        rstds[at] = 1 / std::sqrt(square / static_cast<double>(s.in_group()) + eps);
        for (int64_t c = g * s.width; c < (g + 1) * s.width; ++c) {
          center[c - from] = static_cast<T>(means[at]);
          scale[c - from] = static_cast<T>(rstds[at] * w[static_cast<size_t>(c)]);
          shift[c - from] = static_cast<T>(b[static_cast<size_t>(c)]);
        }
      }
      const int64_t begin = s.at(n, first) * item;
      if (l.last) {
        k.column_apply(y.bytes() + begin, x.bytes() + begin, l.plane, l.channels, count, center,
                       scale, shift);
        return;
      }
      for (int64_t c = 0; c < count; ++c) {
        const int64_t at = begin + c * l.plane * item;
        k.plane_apply(y.bytes() + at, x.bytes() + at, 1, l.plane, l.plane, center[c], scale[c],
                      shift[c]);
      }
    });
  });
  deliver_numbers(save_mean, means);
  deliver_numbers(save_rstd, rstds);
  deliver(result, y);
}

void native_group_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                                const Tensor& grad_bias, const Tensor& grad_out,
                                const Tensor& input, const Tensor& mean, const Tensor& rstd,
                                const Tensor& weight, int64_t, int64_t, int64_t, int64_t group,
                                std::span<const bool> output_mask) {
  if (input.numel() == 0) {
    if (output_mask[1]) fill(grad_weight, 0);
    if (output_mask[2]) fill(grad_bias, 0);
    return;
  }
  const Groups s(input, group);
  const Channels& l = s.l;
  const Tensor x = packed(input, input.dtype(), l.format);
  const Tensor g = packed(grad_out, input.dtype(), l.format);
  const Tensor dx = output_mask[0] ? place_for(grad_input, input.dtype(), l.format) : Tensor();
  const auto item = static_cast<int64_t>(x.itemsize());
  const std::vector<double> means = numbers_of(mean, l.samples * group, 0);
  const std::vector<double> rstds = numbers_of(rstd, l.samples * group, 1);
  const std::vector<double> w = numbers_of(weight, l.channels, 1);
  // The sums of the gradient, and of it times the distance from the mean, of each plane.
  std::vector<double> sums(static_cast<size_t>(l.samples * l.channels)), dots(sums.size());
  by_float_type(input.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const ChannelKernels<T>& k = channel_kernels_of<T>(input.dtype());
    for_groups(s, [&](int64_t n, int64_t first, int64_t last) {
      const int64_t from = first * s.width, count = (last - first) * s.width;
      std::vector<T> all(static_cast<size_t>(4 * count));
      T *const center = all.data(), *const scale = center + count, *const shift = scale + count,
               *const slope = shift + count;
      for (int64_t c = 0; c < count; ++c)
        center[c] = static_cast<T>(means[static_cast<size_t>(n * group + first + c / s.width)]);
      const int64_t begin = s.at(n, first) * item;
      double *const sum = &sums[static_cast<size_t>(n * l.channels + from)],
                    *const dot = &dots[static_cast<size_t>(n * l.channels + from)];
      if (l.last) {
        k.column_dots(g.bytes() + begin, x.bytes() + begin, l.plane, l.channels, count, center, sum,
                      dot);
      } else {
        for (int64_t c = 0; c < count; ++c) {
          const int64_t at = begin + c * l.plane * item;
          k.plane_dots(g.bytes() + at, x.bytes() + at, 1, l.plane, l.plane, center[c], sum + c,
                       dot + c);
        }
      }
      if (!dx.defined()) return;
      for (int64_t q = first; q < last; ++q) {
        const double r = rstds[static_cast<size_t>(n * group + q)];
        const int64_t begins = q * s.width - from;
        double a = 0, b = 0;
        for (int64_t c = begins; c < begins + s.width; ++c) {
          a += w[static_cast<size_t>(from + c)] * sum[c];
          b += w[static_cast<size_t>(from + c)] * dot[c];
        }
        const double each = r / static_cast<double>(s.in_group());
        for (int64_t c = begins; c < begins + s.width; ++c) {
          scale[c] = static_cast<T>(r * w[static_cast<size_t>(from + c)]);
          shift[c] = static_cast<T>(each * a);
          slope[c] = static_cast<T>(each * r * r * b);
        }
      }
      if (l.last) {
        k.column_back(dx.bytes() + begin, g.bytes() + begin, x.bytes() + begin, l.plane, l.channels,
                      count, center, scale, shift, slope);
        return;
      }
      for (int64_t c = 0; c < count; ++c) {
        const int64_t at = begin + c * l.plane * item;
        k.plane_back(dx.bytes() + at, g.bytes() + at, x.bytes() + at, 1, l.plane, l.plane,
                     center[c], scale[c], shift[c], slope[c]);
      }
    });
  });
  if (dx.defined()) deliver(grad_input, dx);
  std::vector<double> to_weight(static_cast<size_t>(l.channels)), to_bias(to_weight.size());
  for (int64_t n = 0; n < l.samples; ++n)
    for (int64_t c = 0; c < l.channels; ++c) {
      const auto i = static_cast<size_t>(n * l.channels + c), j = static_cast<size_t>(c);
      to_weight[j] += dots[i] * rstds[static_cast<size_t>(n * group + c / s.width)];
      to_bias[j] += sums[i];
    }
  if (output_mask[1]) deliver_numbers(grad_weight, to_weight);
  if (output_mask[2]) deliver_numbers(grad_bias, to_bias);
}

}  // namespace flambeau::inline v1::cpu
