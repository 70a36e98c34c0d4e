// The contiguous loop of pointwise formulas, over whole blocks. Included by files of one
// instruction set only.
#pragma once

#include <utility>

#include "kernels/cpu/pointwise/loop.h"
#include "kernels/math/leaves.h"
#include "kernels/math/vector_bytes.h"

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
template <>
struct Computed<math::float16> {
  using type = float;
};
template <class S>
using compute_t = typename Computed<S>::type;

enum class Kind { value, boolean, real };
enum class Near { fractions, whole };  // the numbers for which a formula has an easier form
// Whether that is there for S.
template <class F, class S>
constexpr bool kHasNear = false;
template <class F, class S>
  requires(F::kNear == Near::fractions)
constexpr bool kHasNear<F, S> = math::is_float<S>;
template <class F, class S>
  requires(F::kNear == Near::whole)
constexpr bool kHasNear<F, S> = math::integer<S>;
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
  else if constexpr (__is_same(S, math::bfloat16) || __is_same(S, math::float16))
    return math::to_float(v);
  else if constexpr (__is_same(S, uint8_t))  // any nonzero byte is true
    return v < uint8_t{1} ? v : uint8_t{1};
  else
    return v;
}
// `exact`: the value is one of those that were read, but for its sign; 2: only signs change.
template <class D, int exact, class T>
FLAMBEAU_LEAF D stored(T v) {
  if constexpr (__is_same(D, math::bfloat16) && exact)
    return {static_cast<uint16_t>(math::bits_of(v) >> 16)};
  else if constexpr (__is_same(D, math::bfloat16))
    return math::to_bfloat16(v);
  else if constexpr (__is_same(D, math::float16))
    return math::to_float16(v);
  else
    return static_cast<D>(v);
}

// Of conversions of float16 the compiler makes no vectors, but of what is done to rows of them. It
// passes on what is stored here to where it is loaded: the arrays never come to be. Gives how many
// elements are done; `held` is of the inputs that the bits of `which` tell.
template <unsigned which, class F, class S, Kind out, Kind... in, size_t... I>
FLAMBEAU_LEAF int64_t run_lanes(char* const* ptrs, int64_t n, const float* p, const float* held,
                                std::index_sequence<I...>) {
  auto* const dst = reinterpret_cast<typename Stored<S, out>::type*>(ptrs[0]);
  constexpr int64_t lanes = math::half_lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    alignas(64) float value[sizeof...(I)][lanes], result[lanes];
    const auto widen = [&]<bool one, class From>(const From* src, float* to) {
      if constexpr (!one) math::widen_lanes(src + i, to);
    };
    (widen.template operator()<(which >> I & 1) != 0>(
         reinterpret_cast<const typename Stored<S, in>::type*>(ptrs[I + 1]), value[I]),
     ...);
#pragma GCC unroll 1
    for (int64_t at = 0; at < lanes; ++at) {
      const auto y =
          F::template call<float>(p, read<in>((which >> I & 1) != 0 ? held[I] : value[I][at])...);
      result[at] = out == Kind::boolean ? (y ? 1.0f : 0.0f) : static_cast<float>(y);
    }
    math::narrow_lanes(result, dst + i);
  }
  return i;
}

template <class S, Kind out, Kind... in>
constexpr bool kInPairs =
    __is_same(S, math::bfloat16) && ((out == Kind::value) && ... && (in == Kind::value));

// Two neighbours in bfloat16 as one word: each half is an exact float with a shift or a mask, where
// to widen elements one by one moves them across the vector and back. Gives how many elements are
// done.
template <unsigned which, class F, size_t... I>
FLAMBEAU_LEAF int64_t run_pairs(char* const* ptrs, int64_t n, const float* p, const float* held,
                                std::index_sequence<I...>) {
  using Pair [[gnu::may_alias, gnu::aligned(2)]] = uint32_t;
  constexpr uint32_t kUpper = 0xffff0000;
  Pair* const dst = reinterpret_cast<Pair*>(ptrs[0]);
  const Pair* const src[] = {reinterpret_cast<const Pair*>(ptrs[I + 1])...};
  const auto half = [&]<bool one, bool upper>(const Pair* from, int64_t i, float number) {
    if constexpr (one)
      return number;
    else
      return math::from_bits(upper ? from[i] & kUpper : from[i] << 16);
  };
  const auto element = [&]<bool upper>(int64_t i) {
    const float y = F::template call<float>(
        p, half.template operator()<(which >> I & 1) != 0, upper>(src[I], i, held[I])...);
    return F::kExact ? math::bits_of(y) : math::bits_rounded_to_bfloat16(y);
  };
  const int64_t pairs = (n >> 1) & -block_of(sizeof(Pair));
#pragma GCC ivdep
  for (int64_t i = 0; i < pairs; ++i)
    dst[i] = element.template operator()<false>(i) >> 16 |
             (element.template operator()<true>(i) & kUpper);
  return 2 * pairs;
}

