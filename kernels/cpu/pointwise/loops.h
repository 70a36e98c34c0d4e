// The contiguous loop of pointwise formulas, over whole blocks. Included by files of one
// instruction set only.
#pragma once

#include <utility>

#include "kernels/cpu/pointwise/loop.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

namespace {

template <class T>
struct RealOf {
  using type = T;
};
template <class T>
struct RealOf<math::complex<T>> {
  using type = T;
};
template <class T>
using real_t = typename RealOf<T>::type;

// A constant, or a real or truth value, as the compute type.
template <class T, class V>
FLAMBEAU_LEAF T value(V v) {
  if constexpr (sizeof(T) > sizeof(real_t<T>))
    return T{static_cast<real_t<T>>(v), real_t<T>(0)};
  else
    return static_cast<T>(v);
}
template <class T, class V>
FLAMBEAU_LEAF T lit(V v) {
  return value<T>(v);
}

// uint8_t is the type of truth values; char8_t stands for the numbers of that size.
template <class S>
struct Computed {
  using type = S;
};
template <>
struct Computed<math::bfloat16> {
  using type = float;
};
template <class S>
using compute_t = typename Computed<S>::type;

enum class Kind { value, boolean, real };
template <class S, Kind k>
struct Stored {
  using type = S;
};
template <class S>
struct Stored<S, Kind::boolean> {
  using type = uint8_t;
};
template <class S>
struct Stored<S, Kind::real> {
  using type = real_t<S>;
};
template <Kind k, class S>
FLAMBEAU_LEAF auto read(S v) {
  if constexpr (k == Kind::boolean)
    return v != 0;
  else if constexpr (__is_same(S, math::bfloat16))
    return math::to_float(v);
  else
    return v;
}
template <class D, class T>
FLAMBEAU_LEAF D stored(T v) {
  if constexpr (__is_same(D, math::bfloat16))
    return math::to_bfloat16(v);
  else
    return static_cast<D>(v);
}

template <class F, class S, int nparams, Kind out, Kind... in, size_t... I>
FLAMBEAU_LEAF void run(char* const* ptrs, int64_t n, const void* params,
                       std::index_sequence<I...>) {
  using T = compute_t<S>;
  using D = typename Stored<S, out>::type;
  T p[nparams > 0 ? nparams : 1] = {};
  for (int i = 0; i < nparams; ++i) p[i] = static_cast<const T*>(params)[i];
  auto* const dst = reinterpret_cast<D*>(ptrs[0]);
  [[maybe_unused]] const char* const src[] = {ptrs[I + 1]..., nullptr};
  const auto element = [&](int64_t i) {
    dst[i] = stored<D>(F::template call<T>(
        p, read<in>(reinterpret_cast<const typename Stored<S, in>::type*>(src[I])[i])...));
  };
  // Where all quotients are near, vectors can be made of the formula: see Note [Near quotients].
  if constexpr (requires { F::kNear; } && (__is_same(S, float) || __is_same(S, double))) {
    constexpr int64_t kTogether = 128;
    for (int64_t begin = 0; begin < (n & -block_of(sizeof(T))); begin += kTogether) {
      const int64_t left = (n & -block_of(sizeof(T))) - begin;
      const int64_t end = begin + (left < kTogether ? left : kTogether);
      int far = 0;
      for (int64_t i = begin; i < end; ++i)
        far |= !math::is_near_quotient(reinterpret_cast<const T*>(src[I])[i]...);
      if (far) {
        for (int64_t i = begin; i < end; ++i) element(i);
      } else {
#pragma GCC ivdep
        for (int64_t i = begin; i < end; ++i)
          dst[i] = F::template near<T>(reinterpret_cast<const T*>(src[I])[i]...);
      }
    }
    return;
  }
  // With nothing left over, the compiler prints one vector loop instead of three of falling width.
  constexpr bool booleans = ((out == Kind::boolean) || ... || (in == Kind::boolean));
  const int64_t whole = n & -block_of(booleans ? 1 : sizeof(real_t<T>));
  // Loads come before the store of the same index, so an output may be one of the inputs: that is
  // what the pragma states and restrict would deny.
#pragma GCC ivdep
  for (int64_t i = 0; i < whole; ++i) element(i);
  if constexpr (F::kShort && sizeof(T) == sizeof(real_t<T>)) {
    for (int64_t i = whole; i < n; ++i) {
      element(i);
      asm("");  // keeps it from being vectorised
    }
  }
}

template <class F, class S, int nparams, Kind out, Kind... in>
void loop(char* const* ptrs, int64_t n, const void* params) {
  run<F, S, nparams, out, in...>(ptrs, n, params, std::make_index_sequence<sizeof...(in)>());
}

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
