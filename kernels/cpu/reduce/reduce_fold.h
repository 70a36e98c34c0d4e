// Folds of rows and columns on vectors. Included by files of one instruction set only.
#pragma once

#include <type_traits>
#include <utility>

#include "kernels/cpu/reduce/reduce_kernels.h"
#include "kernels/math/leaves.h"

#if defined(FLAMBEAU_ISA_avx512) || defined(FLAMBEAU_ISA_avx2)
#include <immintrin.h>
#endif

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

using math::complex;

template <class T>
constexpr DType kDType = DType::float32;
template <>
constexpr DType kDType<double> = DType::float64;
template <>
constexpr DType kDType<int32_t> = DType::int32;
template <>
constexpr DType kDType<int64_t> = DType::int64;
template <>
constexpr DType kDType<uint64_t> = DType::uint64;
template <>
constexpr DType kDType<uint8_t> = DType::boolean;
template <>
constexpr DType kDType<complex<float>> = DType::complex64;
template <>
constexpr DType kDType<complex<double>> = DType::complex128;

template <class T>
constexpr bool kFloating = __is_same(T, float) || __is_same(T, double);
template <class T>
struct Parts {  // a real number is one part, a complex number two
  using type = T;
  static constexpr int count = 1;
};
template <class T>
struct Parts<complex<T>> {
  using type = T;
  static constexpr int count = 2;
};
template <class T>
using real_t = typename Parts<T>::type;

template <class T>
FLAMBEAU_LEAF const T* row_of(const T* p, int64_t row_stride, int64_t r) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(p) + r * row_stride);
}

// ---- vectors: selections among them are never branches, which data could make unpredictable

#if defined(FLAMBEAU_ISA_avx512)
constexpr int kVectorBytes = 64;
#elif defined(FLAMBEAU_ISA_avx2)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct Vector {
  static constexpr int kWidth = kVectorBytes / sizeof(T);
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using vector_t = typename Vector<T>::type;

template <class T>
FLAMBEAU_LEAF vector_t<T> broadcast(T x) {
  return x - vector_t<T>{};
}
template <class T>
FLAMBEAU_LEAF vector_t<T> load(const T* p) {
  vector_t<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
#if defined(FLAMBEAU_ISA_avx512)
FLAMBEAU_LEAF uint64_t first_bytes(int64_t n) {
  return n >= 64 ? ~uint64_t{0} : ~(~uint64_t{0} << n);
}
#endif
// The first n elements, and `rest` in the other lanes.
template <class T>
FLAMBEAU_LEAF vector_t<T> load(const T* p, int64_t n, vector_t<T> rest) {
#if defined(FLAMBEAU_ISA_avx512)
  return (vector_t<T>)_mm512_mask_loadu_epi8((__m512i)rest, first_bytes(n * int64_t{sizeof(T)}), p);
#else
  __builtin_memcpy(&rest, p, static_cast<size_t>(n) * sizeof(T));
  return rest;
#endif
}
template <class T>
FLAMBEAU_LEAF void store(T* p, vector_t<T> v, int64_t n = Vector<T>::kWidth) {
#if defined(FLAMBEAU_ISA_avx512)
  if (n < Vector<T>::kWidth)
    return _mm512_mask_storeu_epi8(p, first_bytes(n * int64_t{sizeof(T)}), (__m512i)v);
#endif
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
}

// Which lanes of two vectors of floats hold NaN.
#if defined(FLAMBEAU_ISA_avx512)
template <class T>
struct Unordered {
  uint32_t lanes = 0;
  FLAMBEAU_LEAF Unordered of(vector_t<T> a, vector_t<T> b) {
    if constexpr (sizeof(T) == 4)
      return {_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q)};
    else
      return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q)};
  }
  Unordered operator|(Unordered other) const { return {lanes | other.lanes}; }
  bool any() const { return lanes != 0; }
  vector_t<T> select(vector_t<T> marked, vector_t<T> others) const {
    if constexpr (sizeof(T) == 4)
      return (vector_t<T>)_mm512_mask_mov_ps((__m512)others, static_cast<__mmask16>(lanes),
                                             (__m512)marked);
    else
      return (vector_t<T>)_mm512_mask_mov_pd((__m512d)others, static_cast<__mmask8>(lanes),
                                             (__m512d)marked);
  }
};
#else
template <class T>
struct Unordered {
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Mark
      __attribute__((vector_size(kVectorBytes)));
  Mark lanes = {};
  FLAMBEAU_LEAF Unordered of(vector_t<T> a, vector_t<T> b) { return {(a != a) | (b != b)}; }
  Unordered operator|(Unordered other) const { return {lanes | other.lanes}; }
  bool any() const {
    int64_t parts[kVectorBytes / 8], all = 0;
    __builtin_memcpy(parts, &lanes, sizeof parts);
    for (const int64_t part : parts) all |= part;
    return all != 0;
  }
  vector_t<T> select(vector_t<T> marked, vector_t<T> others) const {
    return lanes ? marked : others;
  }
};
#endif