// A vector of bytes, modulo 256: signed or not, sums and products are the same. There is no product
// of bytes in any instruction set, and the compiler's spreads them out to words and packs those.
struct Bytes {
  typedef uint8_t Vec __attribute__((vector_size(kVectorBytes)));
  typedef uint16_t Words __attribute__((vector_size(kVectorBytes)));
  Vec v;

  template <class T>
  FLAMBEAU_LEAF Bytes all(T byte) {
    return {Vec{} + static_cast<uint8_t>(byte)};
  }
  template <class T>
  FLAMBEAU_LEAF Bytes load(const T* src) {
    Bytes b;
    __builtin_memcpy(&b.v, src, sizeof b.v);
    return b;
  }
  friend inline __attribute__((always_inline)) Bytes operator+(Bytes a, Bytes b) {
    return {a.v + b.v};
  }
  friend inline __attribute__((always_inline)) Bytes operator-(Bytes a, Bytes b) {
    return {a.v - b.v};
  }
  friend inline __attribute__((always_inline)) Bytes operator-(Bytes a) { return {-a.v}; }
  friend inline __attribute__((always_inline)) Bytes operator*(Bytes a, Bytes b) {
    const auto x = reinterpret_cast<Words>(a.v), y = reinterpret_cast<Words>(b.v);
    const Words low = x * y, high = (x >> 8) * (y & 0xff00);
    return {reinterpret_cast<Vec>((low & 0x00ff) | high)};
  }
};

// The loop of sums and products of bytes. Gives how many elements are done.
template <unsigned which, class F, class S, int nparams, size_t... I>
FLAMBEAU_LEAF int64_t run_bytes(char* const* ptrs, int64_t n, const S* p, const S* held,
                                std::index_sequence<I...>) {
  Bytes q[nparams > 0 ? nparams : 1];
  for (int i = 0; i < nparams; ++i) q[i] = Bytes::all(p[i]);
  const Bytes all[] = {Bytes::all(which >> I & 1 ? held[I] : S())...};
  int64_t i = 0;
  for (; i + kVectorBytes <= n; i += kVectorBytes) {
    const Bytes y =
        F::template call<Bytes>(q, which >> I & 1 ? all[I] : Bytes::load(ptrs[I + 1] + i)...);
    __builtin_memcpy(ptrs[0] + i, &y.v, sizeof y.v);
  }
  return i;
}

// What an operand gives to element i; `held` is its one element, where it has no more.
template <bool one, Kind k, class S, class T>
FLAMBEAU_LEAF auto given(const char* src, int64_t i, T held) {
  if constexpr (one)
    return held;
  else
    return read<k>(reinterpret_cast<const typename Stored<S, k>::type*>(src)[i]);
}

template <class T>
FLAMBEAU_LEAF T held_in(const char* src) {
  return read<Kind::value>(*reinterpret_cast<const T*>(src));
}

