// Vectors of an instruction set's width. Included by files of one instruction set only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/math/half.h"
#include "kernels/math/vector_bytes.h"

#if defined(FLAMBEAU_ISA_avx512) || defined(FLAMBEAU_ISA_avx2)
#include <immintrin.h>
#endif

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

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

// The lanes of v, each half joined to the other until all hold the same.
template <class T, int half, class Join>
FLAMBEAU_LEAF vector_t<T> across(vector_t<T> v, Join join) {
  if constexpr (half == 0)
    return v;
  else
    return across<T, half / 2>(
        join(v, rotated<T, half>(v, std::make_integer_sequence<int, Vector<T>::kWidth>())), join);
}
template <class T, class Join>
FLAMBEAU_LEAF T across(vector_t<T> v, Join join) {
  return across<T, Vector<T>::kWidth / 2>(v, join)[0];
}

// f of each lane.
template <class T, class F>
FLAMBEAU_LEAF vector_t<T> each(vector_t<T> v, F f) {
  constexpr int kWidth = Vector<T>::kWidth;
  alignas(kVectorBytes) T lanes[kWidth];
  store<T>(lanes, v);
  for (int k = 0; k < kWidth; ++k) lanes[k] = f(lanes[k]);
  return load<T>(lanes);
}

// The first n lanes of v, and `rest` in the others.
template <class T>
FLAMBEAU_LEAF vector_t<T> only(vector_t<T> v, int64_t n, vector_t<T> rest) {
  if (n == Vector<T>::kWidth) return v;
#if defined(FLAMBEAU_ISA_avx512)
  return (vector_t<T>)_mm512_mask_mov_epi8((__m512i)rest, first_bytes(n * int64_t{sizeof(T)}),
                                           (__m512i)v);
#else
  store<T>(reinterpret_cast<T*>(&rest), v, n);
  return rest;
#endif
}

// The first n elements, in `room` with zeros behind them.
template <int width, class S>
FLAMBEAU_LEAF const S* padded(S* room, const S* p, int64_t n) {
  constexpr size_t kBytes = width * sizeof(S);
#if defined(FLAMBEAU_ISA_avx512)
  if constexpr (kBytes <= 64) {
    const __m512i bytes = _mm512_maskz_loadu_epi8(first_bytes(n * int64_t{sizeof(S)}), p);
    __builtin_memcpy(room, &bytes, kBytes);
    return room;
  }
#endif
  __builtin_memset(room, 0, kBytes);
  __builtin_memcpy(room, p, static_cast<size_t>(n) * sizeof(S));
  return room;
}

// Elements that are stored as S, in the type they are computed in: the first n, and zeros.
template <class T, class S>
FLAMBEAU_LEAF vector_t<T> widened(const S* p, int64_t n) {
  constexpr int kWidth = Vector<T>::kWidth;
  if constexpr (__is_same(S, T)) {
    return n == kWidth ? load<T>(p) : load<T>(p, n, vector_t<T>{});
  } else {
#if defined(FLAMBEAU_ISA_avx512)
    const __m256i bits = n == kWidth
                             ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                             : _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1 << n) - 1), p);
    if constexpr (__is_same(S, math::float16))
      return (vector_t<T>)_mm512_maskz_cvtph_ps(0xffff, bits);
    else
      return (vector_t<T>)((vector_t<uint32_t>)_mm512_maskz_cvtepu16_epi32(0xffff, bits) << 16);
#else
    S room[kWidth];
    if (n < kWidth) p = padded<kWidth>(room, p, n);
    T lanes[kWidth];
    if constexpr (__is_same(S, math::float16)) {
      math::convert(p, lanes, kWidth);
    } else {
      typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
      Half bits;
      __builtin_memcpy(&bits, p, sizeof bits);
      return (vector_t<T>)(__builtin_convertvector(bits, vector_t<uint32_t>) << 16);
    }
    return load<T>(lanes);
#endif
  }
}

// math::to_bfloat16 of each lane.
FLAMBEAU_LEAF vector_t<uint32_t> bfloat16_bits(vector_t<float> v) {
  const auto b = (vector_t<uint32_t>)v, rounded = b + 0x7fffu + ((b >> 16) & 1u);
  return (v != v ? b | 0x400000u : rounded) >> 16;
}

// The first n lanes, to where elements are stored as S.
template <class T, class S>
FLAMBEAU_LEAF void narrow(S* p, vector_t<T> v, int64_t n) {
  if constexpr (__is_same(S, T)) {
    store<T>(p, v, n);
  } else {
#if defined(FLAMBEAU_ISA_avx512)
    __m256i bits;
    if constexpr (__is_same(S, math::float16))
      bits = _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT);
    else
      bits = _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)bfloat16_bits(v));
    if (n < 16) return _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1 << n) - 1), bits);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bits);
#else
    constexpr int kWidth = Vector<T>::kWidth;
    S made[kWidth];
    if constexpr (__is_same(S, math::float16)) {
      T lanes[kWidth];
      store<T>(lanes, v);
      math::convert(lanes, made, kWidth);
    } else {
      typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
      const Half bits = __builtin_convertvector(bfloat16_bits(v), Half);
      __builtin_memcpy(made, &bits, sizeof made);
    }
    __builtin_memcpy(p, made, static_cast<size_t>(n) * sizeof(S));
#endif
  }
}

}  // namespace
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
