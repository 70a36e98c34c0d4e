// Batch normalisation: each channel is centred and scaled by its own mean and deviation.

#include <algorithm>
#include <cmath>

#include "flambeau/kernels/norm.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/norm/channels.h"

namespace flambeau::inline v1::cpu {
namespace {

// Channels of up to so many elements are one task, which finds them in a cache when it reads them
// again; larger ones are cut into parts of about a task.
constexpr int64_t kWhole = 131072, kPart = 65536, kStripe = 256;

// A part of a channel's planes, or of a stripe of columns.
struct Part {
  int64_t at, rows, n;
};

// Note [Parts of channels]
// How the elements are cut follows from their shape alone, and the sums of parts are joined in
// order, so that sums have the same bits for any number of threads.
struct Parts {
  const Channels& l;
  int64_t rows = 0, length = 0;  // of a part
  int64_t across = 1, count = 1;

  explicit Parts(const Channels& layout) : l(layout) {
    if (l.last) {
      length = std::min(l.channels, kStripe);
      rows = std::max<int64_t>(64, kPart / length / 64 * 64);
      across = ceil_div(l.channels, length);
      count = ceil_div(l.of_channel(), rows);
      return;
    }
    rows = l.samples;
    length = l.plane;
    if (l.of_channel() <= kWhole) return;
    if (l.plane > kPart) {
      rows = 1;
      length = kPart;
    } else {
      rows = std::max<int64_t>(1, kPart / l.plane);
    }
    across = ceil_div(l.plane, length);
    count = ceil_div(l.samples, rows) * across;
  }
  bool whole() const { return !l.last && count == 1; }
  // Of one channel, from where the channel begins.
  Part of_plane(int64_t i) const {
    const int64_t row = i / across * rows, from = i % across * length;
    return {row * l.stride() + from, std::min(rows, l.samples - row),
            std::min(length, l.plane - from)};
  }
  // Of all: `from` is the first channel.
  Part of_columns(int64_t task, int64_t* from) const {
    *from = task % across * length;
    const int64_t row = task / across * rows;
    return {row * l.channels + *from, std::min(rows, l.of_channel() - row),
            std::min(length, l.channels - *from)};
  }
};

// Two sums for each channel, put together from those of its parts: `own(part, first channel, a,
// b)` makes those of a part, `join(channel, elements so far, elements of the part, a, b)` is told
// of them in order.
template <class Own, class Join>
void sum_parts(const Parts& parts, Own&& own, Join&& join) {
  const Channels& l = parts.l;
  const int64_t per_channel = parts.count, pairs = per_channel * l.channels;
  const Scratch scratch(pairs * 2 * static_cast<int64_t>(sizeof(double)));
  double *const a = reinterpret_cast<double*>(scratch.data()), *const b = a + pairs;
  if (l.last) {
    parallel_tasks(per_channel * parts.across, [&](int64_t task) {
      int64_t from;
      const Part part = parts.of_columns(task, &from);
      const int64_t at = task / parts.across * l.channels + from;
      own(part, from, a + at, b + at);
    });
    parallel_for(l.channels, kChannelTask / 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < per_channel; ++i) {
        const int64_t seen = i * parts.rows;
        const int64_t more = std::min(parts.rows, l.of_channel() - seen);
        for (int64_t c = begin; c < end; ++c)
          join(c, seen, more, a[i * l.channels + c], b[i * l.channels + c]);
      }
    });
    return;
  }
  parallel_tasks(pairs, [&](int64_t task) {
    const int64_t c = task / per_channel;
    Part part = parts.of_plane(task % per_channel);
    part.at += c * l.plane;
    own(part, c, a + task, b + task);
  });
  for (int64_t c = 0; c < l.channels; ++c) {
    int64_t seen = 0;
    for (int64_t i = 0; i < per_channel; ++i) {
      const Part part = parts.of_plane(i);
      join(c, seen, part.rows * part.n, a[c * per_channel + i], b[c * per_channel + i]);
      seen += part.rows * part.n;
    }
  }
}

// Calls f(channel, part) for all parts of all planes.
template <class F>
void for_plane_parts(const Parts& parts, F&& f) {
  const Channels& l = parts.l;
  const int64_t together =
      std::max<int64_t>(1, kChannelTask / std::max<int64_t>(1, parts.rows * parts.length));
  parallel_for(l.channels * parts.count, together, [&](int64_t task, int64_t end) {
    for (; task < end; ++task) {
      const int64_t c = task / parts.count;
      Part part = parts.of_plane(task % parts.count);
      part.at += c * l.plane;
      f(c, part);
    }
  });
}

// Calls f(first row, rows) for rows of all columns.
template <class F>
void for_rows(const Channels& l, F&& f) {
  parallel_for(l.of_channel(), std::max<int64_t>(1, kChannelTask / l.channels),
               [&](int64_t begin, int64_t end) { f(begin, end - begin); });
}