// Lane k of the result is lane k + shift, round about.
template <class T, int shift, int... I>
FLAMBEAU_LEAF vector_t<T> rotated(vector_t<T> v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, ((I + shift) % Vector<T>::kWidth)...);
}

// Calls f(j, n) for the vectors of a row of `count` elements; n is less than the width for the
// last.
template <class T, class F>
FLAMBEAU_LEAF void for_vectors(int64_t count, F f) {
  constexpr int64_t kWidth = Vector<T>::kWidth;
  int64_t j = 0;
  for (; j + kWidth <= count; j += kWidth) f(j, kWidth);
  if (j < count) f(j, count - j);
}

// ---- folds: one number is the state, and two are joined by one operation
//
// Op offers Element, State, Result, identity(), map(element, params), join(a, b) for states and for
// vectors of them, and finish(state, count, params). Where an Op is kPartwise, the real and
// imaginary parts of complex numbers are joined each for itself. An Op that is kExtreme offers
// of_numbers(a, b), which gives b where either is NaN.

// Elements that are stored as `Source` become the Op's when they are loaded.

template <class Op, class Source = typename Op::Element>
struct Fold {
  using Element = typename Op::Element;
  using State = typename Op::State;
  using Result = typename Op::Result;

  static void rows(const void* elements, int64_t row_stride, int64_t rows, int64_t n, int64_t,
                   const void* params, void* states) {
    for (int64_t r = 0; r < rows; ++r) {
      if constexpr (kVectors) {
        const Input* p = row_of(static_cast<const Input*>(elements), row_stride, r);
        const Vec v = row_of_lanes(p, n * kParts, params);
        const Vec all = halved<kWidth / 2>(v);
        __builtin_memcpy(static_cast<State*>(states) + r, &all, sizeof(State));
      } else {
        row_of_states(row_of(static_cast<const Element*>(elements), row_stride, r), n, params,
                      static_cast<State*>(states) + r);
      }
    }
  }
  static void row(const void* elements, int64_t n, const void* params, void* state) {
    rows(elements, 0, 1, n, 0, params, state);
  }

  static void columns(const void* elements, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                      const void* params, void* states) {
    if constexpr (kVectors)
      columns_of_lanes(static_cast<const Input*>(elements), row_stride, rows, cols * kParts, params,
                       static_cast<Lane*>(states));
    else
      columns_of_states(static_cast<const Element*>(elements), row_stride, rows, cols, params,
                        static_cast<State*>(states));
  }

