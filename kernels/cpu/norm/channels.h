// Where the channels of a tensor lie, and the kernels for them.
#pragma once

#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/norm/channel_kernels.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {

// Samples of channels of planes, contiguous in that order or with the channels last.
struct Channels {
  MemoryFormat format;
  int64_t samples, channels, plane;
  bool last;  // a channel is a column

  int64_t of_channel() const { return samples * plane; }
  int64_t stride() const { return channels * plane; }  // between the rows of a channel's planes
};

Channels channels_of(const Tensor& x);

template <class T>
const ChannelKernels<T>& channel_kernels_of(DType stored);

// A vector of one number for each channel, in the type that sums have; of a tensor that is not
// given all are `otherwise`.
std::vector<double> numbers_of(const Tensor& t, int64_t n, double otherwise);
// Back into a tensor of any dtype and strides.
void deliver_numbers(const Tensor& t, const std::vector<double>& values);

inline DType float_type(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}
// Calls f with a zero of the type that elements of this dtype are computed in.
template <class F>
void by_float_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

constexpr int64_t kChannelTask = 32768;  // elements of a task

}  // namespace flambeau::inline v1::cpu