std::vector<double> inverse_deviations(const std::vector<double>& variances, double eps) {
  std::vector<double> made(variances.size());
  for (size_t c = 0; c < made.size(); ++c) made[c] = 1 / std::sqrt(variances[c] + eps);
  return made;
}

// running = (1 - momentum) running + momentum new
void follow(const Tensor& running, const std::vector<double>& found, double momentum) {
  if (!running.defined()) return;
  std::vector<double> values = numbers_of(running, running.numel(), 0);
  for (size_t c = 0; c < values.size(); ++c)
    values[c] = momentum * found[c] + (1 - momentum) * values[c];
  deliver_numbers(running, values);
}

template <class T>
struct Forward {
  const Channels& l;
  const ChannelKernels<T>& k;
  const char* x;
  char* out;
  int64_t item;
  bool training;
  double eps;
  std::vector<double> mean, square, weight, bias;  // square: of the distances from the mean
  std::vector<T> center, scale, shift;

  double deviation(int64_t c) const {
    const auto count = static_cast<double>(l.of_channel());
    return 1 / std::sqrt((training ? square[c] / count : square[c]) + eps);
  }
  void settle(int64_t c) {
    center[c] = static_cast<T>(mean[c]);
    scale[c] = static_cast<T>(deviation(c) * weight[c]);
    shift[c] = static_cast<T>(bias[c]);
  }
  void apply(int64_t c, const Part& p) const {
    k.plane_apply(out + p.at * item, x + p.at * item, p.rows, l.stride(), p.n, center[c], scale[c],
                  shift[c]);
  }

  void run() {
    const Parts parts(l);
    center.resize(mean.size());
    scale.resize(mean.size());
    shift.resize(mean.size());
    if (training && parts.whole()) {
      return for_plane_parts(parts, [&](int64_t c, const Part& p) {
        k.plane_moments(x + p.at * item, p.rows, l.stride(), p.n, &mean[c], &square[c]);
        settle(c);
        apply(c, p);
      });
    }
    if (training) {
      sum_parts(
          parts,
          [&](const Part& p, int64_t, double* a, double* b) {
            if (l.last)
              k.column_moments(x + p.at * item, p.rows, l.channels, p.n, a, b);
            else
              k.plane_moments(x + p.at * item, p.rows, l.stride(), p.n, a, b);
          },
          [&](int64_t c, int64_t seen, int64_t more, double a, double b) {
            join_moments(static_cast<double>(seen), &mean[c], &square[c], static_cast<double>(more),
                         a, b);
          });
    }
    for (int64_t c = 0; c < l.channels; ++c) settle(c);
    if (!l.last) return for_plane_parts(parts, [&](int64_t c, const Part& p) { apply(c, p); });
    for_rows(l, [&](int64_t row, int64_t rows) {
      const int64_t at = row * l.channels * item;
      k.column_apply(out + at, x + at, rows, l.channels, l.channels, center.data(), scale.data(),
                     shift.data());
    });
  }
};

template <class T>
struct Backward {
  const Channels& l;
  const ChannelKernels<T>& k;
  const char *g, *x;
  char* out;  // null: only the sums are wanted
  int64_t item;
  bool training, sums;
  std::vector<double> mean, deviation, weight, sum, dot;  // deviation: 1 over it
  std::vector<T> center, scale, shift, slope;

  void settle(int64_t c) {
    const double factor = deviation[c] * weight[c];
    const double each = training ? factor / static_cast<double>(l.of_channel()) : 0;
    scale[c] = static_cast<T>(factor);
    shift[c] = static_cast<T>(each * sum[c]);
    slope[c] = static_cast<T>(each * deviation[c] * deviation[c] * dot[c]);
  }
  void spread(int64_t c, const Part& p) const {
    k.plane_back(out + p.at * item, g + p.at * item, x + p.at * item, p.rows, l.stride(), p.n,
                 center[c], scale[c], shift[c], slope[c]);
  }

