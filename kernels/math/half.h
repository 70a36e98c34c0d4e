// float16 and bfloat16: formats for storage, widened to float for any arithmetic.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernels/math/base.h"

namespace flambeau::inline v1::math {

struct float16 {
  uint16 bits;
};
struct bfloat16 {
  uint16 bits;
};

// Widening is exact, and a NaN keeps its payload; in float16 it becomes quiet, as it does in F16C.
FLAMBEAU_LEAF float to_float(float16 h) {
  uint32 sign = uint32(h.bits & 0x8000u) << 16;
  uint32 magnitude = uint32(h.bits & 0x7fffu) << 13;
  uint32 normal = magnitude + (uint32(127 - 15) << 23);
  // A subnormal is counted in units of 2^-24: put behind the leading bit of 2^-14, which goes
  // again.
  float subnormal = from_bits(magnitude + (uint32(127 - 14) << 23)) - 0x1p-14f;
  uint32 special = magnitude | 0x7f800000u | (magnitude > 0x0f800000u ? 0x400000u : 0u);
  uint32 y = magnitude < 0x00800000u ? bits_of(subnormal) : normal;
  return from_bits((magnitude >= 0x0f800000u ? special : y) | sign);
}
FLAMBEAU_LEAF float to_float(bfloat16 b) { return from_bits(uint32(b.bits) << 16); }

// Narrowing rounds to nearest even and overflows to infinity; a NaN becomes quiet and keeps its
// sign and the upper part of its payload.
FLAMBEAU_LEAF float16 to_float16(float x) {
  uint32 sign = (bits_of(x) >> 16) & 0x8000u;
  uint32 a = bits_of(x) & 0x7fffffffu;
  uint32 normal = (a - (uint32(127 - 15) << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
  uint32 subnormal = bits_of(from_bits(a) + 0.5f) - bits_of(0.5f);  // ulp(1/2) is 2^-24
  uint32 y = a < 0x38800000u ? subnormal : normal;                  // 2^-14
  y = a >= 0x477ff000u ? 0x7c00u : y;                               // 65520
  y = a > 0x7f800000u ? 0x7e00u | ((a >> 13) & 0x3ffu) : y;
  return {uint16(y | sign)};
}
// The upper half of the bits is the number.
FLAMBEAU_LEAF uint32 bits_rounded_to_bfloat16(float x) {
  uint32 b = bits_of(x);
  uint32 rounded = b + 0x7fffu + ((b >> 16) & 1u);
  return x != x ? b | 0x400000u : rounded;
}
FLAMBEAU_LEAF bfloat16 to_bfloat16(float x) { return {uint16(bits_rounded_to_bfloat16(x) >> 16)}; }

#if !defined(__CUDACC__)
// Lanes of a vector of floats, so many as the instruction set converts at once; one where it does
// not. Bytes are numbers.
#if defined(__AVX512F__)
static constexpr int half_lanes = 16;
FLAMBEAU_LEAF void widen_lanes(const float16* src, float* dst) {
  __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src));
  _mm512_store_ps(dst, _mm512_maskz_cvtph_ps(0xffff, h));
}
FLAMBEAU_LEAF void widen_lanes(const uint8* src, float* dst) {
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src));
  _mm512_store_ps(dst, _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, bytes)));
}
FLAMBEAU_LEAF void narrow_lanes(const float* src, float16* dst) {
  __m512 x = _mm512_load_ps(src);
  __m256i h = _mm512_maskz_cvtps_ph(0xffff, x, _MM_FROUND_TO_NEAREST_INT);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), h);
}
FLAMBEAU_LEAF void narrow_lanes(const float* src, uint8* dst) {
  __m512i x = _mm512_maskz_cvtps_epi32(0xffff, _mm512_load_ps(src));
  __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, x);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), bytes);
}
#elif defined(__F16C__)
static constexpr int half_lanes = 8;
FLAMBEAU_LEAF void widen_lanes(const float16* src, float* dst) {
  _mm256_store_ps(dst, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src))));
}
FLAMBEAU_LEAF void widen_lanes(const uint8* src, float* dst) {
  __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(src));
  _mm256_store_ps(dst, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
}
FLAMBEAU_LEAF void narrow_lanes(const float* src, float16* dst) {
  __m128i h = _mm256_cvtps_ph(_mm256_load_ps(src), _MM_FROUND_TO_NEAREST_INT);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), h);
}
FLAMBEAU_LEAF void narrow_lanes(const float* src, uint8* dst) {
  __m256i x = _mm256_cvtps_epi32(_mm256_load_ps(src));
  __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(dst), _mm_packus_epi16(words, words));
}
#else
static constexpr int half_lanes = 1;
void widen_lanes(const void* src, float* dst);  // there are none
void narrow_lanes(const float* src, void* dst);
#endif

// Whole arrays, with the same bits as one by one.
static inline void convert(const float16* src, float* dst, int64 n) {
  int64 i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i));
    _mm512_storeu_ps(dst + i, _mm512_maskz_cvtph_ps(0xffff, h));
  }
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i));
    _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
  }
#endif
  for (; i < n; ++i) dst[i] = to_float(src[i]);
}
static inline void convert(const float* src, float16* dst, int64 n) {
  int64 i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    __m512 x = _mm512_loadu_ps(src + i);
    __m256i h = _mm512_maskz_cvtps_ph(0xffff, x, _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i), h);
  }
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i), h);
  }
#endif
  for (; i < n; ++i) dst[i] = to_float16(src[i]);
}
static inline void convert(const bfloat16* src, float* dst, int64 n) {
  for (int64 i = 0; i < n; ++i) dst[i] = to_float(src[i]);
}
static inline void convert(const float* src, bfloat16* dst, int64 n) {
  for (int64 i = 0; i < n; ++i) dst[i] = to_bfloat16(src[i]);
}
#endif

}  // namespace flambeau::inline v1::math