  static void combine(void* states, const void* later, int64_t n) {
    if constexpr (kVectors) {
      Lane* s = static_cast<Lane*>(states);
      const Lane* l = static_cast<const Lane*>(later);
      if (n * kParts == 1) {
        *s = Op::join(*s, *l);
        return;
      }
      for_vectors<Lane>(n * kParts, [&](int64_t j, int64_t m) {
        store<Lane>(s + j, Op::join(some(s + j, m), some(l + j, m)), m);
      });
    } else {
      State* s = static_cast<State*>(states);
      for (int64_t i = 0; i < n; ++i) s[i] = Op::join(s[i], static_cast<const State*>(later)[i]);
    }
  }

  static void finish(const void* states, int64_t n, int64_t count, const void* params,
                     void* const* outs) {
    const State* s = static_cast<const State*>(states);
    Result* out = static_cast<Result*>(outs[0]);
    for (int64_t i = 0; i < n; ++i) out[i] = Op::finish(s[i], count, params);
  }

  static constexpr ReduceKernel kernel() {
    ReduceKernel kernel = {sizeof(State), rows,   columns,
                           combine,       finish, {kDType<Result>, kDType<Result>}};
    if constexpr (kVectors) {  // rows that are read once, and of which little is left to join
      kernel.longest_row = 32768;
      kernel.shortest_row = 16;
    }
    return kernel;
  }

 private:
  static constexpr bool kVectors = Op::kPartwise || Parts<State>::count == 1;
  static constexpr bool kQuick = Op::kExtreme && kFloating<State> && !Op::kMaps;
  static constexpr int kParts = Parts<State>::count;
  using Lane = real_t<State>;
  struct OfParts {
    using type = Lane;
  };
  struct OfElements {
    using type = Source;
  };
  using Input = typename std::conditional_t<kParts == 2, OfParts, OfElements>::type;
  using Vec = vector_t<Lane>;
  static constexpr int kWidth = Vector<Lane>::kWidth;

  FLAMBEAU_LEAF Vec some(const Lane* p, int64_t n) {
    return n == kWidth ? load<Lane>(p) : load<Lane>(p, n, Vec{});
  }
  FLAMBEAU_LEAF Vec identity() {
    if constexpr (kParts == 2)
      return Vec{};
    else
      return broadcast<Lane>(Op::identity());
  }
  // n elements as lanes; `rest` where there are none.
  FLAMBEAU_LEAF Vec mapped(const Input* p, int64_t n, const void* params, Vec rest) {
    if constexpr (Op::kMaps) {
      Input given[kWidth];
      if (n < kWidth) p = padded(given, p, n);
      Lane lanes[kWidth];
      for (int64_t k = 0; k < kWidth; ++k) lanes[k] = Op::map(math::cast<Element>(p[k]), params);
      return only(load<Lane>(lanes), n, rest);
    } else if constexpr (__is_same(Source, math::bfloat16) || __is_same(Source, math::float16)) {
      return only(widened(p, n), n, rest);
    } else {
      return n == kWidth ? load<Lane>(p) : load<Lane>(p, n, rest);
    }
  }

  // The first n lanes, and `rest` in the others.
  FLAMBEAU_LEAF Vec only(Vec v, int64_t n, Vec rest) {
    if (n == kWidth) return v;
#if defined(FLAMBEAU_ISA_avx512)
    return (Vec)_mm512_mask_mov_epi8((__m512i)rest, first_bytes(n * int64_t{sizeof(Lane)}),
                                     (__m512i)v);
#else
    store<Lane>(reinterpret_cast<Lane*>(&rest), v, n);
    return rest;
#endif
  }

  // n elements with zeros behind them.
  FLAMBEAU_LEAF const Input* padded(Input* room, const Input* p, int64_t n) {
    constexpr size_t kBytes = kWidth * sizeof(Input);
#if defined(FLAMBEAU_ISA_avx512)
    if constexpr (kBytes <= 64) {
      const __m512i bytes = _mm512_maskz_loadu_epi8(first_bytes(n * int64_t{sizeof(Input)}), p);
      __builtin_memcpy(room, &bytes, kBytes);
      return room;
    }
#endif
    __builtin_memset(room, 0, kBytes);
    __builtin_memcpy(room, p, static_cast<size_t>(n) * sizeof(Input));
    return room;
  }

