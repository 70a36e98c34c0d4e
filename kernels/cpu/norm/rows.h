// Rows of elements that are stored as S and computed as T. Included by files of one instruction set
// only.
#pragma once

#include "kernels/cpu/pointwise/vectors.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// math::exp of x <= 0, with its bits: 2^n, which may not be normal, is a normal number times a
// constant.
template <class T>
FLAMBEAU_LEAF T exp_of_negative(T x) {
  constexpr T low = sizeof(T) == 4 ? T(-104) : T(-746);
  constexpr int shift = sizeof(T) == 4 ? 32 : 64;
  constexpr T unit = sizeof(T) == 4 ? T(0x1p-32) : T(0x1p-64);
  const math::exp_reduced<T> a = math::exp_reduce(math::at_least(x, low));
  const T y = math::fma_or_mul(a.r * a.r, math::exp_tail(a.r), a.r) + T(1);
  return y * math::exp2_of_bits<T>(a.n.bits + math::bits_t<T>(shift)) * unit;
}

// Sums run in the lanes of two vectors, joined as a tree: the same bits at any alignment. Each
// stretch joins a double, which keeps long rows exact enough.
template <class T, class S>
struct Rows {
  using Vec = vector_t<T>;
  static constexpr int64_t kWidth = Vector<T>::kWidth, kStretch = 4096;

  FLAMBEAU_LEAF Vec read(const S* p, int64_t n) { return widened<T>(p, n); }

  // The sum of the lanes of term(i, m) over the row, of which the last has m lanes that count.
  template <class F>
  FLAMBEAU_LEAF double sum(int64_t n, F term) {
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += kStretch) {
      const int64_t end = begin + kStretch < n ? begin + kStretch : n;
      Vec a{}, b{};
      int64_t i = begin;
      for (; i + 2 * kWidth <= end; i += 2 * kWidth) {
        a += term(i, kWidth);
        b += term(i + kWidth, kWidth);
      }
      for (; i < end; i += kWidth) {
        const int64_t m = end - i < kWidth ? end - i : kWidth;
        a += only<T>(term(i, m), m, Vec{});
      }
      total += static_cast<double>(across<T>(a + b, [](Vec u, Vec v) { return u + v; }));
    }
    return total;
  }

  template <class F>
  FLAMBEAU_LEAF void write(S* out, int64_t n, F value) {
    for (int64_t i = 0; i < n; i += kWidth) {
      const int64_t m = n - i < kWidth ? n - i : kWidth;
      narrow<T>(out + i, value(i, m), m);
    }
  }
};

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
