// Places in sorted sequences, and counts.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel/parallel.h"
#include "flambeau/kernels/order.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/math/cast.h"

namespace flambeau::inline v1 {
namespace cpu {
namespace {

// Calls f with a value of the dtype's type, and one of the type that it is compared in.
template <class F>
void by_real_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(double{}, double{});
    case DType::float32:
      return f(float{}, float{});
    case DType::float16:
      return f(math::float16{}, float{});
    case DType::bfloat16:
      return f(math::bfloat16{}, float{});
    case DType::int64:
      return f(int64_t{}, int64_t{});
    case DType::int32:
      return f(int32_t{}, int32_t{});
    case DType::int16:
      return f(int16_t{}, int16_t{});
    case DType::int8:
      return f(int8_t{}, int8_t{});
    case DType::uint64:
      return f(uint64_t{}, uint64_t{});
    case DType::uint32:
      return f(uint32_t{}, uint32_t{});
    case DType::uint16:
      return f(uint16_t{}, uint16_t{});
    default:
      return f(uint8_t{}, uint8_t{});
  }
}

// The first place whose element is not less than x, or with `behind` is greater. A NaN is behind
// all numbers.
template <class C, class T>
int64_t place_of(const T* line, const int64_t* order, int64_t n, C x, bool behind) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const C y = math::cast<C>(line[order ? order[middle] : middle]);
    if (behind ? !(y > x) : !(y >= x))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

void searchsorted(const Tensor& result, const Tensor& sorted_sequence, const Tensor& self, bool,
                  bool right, std::optional<std::string_view> side, const Tensor& sorter) {
  if (self.numel() == 0) return;
  const bool behind = right || (side && *side == "right");
  const Tensor lines = packed(sorted_sequence, self.dtype()), x = packed(self, self.dtype());
  const Tensor order = packed(sorter, DType::int64);
  const Tensor places = place_for(result, DType::int64);
  const int64_t n = lines.sizes().back();
  const int64_t each = lines.dim() == 1 ? x.numel() : x.sizes().back();  // values for a line
  if (order.defined()) {
    const int64_t* const o = order.data<int64_t>();
    for (int64_t i = 0; i < order.numel(); ++i)
      check(o[i] >= 0 && o[i] < n, "searchsorted: sorter index out of range: ", o[i], " of ", n);
  }
  by_real_type(self.dtype(), [&](auto stored, auto compared) {
    using T = decltype(stored);
    using C = decltype(compared);
    parallel_for(x.numel(), 2048, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i / each * n;
        const int64_t* const o = order.defined() ? order.data<int64_t>() + first : nullptr;
        const T* const line = n > 0 ? lines.data<T>() + first : nullptr;
        places.data<int64_t>()[i] = place_of<C>(line, o, n, math::cast<C>(x.data<T>()[i]), behind);
      }
    });
  });
  deliver(result, places);
}

void histc(const Tensor& result, const Tensor& self, int64_t bins, const Scalar& min,
           const Scalar& max) {
  const Tensor x = packed(self, self.dtype());
  const Tensor counts = place_for(result, DType::float64);
  fill(counts, 0);
  by_real_type(self.dtype(), [&](auto stored, auto computed) {
    using T = decltype(stored);
    using C = decltype(computed);
    if constexpr (std::is_floating_point_v<C>) {
      const T* const from = x.data<T>();
      const int64_t n = x.numel();
      C low = static_cast<C>(min.to_double()), high = static_cast<C>(max.to_double());
      if (low == high && n > 0) {
        low = std::numeric_limits<C>::infinity();
        high = -low;
        for (int64_t i = 0; i < n; ++i) {
          const C v = math::cast<C>(from[i]);
          if (v != v) low = high = v;
          if (v < low) low = v;
          if (v > high) high = v;
        }
      }
      if (low == high) {
        low -= 1;
        high += 1;
      }
      check(std::isfinite(low) && std::isfinite(high), "histc: range of [", low, ", ", high,
            "] is not finite");
      for (int64_t i = 0; i < n; ++i) {
        const C v = math::cast<C>(from[i]);
        if (!(v >= low && v <= high)) continue;
        const auto at = static_cast<int64_t>((v - low) * static_cast<C>(bins) / (high - low));
        counts.data<double>()[std::min(at, bins - 1)] += 1;
      }
    }
  });
  deliver(result, counts);
}

}  // namespace cpu

