// Folds of rows and columns on vectors. Included by files of one instruction set only.
#pragma once

#include <type_traits>
#include <utility>

#include "kernels/cpu/pointwise/vectors.h"
#include "kernels/cpu/reduce/reduce_kernels.h"
#include "kernels/math/leaves.h"

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

// ---- folds: one number is the state, and two are joined by one operation
//
// Op offers Element, State, Result, identity(), map(element, params), join(a, b) for states and for
// vectors of them, and finish(state, count, params). Where an Op is kPartwise, the real and
// imaginary parts of complex numbers are joined each for itself, as OfPart joins numbers. An Op
// that is kExtreme offers of_numbers(a, b), which gives b where either is NaN. One that has states
// like another and differs in how it finishes them names that as FoldedAs.

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
        const Vec all = row_of_lanes(p, n * kParts, params);
        __builtin_memcpy(static_cast<State*>(states) + r, &all, sizeof(State));
      } else {
        row_of_states(row_of(static_cast<const Element*>(elements), row_stride, r), n, params,
                      static_cast<State*>(states) + r);
      }
    }
  }
#if defined(FLAMBEAU_ISA_avx512)
  // The same of every `step`-th element: those between are loaded, as nothing, with the others.
  template <int step>
  static void rows_with_gaps(const void* elements, int64_t row_stride, int64_t rows, int64_t n,
                             int64_t, const void*, void* states) {
    for (int64_t r = 0; r < rows; ++r) {
      const Lane* p = row_of(static_cast<const Lane*>(elements), row_stride, r);
      const Vec all = halved<kWidth / 2>(row_with_gaps<step>(p, (n - 1) * step + 1),
                                         [](Vec a, Vec b) { return Op::join(a, b); });
      __builtin_memcpy(static_cast<State*>(states) + r, &all, sizeof(State));
    }
  }