  FLAMBEAU_LEAF Vec widened(const Source* p, int64_t n) {
#if defined(FLAMBEAU_ISA_avx512)
    const __m256i bits = n == kWidth
                             ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                             : _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1 << n) - 1), p);
    if constexpr (__is_same(Source, math::float16))
      return (Vec)_mm512_maskz_cvtph_ps(0xffff, bits);
    else
      return (Vec)((vector_t<uint32_t>)_mm512_maskz_cvtepu16_epi32(0xffff, bits) << 16);
#else
    Source room[kWidth];
    if (n < kWidth) p = padded(room, p, n);
    Lane lanes[kWidth];
    for (int k = 0; k < kWidth; ++k) lanes[k] = math::cast<Lane>(p[k]);
    return load<Lane>(lanes);
#endif
  }

  // Stretches of a row are joined as tiles are, as a binary counter carries, lane by lane.
  FLAMBEAU_LEAF Vec row_of_lanes(const Input* p, int64_t n, const void* params) {
    if constexpr (kQuick) {
      Unordered<Lane> nan;
      const Vec v = extreme_of_numbers(p, n, params, nan);
      if (!nan.any()) [[likely]]
        return v;
    }
    constexpr int64_t kStretch = 2048;
    if (n <= kStretch || Op::kExtreme) return stretch(p, n, params);
    Vec waiting[64];
    int top = 0;
    for (int64_t i = 0, count = 1; i < n; i += kStretch, ++count) {
      Vec v = stretch(p + i, n - i < kStretch ? n - i : kStretch, params);
      for (int64_t carry = count; !(carry & 1); carry >>= 1) v = Op::join(waiting[--top], v);
      waiting[top++] = v;
    }
    Vec v = waiting[--top];
    while (top > 0) v = Op::join(waiting[--top], v);
    return v;
  }

  // Four vectors take turns, so that no addition waits for the one before; then they are joined.
  FLAMBEAU_LEAF Vec stretch(const Input* p, int64_t n, const void* params) {
    const Vec none = identity();
    Vec a = none;
    int64_t i = 0;
    if (n >= 4 * kWidth) {
      Vec b = none, c = none, d = none;
      for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
        a = Op::join(a, mapped(p + i, kWidth, params, none));
        b = Op::join(b, mapped(p + i + kWidth, kWidth, params, none));
        c = Op::join(c, mapped(p + i + 2 * kWidth, kWidth, params, none));
        d = Op::join(d, mapped(p + i + 3 * kWidth, kWidth, params, none));
      }
      a = Op::join(Op::join(a, b), Op::join(c, d));
    }
    for (; i + kWidth <= n; i += kWidth) a = Op::join(a, mapped(p + i, kWidth, params, none));
    if (i < n) a = Op::join(a, mapped(p + i, n - i, params, none));
    return a;
  }

  // As if there were no NaN, which is rare; `nan` says whether there is.
  FLAMBEAU_LEAF Vec extreme_of_numbers(const Input* p, int64_t n, const void* params,
                                       Unordered<Lane>& nan) {
    const Vec none = identity();
    Vec best = none;
    int64_t i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth)
      best = Op::of_numbers(four_numbers(p + i, p + i + kWidth, p + i + 2 * kWidth,
                                         p + i + 3 * kWidth, kWidth, params, nan),
                            best);
    for (; i < n; i += kWidth) {
      const Vec v = mapped(p + i, n - i < kWidth ? n - i : kWidth, params, none);
      nan = nan | Unordered<Lane>::of(v, v);
      best = Op::of_numbers(v, best);
    }
    return best;
  }
  FLAMBEAU_LEAF Vec four_numbers(const Input* p, const Input* q, const Input* r, const Input* s,
                                 int64_t n, const void* params, Unordered<Lane>& nan) {
    const Vec none = identity(), a = mapped(p, n, params, none), b = mapped(q, n, params, none),
              c = mapped(r, n, params, none), d = mapped(s, n, params, none);
    nan = nan | Unordered<Lane>::of(a, b) | Unordered<Lane>::of(c, d);
    return Op::of_numbers(Op::of_numbers(a, b), Op::of_numbers(c, d));
  }

  template <int half>
  FLAMBEAU_LEAF Vec halved(Vec v) {
    if constexpr (half < kParts)
      return v;
    else
      return halved<half / 2>(
          Op::join(v, rotated<Lane, half>(v, std::make_integer_sequence<int, kWidth>())));
  }

  // Four rows at a time, so that a state is loaded and stored once for them.
  FLAMBEAU_LEAF void columns_of_lanes(const Input* p, int64_t row_stride, int64_t rows,
                                      int64_t cols, const void* params, Lane* s) {
    const Vec none = identity();
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      const Input *a = row_of(p, row_stride, r), *b = row_of(p, row_stride, r + 1),
                  *c = row_of(p, row_stride, r + 2), *d = row_of(p, row_stride, r + 3);
      if constexpr (kQuick) {
        const auto four = [&](int64_t j, int64_t n) {
          Unordered<Lane> nan;
          Vec v = four_numbers(a + j, b + j, c + j, d + j, n, params, nan);
          if (r > 0) v = Op::of_numbers(v, some(s + j, n));
          return nan.select(broadcast<Lane>(math::nan<Lane>), v);
        };
        into_states(s, cols, true, four);
        continue;
      }
      const auto four = [&](int64_t j, int64_t n) {
        return Op::join(Op::join(mapped(a + j, n, params, none), mapped(b + j, n, params, none)),
                        Op::join(mapped(c + j, n, params, none), mapped(d + j, n, params, none)));
      };
      into_states(s, cols, r == 0, four);
    }
    for (; r < rows; ++r) {
      const Input* a = row_of(p, row_stride, r);
      into_states(s, cols, r == 0,
                  [&](int64_t j, int64_t n) { return mapped(a + j, n, params, none); });
    }
  }

  template <class F>
  FLAMBEAU_LEAF void into_states(Lane* s, int64_t cols, bool first, F value) {
    if (first)
      return for_vectors<Lane>(cols,
                               [&](int64_t j, int64_t n) { store<Lane>(s + j, value(j, n), n); });
    for_vectors<Lane>(cols, [&](int64_t j, int64_t n) {
      store<Lane>(s + j, Op::join(some(s + j, n), value(j, n)), n);
    });
  }

  // Without vectors: a few independent chains.
  FLAMBEAU_LEAF void row_of_states(const Element* p, int64_t n, const void* params, State* state) {
    constexpr int kChains = 8;
    State chain[kChains];
    for (int k = 0; k < kChains; ++k) chain[k] = Op::identity();
    int64_t i = 0;
    for (; i + kChains <= n; i += kChains)
      for (int k = 0; k < kChains; ++k) chain[k] = Op::join(chain[k], Op::map(p[i + k], params));
    for (int k = 0; i + k < n; ++k) chain[k] = Op::join(chain[k], Op::map(p[i + k], params));
    for (int half = kChains / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) chain[k] = Op::join(chain[k], chain[k + half]);
    *state = chain[0];
  }
  FLAMBEAU_LEAF void columns_of_states(const Element* p, int64_t row_stride, int64_t rows,
                                       int64_t cols, const void* params, State* __restrict s) {
    for (int64_t j = 0; j < cols; ++j) s[j] = Op::map(p[j], params);
    for (int64_t r = 1; r < rows; ++r) {
      const Element* q = row_of(p, row_stride, r);
      for (int64_t j = 0; j < cols; ++j) s[j] = Op::join(s[j], Op::map(q[j], params));
    }
  }
};

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