namespace native {

Tensor bincount(const Tensor& self, const Tensor& weights, int64_t minlength) {
  check(minlength >= 0, "bincount: minlength should be >= 0, got ", minlength);
  check<NotImplementedError>(is_integral(self.dtype(), false),
                             "bincount: \"bincount_cpu\" not implemented for '",
                             dtype_name(self.dtype()), "': give integers");
  check(self.dim() == 1,
        "bincount: bincount only supports 1-d non-negative integral inputs, got shape ",
        show(self.sizes()));
  check<NotImplementedError>(!self.is_meta(),
                             "bincount: the result's shape depends on the values of a tensor, "
                             "which a meta tensor does not have");
  const Tensor x = cpu::packed(self, DType::int64);
  const int64_t n = x.numel();
  int64_t size = minlength;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t v = x.data<int64_t>()[i];
    check(v >= 0, "bincount: bincount only supports 1-d non-negative integral inputs, found ", v);
    check(v < INT64_MAX, "bincount: a result of ", v, " + 1 counts fits no memory");
    size = std::max(size, v + 1);
  }
  const int64_t sizes[] = {size};
  if (!weights.defined()) {
    const Tensor counts = empty(sizes, {DType::int64, self.device()});
    cpu::fill(counts, 0);
    for (int64_t i = 0; i < n; ++i) counts.data<int64_t>()[x.data<int64_t>()[i]] += 1;
    return counts;
  }
  check(weights.dim() == 1 && weights.numel() == n,
        "bincount: weights should be 1-d and have the same length as input, got shapes ",
        show(weights.sizes()), " and ", show(self.sizes()));
  check(!weights.is_complex(), "bincount: weights are real numbers, got ",
        dtype_name(weights.dtype()));
  const bool single = weights.dtype() == DType::float32;
  const Tensor w = cpu::packed(weights, single ? DType::float32 : DType::float64);
  const Tensor sums = empty(sizes, {w.dtype(), self.device()});
  cpu::fill(sums, 0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t v = x.data<int64_t>()[i];
    if (single)
      sums.data<float>()[v] += w.data<float>()[i];
    else
      sums.data<double>()[v] += w.data<double>()[i];
  }
  return sums;
}

Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> output_size) {
  check<NotImplementedError>(repeats.dtype() == DType::int64 || repeats.dtype() == DType::int32,
                             "repeat_interleave: \"repeat_interleave_cpu\" not implemented for '",
                             dtype_name(repeats.dtype()), "': repeats has to be int64 or int32");
  check(repeats.dim() == 1,
        "repeat_interleave: repeat_interleave only accept 1D vector as repeat, "
        "got shape ",
        show(repeats.sizes()));
  check<NotImplementedError>(
      !repeats.is_meta(),
      "repeat_interleave: the result's shape depends on the values of a tensor, "
      "which a meta tensor does not have");
  const Tensor counts = cpu::packed(repeats, DType::int64);
  const int64_t n = counts.numel();
  const int64_t* const count = n > 0 ? counts.data<int64_t>() : nullptr;
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) {
    check(count[i] >= 0, "repeat_interleave: repeats can not be negative, found ", count[i]);
    check(!__builtin_add_overflow(total, count[i], &total), "repeat_interleave: too many elements");
  }
  check(!output_size || *output_size == total, "repeat_interleave: allocated size ",
        output_size.value_or(0), " does not match required size ", total);
  const int64_t sizes[] = {total};
  const Tensor places = empty(sizes, {repeats.dtype(), repeats.device()});
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (repeats.dtype() == DType::int64)
      std::fill_n(places.data<int64_t>() + at, count[i], i);
    else
      std::fill_n(places.data<int32_t>() + at, count[i], static_cast<int32_t>(i));
    at += count[i];
  }
  return places;
}

}  // namespace native
}  // namespace flambeau::inline v1