// The loop where inputs are one element for all, of the type in which is computed: those of the
// bits of `which`.
template <unsigned which, class F, class S, int nparams, Kind out, Kind... in, size_t... I>
FLAMBEAU_LEAF void run_fixed(char* const* ptrs, int64_t n, const compute_t<S>* p,
                             std::index_sequence<I...>) {
  using T = compute_t<S>;
  using D = typename Stored<S, out>::type;
  auto* const dst = reinterpret_cast<D*>(ptrs[0]);
  const char* const src[] = {ptrs[I + 1]...};
  const T held[] = {which >> I & 1 ? held_in<T>(src[I]) : T()...};
  const auto element = [&](int64_t i) {
    dst[i] = stored<D, F::kExact>(
        F::template call<T>(p, given<(which >> I & 1) != 0, in, S>(src[I], i, held[I])...));
  };
  int64_t done = 0;
  if constexpr (__is_same(S, math::float16) && math::half_lanes > 1) {
    done = run_lanes<which, F, S, out, in...>(ptrs, n, p, held, std::index_sequence<I...>());
  } else if constexpr (kInPairs<S, out, in...>) {
    done = run_pairs<which, F>(ptrs, n, p, held, std::index_sequence<I...>());
  } else if constexpr (F::kRing && __is_same(S, char8_t)) {
    done = run_bytes<which, F, S, nparams>(ptrs, n, p, held, std::index_sequence<I...>());
  } else {
    constexpr bool booleans = ((out == Kind::boolean) || ... || (in == Kind::boolean));
    done = n & -block_of(booleans ? 1 : sizeof(T));
#pragma GCC ivdep
    for (int64_t i = 0; i < done; ++i) element(i);
  }
  for (int64_t i = done; i < n; ++i) {
    element(i);
    asm("");  // keeps it from being vectorised
  }
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
    dst[i] = stored<D, F::kExact>(F::template call<T>(p, given<false, in, S>(src[I], i, T())...));
  };
  // Where all elements are near, a formula does that is less work, or becomes vectors where the
  // full one does not: see Note [Near quotients], Note [Near and far] and Note [Near the centre].
  if constexpr (kHasNear<F, S>) {
    constexpr int64_t kTogether = 128;
    for (int64_t begin = 0; begin < (n & -block_of(sizeof(T))); begin += kTogether) {
      const int64_t left = (n & -block_of(sizeof(T))) - begin;
      const int64_t end = begin + (left < kTogether ? left : kTogether);
      int far = 0;
      for (int64_t i = begin; i < end; ++i)
        far |= !F::template is_near<T>(given<false, in, S>(src[I], i, T())...);
      if (far) {
        for (int64_t i = begin; i < end; ++i) element(i);
      } else {
#pragma GCC ivdep
        for (int64_t i = begin; i < end; ++i)
          dst[i] =
              stored<D, F::kExact>(F::template near<T>(given<false, in, S>(src[I], i, T())...));
      }
    }
    return;
  }
  if constexpr (F::kShort && sizeof(T) == sizeof(real_t<T>) && sizeof...(in) > 1) {
    const unsigned constants = constants_of(n);
    if (constants != 0) {
      const auto fixed = [&]<unsigned which>() {
        if constexpr (takes_constants(which, sizeof...(in)))
          run_fixed<which, F, S, nparams, out, in...>(ptrs, count_of(n), p,
                                                      std::index_sequence<I...>());
      };
      return constants == 1   ? fixed.template operator()<1>()
             : constants == 2 ? fixed.template operator()<2>()
             : constants == 4 ? fixed.template operator()<4>()
                              : fixed.template operator()<6>();
    }
  }
  // Signs alone are bits.
  if constexpr (sizeof(S) == 2 && math::is_float<T> && F::kExact == 2) {
    const bool above = F::template call<T>(p, T(1)) < 0, below = F::template call<T>(p, T(-1)) < 0;
    const auto kept = static_cast<uint16_t>(above == below ? 0x7fff : 0xffff);
    const auto flipped = static_cast<uint16_t>(above ? 0x8000 : 0);
    for (int64_t i = 0; i < n; ++i) {
      const uint16_t bits = reinterpret_cast<const S*>(src[0])[i].bits;
      reinterpret_cast<S*>(dst)[i].bits = static_cast<uint16_t>((bits & kept) ^ flipped);
    }
    return;
  }
  constexpr bool lanes = __is_same(S, math::float16) && math::half_lanes > 1;
  constexpr bool pairs = kInPairs<S, out, in...>, bytes = F::kRing && __is_same(S, char8_t);
  if constexpr (lanes || pairs || bytes) {
    constexpr auto all = std::index_sequence<I...>();
    int64_t done;
    if constexpr (lanes)
      done = run_lanes<0, F, S, out, in...>(ptrs, n, p, p, all);
    else if constexpr (pairs)
      done = run_pairs<0, F>(ptrs, n, p, p, all);
    else
      done = run_bytes<0, F, S, nparams>(ptrs, n, p, p, all);
    for (int64_t i = done; i < n; ++i) {
      element(i);
      asm("");  // keeps it from being vectorised
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
void loop_over(char* const* ptrs, int64_t n, const void* params) {
  run<F, S, nparams, out, in...>(ptrs, n, params, std::make_index_sequence<sizeof...(in)>());
}
// Where no instruction converts float16, that is most of the work, and done once for all formulas.
template <class F, class S, int nparams, Kind out, Kind... in>
consteval Loop loop_or_none() {
  if constexpr (__is_same(S, math::float16) && math::half_lanes == 1)
    return nullptr;
  else
    return loop_over<F, S, nparams, out, in...>;
}
template <class F, class S, int nparams, Kind out, Kind... in>
constexpr Loop loop = loop_or_none<F, S, nparams, out, in...>();

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
