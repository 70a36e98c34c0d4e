// Folds of rows and columns on vectors. Included by files of one instruction set only.
#pragma once

#include <type_traits>
#include <utility>

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
// The first n elements, and `rest` in the other lanes.
template <class T>
FLAMBEAU_LEAF vector_t<T> load(const T* p, int64_t n, vector_t<T> rest) {
  __builtin_memcpy(&rest, p, static_cast<size_t>(n) * sizeof(T));
  return rest;
}
template <class T>
FLAMBEAU_LEAF void store(T* p, vector_t<T> v, int64_t n = Vector<T>::kWidth) {
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
}

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
// imaginary parts of complex numbers are joined each for itself.

// Elements that are stored as `Source` become the Op's when they are loaded.

template <class Op, class Source = typename Op::Element>
struct Fold {
  using Element = typename Op::Element;
  using State = typename Op::State;
  using Result = typename Op::Result;

  static void row(const void* elements, int64_t n, int64_t, const void* params, void* state) {
    if constexpr (kVectors)
      row_of_lanes(static_cast<const Input*>(elements), n * kParts, params,
                   static_cast<Lane*>(state));
    else
      row_of_states(static_cast<const Element*>(elements), n, params, static_cast<State*>(state));
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
    return {sizeof(State), row, columns, combine, finish, {kDType<Result>, kDType<Result>}};
  }

 private:
  static constexpr bool kVectors = Op::kPartwise || Parts<State>::count == 1;
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
      Lane lanes[kWidth];
      if (n < kWidth) store<Lane>(lanes, rest);
      for (int64_t k = 0; k < n; ++k) lanes[k] = Op::map(math::cast<Element>(p[k]), params);
      return load<Lane>(lanes);
    } else if constexpr (__is_same(Source, math::bfloat16)) {
      return widened(p, n, rest);
    } else {
      return n == kWidth ? load<Lane>(p) : load<Lane>(p, n, rest);
    }
  }

  FLAMBEAU_LEAF Vec widened(const math::bfloat16* p, int64_t n, Vec rest) {
    typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
    typedef uint32_t Wide __attribute__((vector_size(kVectorBytes)));
    Half bits{};
    __builtin_memcpy(&bits, p, static_cast<size_t>(n) * sizeof(uint16_t));
#if defined(FLAMBEAU_ISA_avx512) && defined(__AVX512F__)
    const auto wide = (Wide)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)bits);
#else
    const Wide wide = __builtin_convertvector(bits, Wide);
#endif
    const Vec v = (Vec)(wide << 16);
    if (n == kWidth) return v;
    store<Lane>(reinterpret_cast<Lane*>(&rest), v, n);
    return rest;
  }

  // Four vectors take turns, so that no addition waits for the one before; then they are joined,
  // and the upper half of the lanes to the lower until one is left.
  FLAMBEAU_LEAF void row_of_lanes(const Input* p, int64_t n, const void* params, Lane* state) {
    const Vec none = identity();
    Vec a = none, b = none, c = none, d = none;
    int64_t i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
      a = Op::join(a, mapped(p + i, kWidth, params, none));
      b = Op::join(b, mapped(p + i + kWidth, kWidth, params, none));
      c = Op::join(c, mapped(p + i + 2 * kWidth, kWidth, params, none));
      d = Op::join(d, mapped(p + i + 3 * kWidth, kWidth, params, none));
    }
    for (; i + kWidth <= n; i += kWidth) a = Op::join(a, mapped(p + i, kWidth, params, none));
    if (i < n) b = Op::join(b, mapped(p + i, n - i, params, none));
    a = Op::join(Op::join(a, b), Op::join(c, d));
    store<Lane>(state, halved<kWidth / 2>(a), kParts);
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