  void run() {
    const Parts parts(l);
    center.assign(mean.begin(), mean.end());
    scale.resize(mean.size());
    shift.resize(mean.size());
    slope.resize(mean.size());
    sum.assign(mean.size(), 0);
    dot.assign(mean.size(), 0);
    if (parts.whole()) {
      return for_plane_parts(parts, [&](int64_t c, const Part& p) {
        if (sums)
          k.plane_dots(g + p.at * item, x + p.at * item, p.rows, l.stride(), p.n, center[c],
                       &sum[c], &dot[c]);
        if (!out) return;
        settle(c);
        spread(c, p);
      });
    }
    if (sums) {
      sum_parts(
          parts,
          [&](const Part& p, int64_t c, double* a, double* b) {
            if (l.last)
              k.column_dots(g + p.at * item, x + p.at * item, p.rows, l.channels, p.n, &center[c],
                            a, b);
            else
              k.plane_dots(g + p.at * item, x + p.at * item, p.rows, l.stride(), p.n, center[c], a,
                           b);
          },
          [&](int64_t c, int64_t, int64_t, double a, double b) {
            sum[c] += a;
            dot[c] += b;
          });
    }
    if (!out) return;
    for (int64_t c = 0; c < l.channels; ++c) settle(c);
    if (!l.last) return for_plane_parts(parts, [&](int64_t c, const Part& p) { spread(c, p); });
    for_rows(l, [&](int64_t row, int64_t rows) {
      const int64_t at = row * l.channels * item;
      k.column_back(out + at, g + at, x + at, rows, l.channels, l.channels, center.data(),
                    scale.data(), shift.data(), slope.data());
    });
  }
};

}  // namespace

void native_batch_norm(const Tensor& result, const Tensor& save_mean, const Tensor& save_invstd,
                       const Tensor& input, const Tensor& weight, const Tensor& bias,
                       const Tensor& running_mean, const Tensor& running_var, bool training,
                       double momentum, double eps) {
  const int64_t n = input.sizes()[1];
  if (input.numel() == 0) {  // without elements there are no statistics: running ones stay
    if (save_mean.numel() != 0) {
      fill(save_mean, 0);
      fill(save_invstd, 0);
    }
    return;
  }
  const Channels l = channels_of(input);
  const Tensor x = packed(input, input.dtype(), l.format);
  const Tensor y = place_for(result, input.dtype(), l.format);
  by_float_type(input.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Forward<T> pass{.l = l,
                    .k = channel_kernels_of<T>(input.dtype()),
                    .x = x.bytes(),
                    .out = y.bytes(),
                    .item = static_cast<int64_t>(x.itemsize()),
                    .training = training,
                    .eps = eps,
                    .mean = numbers_of(training ? Tensor() : running_mean, n, 0),
                    .square = numbers_of(training ? Tensor() : running_var, n, 0),
                    .weight = numbers_of(weight, n, 1),
                    .bias = numbers_of(bias, n, 0),
                    .center = {},
                    .scale = {},
                    .shift = {}};
    pass.run();
    if (!training) return;
    const auto count = static_cast<double>(l.of_channel());
    for (double& s : pass.square) s /= count;
    deliver_numbers(save_mean, pass.mean);
    deliver_numbers(save_invstd, inverse_deviations(pass.square, eps));
    follow(running_mean, pass.mean, momentum);
    for (double& s : pass.square) s *= count / (count - 1);
    follow(running_var, pass.square, momentum);
  });
  deliver(result, y);
}

void native_batch_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                                const Tensor& grad_bias, const Tensor& grad_out,
                                const Tensor& input, const Tensor& weight,
                                const Tensor& running_mean, const Tensor& running_var,
                                const Tensor& save_mean, const Tensor& save_invstd, bool train,
                                double eps, std::span<const bool> output_mask) {
  const int64_t n = input.sizes()[1];
  if (input.numel() == 0) {
    if (output_mask[1]) fill(grad_weight, 0);
    if (output_mask[2]) fill(grad_bias, 0);
    return;
  }
  const Channels l = channels_of(input);
  const Tensor x = packed(input, input.dtype(), l.format);
  const Tensor g = packed(grad_out, input.dtype(), l.format);
  const Tensor dx = output_mask[0] ? place_for(grad_input, input.dtype(), l.format) : Tensor();
  by_float_type(input.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const bool affine = output_mask[1] || output_mask[2];
    Backward<T> pass{.l = l,
                     .k = channel_kernels_of<T>(input.dtype()),
                     .g = g.bytes(),
                     .x = x.bytes(),
                     .out = dx.defined() ? dx.bytes() : nullptr,
                     .item = static_cast<int64_t>(x.itemsize()),
                     .training = train,
                     .sums = train || affine,
                     .mean = numbers_of(train ? save_mean : running_mean, n, 0),
                     .deviation = train ? numbers_of(save_invstd, n, 1)
                                        : inverse_deviations(numbers_of(running_var, n, 1), eps),
                     .weight = numbers_of(weight, n, 1),
                     .sum = {},
                     .dot = {},
                     .center = {},
                     .scale = {},
                     .shift = {},
                     .slope = {}};
    pass.run();
    if (output_mask[1]) {
      for (size_t c = 0; c < pass.dot.size(); ++c) pass.dot[c] *= pass.deviation[c];
      deliver_numbers(grad_weight, pass.dot);
    }
    if (output_mask[2]) deliver_numbers(grad_bias, pass.sum);
  });
  if (dx.defined()) deliver(grad_input, dx);
}

}  // namespace flambeau::inline v1::cpu
