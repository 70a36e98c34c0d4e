#include "kernels/cpu/pointwise/sequence.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"
#include "kernels/cpu/pointwise/sequence_kernels.h"

namespace flambeau::inline v1::cpu {
namespace {

// f(p, begin, end) writes the elements [begin, end) to p; `T` is what it computes in, and casts
// bring them to the dtype of `out`.
template <class T, class F>
void generate(const Tensor& out, DType computed, const F& f) {
  const auto item = static_cast<int64_t>(out.itemsize());
  char* const bytes = out.bytes();
  parallel_for(out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    if (out.dtype() == computed) return f(reinterpret_cast<T*>(bytes) + begin, begin, end);
    constexpr int64_t kTile = 512;
    T tile[kTile];
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t stop = std::min(at + kTile, end);
      f(tile, at, stop);
      convert(out.dtype(), bytes + at * item, computed, tile, stop - at);
    }
  });
}

// value(i) for each element: a plain loop, which becomes vectors.
template <class T, class F>
void values_of(const Tensor& out, DType computed, const F& value) {
  generate<T>(out, computed, [&](T* __restrict p, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p[i - begin] = value(i);
  });
}

// start + i (end - start) / last, without its fraction, exactly: the quotient and what is left of
// it are carried from one element to the next.
void integers_between(const Tensor& out, int64_t start, int64_t end, int64_t last) {
  const __int128 span = static_cast<__int128>(end) - start;
  __int128 whole = last > 0 ? span / last : 0, rest = last > 0 ? span % last : 0;
  if (rest < 0) {
    rest += last;
    whole -= 1;
  }
  generate<int64_t>(out, DType::int64, [&](int64_t* p, int64_t from, int64_t to) {
    const __int128 passed = last > 0 ? rest * from : 0;
    __int128 value = start + whole * from + (last > 0 ? passed / last : 0);
    __int128 left = last > 0 ? passed % last : 0;
    for (int64_t i = from; i < to; ++i) {
      *p++ = static_cast<int64_t>(value < 0 && left > 0 ? value + 1 : value);
      value += whole;
      left += rest;
      if (left >= last) {
        left -= last;
        value += 1;
      }
    }
  });
}

// Two values of T between which the steps are taken: where the distance overflows, or is one of
// integers, the step is found from quotients.
template <class T>
T step_between(T a, T b, int64_t last) {
  if (last <= 1) return T(0);  // the ends alone
  const T step = (b - a) / static_cast<T>(last);
  return std::isfinite(step) ? step : b / static_cast<T>(last) - a / static_cast<T>(last);
}

const SequenceKernels& sequence_kernels() {
  static const SequenceKernels& chosen =
      of_isa(baseline::sequence_kernels, avx2::sequence_kernels, avx512::sequence_kernels);
  return chosen;
}

// first + i step for each element.
void multiples(const Tensor& out, double first, double step) {
  const SequenceKernels& kernels = sequence_kernels();
  if (out.dtype() == DType::float32)
    return generate<float>(out, DType::float32, [&](float* p, int64_t begin, int64_t end) {
      kernels.floats(p, begin, end - begin, first, step);
    });
  generate<double>(out, DType::float64, [&](double* p, int64_t begin, int64_t end) {
    kernels.doubles(p, begin, end - begin, first, step);
  });
}

// The same, but the elements from `half` on are counted back from the end, where the place is 0.
template <class T, class Kernel>
void between(const Tensor& out, DType dtype, Kernel kernel, double first, double end, double step,
             int64_t half, int64_t last) {
  generate<T>(out, dtype, [=](T* p, int64_t from, int64_t to) {
    const int64_t middle = std::clamp(half, from, to);
    kernel(p, from, middle - from, first, step);
    kernel(p + (middle - from), middle - last, to - middle, end, step);
    // Where the place is 0 less than nothing, so that an end of -0 stays.
    if (to > last && middle <= last) p[last - from] = static_cast<T>(end - step * 0.0);
  });
}

}  // namespace

void arange(const Tensor& out, const Scalar& start, const Scalar& step) {
  if (is_integral(out.dtype(), true)) {
    const auto first = static_cast<uint64_t>(start.to_int());
    const auto by = static_cast<uint64_t>(step.to_int());
    return generate<int64_t>(out, DType::int64, [&](int64_t* p, int64_t begin, int64_t end) {
      sequence_kernels().integers(p, begin, end - begin, first, by);
    });
  }
  multiples(out, start.to_double(), step.to_double());
}

void linspace(const Tensor& out, const Scalar& start, const Scalar& end) {
  const int64_t last = out.numel() - 1, half = last == 0 ? 1 : out.numel() / 2;
  if (is_integral(out.dtype(), true))
    return integers_between(out, start.to_int(), end.to_int(), last);
  if (start.is_complex() || end.is_complex()) {
    using C = std::complex<double>;
    const C a = start.to_complex(), b = end.to_complex();
    const C s = {step_between(a.real(), b.real(), last), step_between(a.imag(), b.imag(), last)};
    return values_of<C>(out, DType::complex128, [=](int64_t i) {
      return i < half ? a + s * static_cast<double>(i) : b - s * static_cast<double>(last - i);
    });
  }
  const SequenceKernels& kernels = sequence_kernels();
  if (out.dtype() == DType::float32) {
    const float a = static_cast<float>(start.to_double()), b = static_cast<float>(end.to_double());
    // In double, where the product is exact for as long as floats count the steps.
    return between<float>(out, DType::float32, kernels.floats, a, b, step_between(a, b, last), half,
                          last);
  }
  const double a = start.to_double(), b = end.to_double();
  between<double>(out, DType::float64, kernels.doubles, a, b, step_between(a, b, last), half, last);
}

}  // namespace flambeau::inline v1::cpu