#endif
  static void row(const void* elements, int64_t n, const void* params, void* state) {
    rows(elements, 0, 1, n, 0, params, state);
  }

  static void columns(const void* elements, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                      const void* params, void* states) {
    if constexpr (kParts == 2 && kVectors)
      Fold<typename Op::OfPart>::columns(elements, row_stride, rows, cols * 2, 0, params, states);
    else if constexpr (kVectors)
      columns_of_lanes(static_cast<const Input*>(elements), row_stride, rows, cols, params,
                       static_cast<Lane*>(states));
    else
      columns_of_states(static_cast<const Element*>(elements), row_stride, rows, cols, params,
                        static_cast<State*>(states));
  }

  static void combine(void* states, const void* later, int64_t n) {
    if constexpr (kParts == 2 && kVectors) {
      Fold<typename Op::OfPart>::combine(states, later, n * 2);
    } else if constexpr (kVectors) {
      Lane* s = static_cast<Lane*>(states);
      const Lane* l = static_cast<const Lane*>(later);
      if (n == 1) {
        *s = Op::join(*s, *l);
        return;
      }
      for_vectors<Lane>(n, [&](int64_t j, int64_t m) {
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
    if constexpr (requires { typename Op::FoldedAs; }) {
      ReduceKernel kernel = Fold<typename Op::FoldedAs, Source>::kernel();
      kernel.finish = finish;
      return kernel;
    }
    ReduceKernel kernel = {sizeof(State), rows,   columns,
                           combine,       finish, {kDType<Result>, kDType<Result>}};
    if constexpr (kVectors) {  // rows that are read once, and of which little is left to join
      kernel.longest_row = 131072 / static_cast<int64_t>(sizeof(Source));
      kernel.shortest_row = kMasks ? 8 : 16;
#if defined(FLAMBEAU_ISA_avx512)
      if constexpr (kParts == 1 && !Op::kMaps && __is_same(Source, Element) && sizeof(Lane) >= 4) {
        kernel.rows_with_gaps[0] = rows_with_gaps<2>;
        kernel.rows_with_gaps[1] = rows_with_gaps<3>;
        kernel.rows_with_gaps[2] = rows_with_gaps<4>;
      }
#endif
    }
    return kernel;
  }

 private:
#if defined(FLAMBEAU_ISA_avx512)
  static constexpr bool kMasks = true;  // parts of vectors are loaded as fast as whole ones
#else
  static constexpr bool kMasks = false;
#endif
  static constexpr bool kVectors = Op::kPartwise || Parts<State>::count == 1;
  static constexpr bool kHalves =
      __is_same(Source, math::bfloat16) || __is_same(Source, math::float16);
  // What is long is printed once and called, and not printed into each part of each loop.
  static constexpr bool kLong =
      Op::kLongMap || (__is_same(Source, math::float16) && math::half_lanes == 1);
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
    if (!kLong && (kMasks || n == kWidth)) return mapped_here(p, n, params, rest);
    return mapped_by_call(p, n, params, rest);
  }
  FLAMBEAU_LEAF_CALL Vec mapped_by_call(const Input* p, int64_t n, const void* params, Vec rest) {
    return mapped_here(p, n, params, rest);
  }
  FLAMBEAU_LEAF Vec mapped_here(const Input* p, int64_t n, const void* params, Vec rest) {
    if constexpr (Op::kMaps && __is_same(Source, math::float16)) {
      float given[Vector<float>::kWidth];
      store<float>(given, widened<float>(p, n));
      Lane lanes[kWidth];
      for (int64_t k = 0; k < kWidth; ++k) lanes[k] = Op::map(given[k], params);
      return only<Lane>(load<Lane>(lanes), n, rest);
    } else if constexpr (Op::kMaps) {
      Input given[kWidth];
      if (n < kWidth) p = padded<kWidth>(given, p, n);
      Lane lanes[kWidth];
      for (int64_t k = 0; k < kWidth; ++k) lanes[k] = Op::map(math::cast<Element>(p[k]), params);
      return only<Lane>(load<Lane>(lanes), n, rest);
    } else if constexpr (kHalves) {
      return only<Lane>(widened<Lane>(p, n), n, rest);
    } else {
      return n == kWidth ? load<Lane>(p) : load<Lane>(p, n, rest);
    }
  }

  // The state is in the first lanes of the result.
  FLAMBEAU_LEAF Vec row_of_lanes(const Input* p, int64_t n, const void* params) {
    if constexpr (kQuick) {
      Unordered<Lane> nan;
      const Vec v = extreme_of_numbers(p, n, params, nan);
      if (!nan.any()) [[likely]]
        return halved<kWidth / 2>(v, [](Vec a, Vec b) { return Op::of_numbers(a, b); });
    }
    return halved<kWidth / 2>(joined_lanes(p, n, params),
                              [](Vec a, Vec b) { return Op::join(a, b); });
  }

  // Stretches of a row are joined as tiles are, as a binary counter carries, lane by lane.
  FLAMBEAU_LEAF Vec joined_lanes(const Input* p, int64_t n, const void* params) {
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

#if defined(FLAMBEAU_ISA_avx512)
  template <int step>
  FLAMBEAU_LEAF Vec row_with_gaps(const Lane* p, int64_t n) {
    const Vec none = identity();
    uint64_t wanted[step];
    for (int v = 0; v < step; ++v) {
      wanted[v] = 0;
      for (int k = 0; k < kWidth; ++k)
        if ((v * kWidth + k) % step == 0)
          wanted[v] |= first_bytes(sizeof(Lane)) << (k * static_cast<int>(sizeof(Lane)));
    }
    Vec part[step];
    for (int v = 0; v < step; ++v) part[v] = none;
    int64_t i = 0;
    for (; i + step * kWidth <= n; i += step * kWidth)
#pragma GCC unroll 4
      for (int v = 0; v < step; ++v)
        part[v] = Op::join(
            part[v], (Vec)_mm512_mask_loadu_epi8((__m512i)none, wanted[v], p + i + v * kWidth));
#pragma GCC unroll 4
    for (int v = 0; v < step; ++v) {
      const int64_t left = n - i - v * kWidth;
      if (left > 0)
        part[v] = Op::join(
            part[v],
            (Vec)_mm512_mask_loadu_epi8(
                (__m512i)none, wanted[v] & first_bytes(left * static_cast<int64_t>(sizeof(Lane))),
                p + i + v * kWidth));
    }
    Vec all = part[0];
    for (int v = 1; v < step; ++v) all = Op::join(all, part[v]);
    return all;
  }
#endif

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

  // The upper half of the lanes is joined to the lower until one is left.
  template <int half, class Join>
  FLAMBEAU_LEAF Vec halved(Vec v, Join join) {
    if constexpr (half < kParts)
      return v;
    else
      return halved<half / 2>(
          join(v, rotated<Lane, half>(v, std::make_integer_sequence<int, kWidth>())), join);
  }

  // Few columns: their states stay in registers.
  FLAMBEAU_LEAF void columns_of_lanes(const Input* p, int64_t row_stride, int64_t rows,
                                      int64_t cols, const void* params, Lane* s) {
    if (cols > 4 * kWidth) return many_columns(p, row_stride, rows, cols, params, s);
    for (; cols > kWidth; cols -= 2 * kWidth, p += 2 * kWidth, s += 2 * kWidth)
      few_columns<2>(p, row_stride, rows, smaller(cols, 2 * kWidth), params, s);
    if (cols > 0) few_columns<1>(p, row_stride, rows, cols, params, s);
  }

  FLAMBEAU_LEAF int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
  template <int vectors>
  FLAMBEAU_LEAF void few_columns(const Input* p, int64_t row_stride, int64_t rows, int64_t cols,
                                 const void* params, Lane* s) {
    const auto width = [=](int v) { return v + 1 < vectors ? kWidth : cols - v * kWidth; };
    const auto one = [=](int64_t r, int v) {
      return mapped(row_of(p, row_stride, r) + v * kWidth, width(v), params, identity());
    };
    const auto four = [=](int64_t r, int v) {
      return four_rows(row_of(p, row_stride, r) + v * kWidth, row_stride, width(v), params);
    };
    Vec state[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) state[v] = rows >= 4 ? four(0, v).first() : one(0, v);
    int64_t r = rows >= 4 ? 4 : 1;
    for (; r + 4 <= rows; r += 4)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) state[v] = four(r, v).onto(state[v]);
    for (; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) state[v] = Op::join(state[v], one(r, v));
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store<Lane>(s + v * kWidth, state[v], width(v));
  }

  // A vector of each of four rows.
  struct None {};
  struct Four {
    Vec value;
    [[no_unique_address]] std::conditional_t<kQuick, Unordered<Lane>, None> nan;

    Vec first() const {
      if constexpr (kQuick)
        return nan.select(broadcast<Lane>(math::nan<Lane>), value);
      else
        return value;
    }
    Vec onto(Vec state) const {
      if constexpr (kQuick)
        return nan.select(broadcast<Lane>(math::nan<Lane>), Op::of_numbers(value, state));
      else
        return Op::join(state, value);
    }
  };
  FLAMBEAU_LEAF Four four_rows(const Input* a, int64_t row_stride, int64_t n, const void* params) {
    const Input *b = row_of(a, row_stride, 1), *c = row_of(a, row_stride, 2),
                *d = row_of(a, row_stride, 3);
    Four four{};
    if constexpr (kQuick) {
      four.value = four_numbers(a, b, c, d, n, params, four.nan);
    } else {
      const Vec none = identity();
      four.value = Op::join(Op::join(mapped(a, n, params, none), mapped(b, n, params, none)),
                            Op::join(mapped(c, n, params, none), mapped(d, n, params, none)));
    }
    return four;
  }

  // Four rows at a time, so that a state is loaded and stored once for them.
  FLAMBEAU_LEAF void many_columns(const Input* p, int64_t row_stride, int64_t rows, int64_t cols,
                                  const void* params, Lane* s) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      const Input* a = row_of(p, row_stride, r);
      for_vectors<Lane>(cols, [&](int64_t j, int64_t n) {
        const Four four = four_rows(a + j, row_stride, n, params);
        store<Lane>(s + j, r == 0 ? four.first() : four.onto(some(s + j, n)), n);
      });
    }
    for (; r < rows; ++r) {
      const Input* a = row_of(p, row_stride, r);
      for_vectors<Lane>(cols, [&](int64_t j, int64_t n) {
        const Vec x = mapped(a + j, n, params, identity());
        store<Lane>(s + j, r == 0 ? x : Op::join(some(s + j, n), x), n);
      });
    }
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
