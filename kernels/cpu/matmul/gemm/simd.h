// Vectors of the instruction set that a file is compiled for: loads with conversion, partial loads
// and stores, fused multiply-add, transposition. Everything here is static, so that no symbol of
// one instruction set can stand in for another's.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/math/vector_bytes.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

// Storage types of 16 bits; their values are converted when they are loaded and stored.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T, int Lanes>
struct VectorOf {
  typedef T type __attribute__((vector_size(Lanes * sizeof(T))));
  typedef T loose __attribute__((vector_size(Lanes * sizeof(T)), aligned(1), may_alias));
};
template <class T>
using Vec = typename VectorOf<T, kLanes<T>>::type;

template <class T>
static inline Vec<T> broadcast(T x) {
  return x - Vec<T>{};  // x + 0 would not be x for -0, and so not free
}
template <class T>
static inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T, kLanes<T>>::loose*>(p);
}
template <class T>
static inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VectorOf<T, kLanes<T>>::loose*>(p) = v;
}

// a * b + c, with one rounding where the instruction set has it.
#if defined(__AVX512F__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__AVX2__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
#else
template <class V>
static inline V fma(V a, V b, V c) {
  return a * b + c;
}
#endif

// The first lanes of a vector, for loads and stores that must not touch memory beyond them.
// FLAMBEAU_ANY_LANES: any lanes can be chosen, by lanes_of().
#if defined(__AVX512F__)
#define FLAMBEAU_ANY_LANES 1
using Mask = uint32_t;
template <class T>
static inline Mask first_lanes(int64_t count) {
  return static_cast<Mask>((uint64_t{1} << count) - 1);
}
template <class T>
static inline Mask lanes_of(uint32_t bits) {
  return bits;
}
static inline Vec<float> load(const float* p, Mask m) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>(m), p);
}
static inline Vec<double> load(const double* p, Mask m) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>(m), p);
}
static inline Vec<uint32_t> load(const uint32_t* p, Mask m) {
  return (Vec<uint32_t>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(m), p);
}
// The lanes chosen from memory, the others from v.
static inline Vec<float> load_into(Vec<float> v, const float* p, Mask m) {
  return _mm512_mask_loadu_ps(v, static_cast<__mmask16>(m), p);
}
static inline Vec<double> load_into(Vec<double> v, const double* p, Mask m) {
  return _mm512_mask_loadu_pd(v, static_cast<__mmask8>(m), p);
}
// a * b + c in the lanes chosen; others do not count b.
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c, Mask m) {
  return _mm512_mask3_fmadd_ps(a, b, c, static_cast<__mmask16>(m));
}
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c, Mask m) {
  return _mm512_mask3_fmadd_pd(a, b, c, static_cast<__mmask8>(m));
}
static inline void store(float* p, Vec<float> v, Mask m) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(m), v);
}
static inline void store(double* p, Vec<double> v, Mask m) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(m), v);
}
#elif defined(__AVX2__)
#define FLAMBEAU_ANY_LANES 1
using Mask = __m256i;
template <class T>
static inline Mask first_lanes(int64_t count) {
  if constexpr (sizeof(T) == 8) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
  } else {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
}
template <class T>
static inline Mask lanes_of(uint32_t bits) {
  if constexpr (sizeof(T) == 8) {
    const Mask lanes = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(bits), lanes), lanes);
  } else {
    const Mask lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(bits)), lanes), lanes);
  }
}
static inline Vec<float> load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
static inline Vec<double> load(const double* p, Mask m) { return _mm256_maskload_pd(p, m); }
static inline Vec<uint32_t> load(const uint32_t* p, Mask m) {
  return (Vec<uint32_t>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), m);
}
static inline Vec<float> load_into(Vec<float> v, const float* p, Mask m) {
  return _mm256_blendv_ps(v, load(p, m), (__m256)m);
}
static inline Vec<double> load_into(Vec<double> v, const double* p, Mask m) {
  return _mm256_blendv_pd(v, load(p, m), (__m256d)m);
}
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c, Mask m) {
  return fma(a, (Vec<float>)((__m256i)b & m), c);
}
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c, Mask m) {
  return fma(a, (Vec<double>)((__m256i)b & m), c);
}
static inline void store(float* p, Vec<float> v, Mask m) { _mm256_maskstore_ps(p, m, v); }
static inline void store(double* p, Vec<double> v, Mask m) { _mm256_maskstore_pd(p, m, v); }
#else
using Mask = int64_t;
template <class T>
static inline Mask first_lanes(int64_t count) {
  return count;
}
// Parts of vectors are rare, and printed once.
template <class T>
[[gnu::noinline]] static Vec<T> load_some(const T* p, int64_t count) {
  Vec<T> v{};
  for (int64_t i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
template <class T>
[[gnu::noinline]] static void store_some(T* p, Vec<T> v, int64_t count) {
  for (int64_t i = 0; i < count; ++i) p[i] = v[i];
}
template <class T>
static inline Vec<T> load(const T* p, Mask count) {
  return count == kLanes<T> ? load(p) : load_some(p, count);
}
template <class T>
static inline void store(T* p, Vec<T> v, Mask count) {
  if (count == kLanes<T>) return store(p, v);
  store_some(p, v, count);
}
#endif

// ---- 16-bit storage: as many elements as a vector of float has
using Half = typename VectorOf<uint16_t, kLanes<float>>::type;

#if defined(__AVX512BW__)
static inline Half load_some_halves(const void* p, int64_t count) {
  return (Half)_mm256_maskz_loadu_epi16(static_cast<__mmask16>(first_lanes<float>(count)), p);
}
static inline void store_some_halves(void* p, Half h, int64_t count) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(first_lanes<float>(count)), (__m256i)h);
}
#else
[[gnu::noinline]] static Half load_some_halves(const void* p, int64_t count) {
  Half h{};
  memcpy(&h, p, static_cast<size_t>(count) * sizeof(uint16_t));
  return h;
}
[[gnu::noinline]] static void store_some_halves(void* p, Half h, int64_t count) {
  memcpy(p, &h, static_cast<size_t>(count) * sizeof(uint16_t));
}
#endif
static inline Half load_half(const void* p, int64_t count) {
  if (count != kLanes<float>) return load_some_halves(p, count);
  Half h;
  memcpy(&h, p, sizeof(h));
  return h;
}
static inline void store_half(void* p, Half h, int64_t count) {
  if (count != kLanes<float>) return store_some_halves(p, h, count);
  memcpy(p, &h, sizeof(h));
}

static inline Vec<float> widen_bf16(Half h) {
#if defined(__AVX512F__)  // for which the compiler takes the halves apart
  return (Vec<float>)((Vec<uint32_t>)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)h) << 16);
#else
  return (Vec<float>)(__builtin_convertvector(h, Vec<uint32_t>) << 16);
#endif
}
// To nearest even; a NaN stays one.
static inline Half narrow_bf16(Vec<float> x) {
  Vec<uint32_t> u = (Vec<uint32_t>)x;
  Vec<uint32_t> rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  Vec<uint32_t> is_nan = (Vec<uint32_t>)(x != x);
  return __builtin_convertvector((rounded & ~is_nan) | (is_nan & 0x7fc0u), Half);
}

#if defined(__AVX512F__)
static inline Vec<float> widen_f16(Half h) { return _mm512_maskz_cvtph_ps(0xffff, (__m256i)h); }
static inline Half narrow_f16(Vec<float> x) {
  return (Half)_mm512_maskz_cvtps_ph(0xffff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#elif defined(__F16C__)
static inline Vec<float> widen_f16(Half h) { return _mm256_cvtph_ps((__m128i)h); }
static inline Half narrow_f16(Vec<float> x) {
  return (Half)_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#else
// A half's exponent and mantissa, moved to where a float has them, are its value times 2^-112;
// infinities and NaNs come out at 2^16 and above.
[[gnu::noinline]] static Vec<float> widen_f16(Half h) {
  Vec<uint32_t> u = __builtin_convertvector(h, Vec<uint32_t>);
  Vec<uint32_t> special = (Vec<uint32_t>)((u & 0x7c00u) == 0x7c00u);
  Vec<float> scaled = (Vec<float>)((u & 0x7fffu) << 13) * 0x1p112f;
  Vec<uint32_t> bits = (Vec<uint32_t>)scaled | (special & 0x7f800000u) | ((u & 0x8000u) << 16);
  return (Vec<float>)bits;
}
// Below the normal range of a half, adding 0.5 rounds to its smallest step.
[[gnu::noinline]] static Half narrow_f16(Vec<float> x) {
  Vec<uint32_t> u = (Vec<uint32_t>)x;
  Vec<uint32_t> sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
  Vec<uint32_t> normal = magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23);
  Vec<float> shifted = (Vec<float>)magnitude + 0.5f;
  Vec<uint32_t> tiny = (Vec<uint32_t>)shifted - 0x3f000000u;
  Vec<uint32_t> is_tiny = (Vec<uint32_t>)(magnitude < (113u << 23));
  Vec<uint32_t> is_large = (Vec<uint32_t>)(magnitude >= 0x477ff000u);
  Vec<uint32_t> is_nan = (Vec<uint32_t>)(magnitude > 0x7f800000u);
  Vec<uint32_t> bits = (is_tiny & tiny) | (~is_tiny & (normal >> 13));
  bits = (is_large & 0x7c00u) | (~is_large & bits);
  bits |= is_nan & 0x7e00u;
  return __builtin_convertvector(bits | sign, Half);
}
#endif

// ---- elements of storage type S as vectors of compute type T
template <class T>
static inline Vec<T> load_as(const T* p, int64_t count) {
  if (count == kLanes<T>) return load(p);
  return load(p, first_lanes<T>(count));
}
template <class T>
static inline Vec<T> load_as(const BFloat16* p, int64_t count) {
  return widen_bf16(load_half(p, count));
}
template <class T>
static inline Vec<T> load_as(const Float16* p, int64_t count) {
  return widen_f16(load_half(p, count));
}
template <class T, class V>
static inline void store_as(T* p, V v, int64_t count) {
  if (count == kLanes<T>) return store(p, v);
  store(p, v, first_lanes<T>(count));
}
static inline void store_as(BFloat16* p, Vec<float> v, int64_t count) {
  store_half(p, narrow_bf16(v), count);
}
static inline void store_as(Float16* p, Vec<float> v, int64_t count) {
  store_half(p, narrow_f16(v), count);
}

template <class T, class S>
static inline T value_of(const S* p) {
  if constexpr (sizeof(S) == sizeof(T))
    return *p;
  else
    return load_as<T>(p, 1)[0];
}

// Elements 0, Step, 2 Step ... from p on, as many as `count`; no memory beyond them is touched.
template <int Step, class T>
static inline Vec<T> load_every(const T* p, int64_t count) {
  constexpr int L = kLanes<T>;
  const auto first = [&](const T* from, int64_t n) {
    return n >= L ? load(from) : load(from, first_lanes<T>(n));
  };
  if constexpr (Step == 1) {
    return first(p, count);
  } else {
    const int64_t span = 2 * count - 1;
    const Vec<T> low = first(p, span), high = span > L ? first(p + L, span - L) : Vec<T>{};
    decltype(low > high) even;
    for (int i = 0; i < L; ++i) even[i] = 2 * i;
    return __builtin_shuffle(low, high, even);
  }
}

// The same with any distance between elements.
template <class T, class S>
static inline Vec<T> load_strided(const S* p, int64_t stride, int64_t count) {
  if (stride == 1) return load_as<T>(p, count);
  if (stride == 0) return broadcast(value_of<T>(p));
  if constexpr (__is_same(S, T))
    if (stride == 2) return load_every<2>(p, count);
  alignas(kVectorBytes) S packed[kLanes<T>] = {};
  for (int64_t i = 0; i < count; ++i) packed[i] = p[i * stride];
  return load_as<T>(packed, kLanes<T>);
}
template <class T, class S>
static inline void store_strided(S* p, int64_t stride, Vec<T> v, int64_t count) {
  if (stride == 1) return store_as(p, v, count);
  alignas(kVectorBytes) S packed[kLanes<T>];
  store_as(packed, v, kLanes<T>);
  for (int64_t i = 0; i < count; ++i) p[i * stride] = packed[i];
}

// ---- transposition of a square of vectors
// Lanes are grouped by 16 bytes, within which shuffles are cheapest.
template <class T>
constexpr int kGroup = 16 / static_cast<int>(sizeof(T));

// Each group of `a` and `b`: their first (Half = 0) or second halves, elements alternating.
template <class T, int Half>
static inline Vec<T> interleave(Vec<T> a, Vec<T> b) {
  decltype(a < b) index;
  for (int j = 0; j < kLanes<T>; ++j) {
    const int in_group = j % kGroup<T>;
    index[j] = j - in_group + Half * kGroup<T> / 2 + in_group / 2 + in_group % 2 * kLanes<T>;
  }
  return __builtin_shuffle(a, b, index);
}
// The same with halves moved whole.
template <class T, int Half>
static inline Vec<T> join_halves(Vec<T> a, Vec<T> b) {
  decltype(a < b) index;
  for (int j = 0; j < kLanes<T>; ++j) {
    const int in_group = j % kGroup<T>, half = kGroup<T> / 2;
    index[j] = j - in_group + Half * half + in_group % half + in_group / half * kLanes<T>;
  }
  return __builtin_shuffle(a, b, index);
}

// Transposes the squares that kGroup rows have in each group of lanes.
template <class T>
static inline void transpose_groups(Vec<T>* r) {
  if constexpr (kGroup<T> == 2) {
    const Vec<T> low = interleave<T, 0>(r[0], r[1]);
    r[1] = interleave<T, 1>(r[0], r[1]);
    r[0] = low;
  } else {
    const Vec<T> a = interleave<T, 0>(r[0], r[1]), b = interleave<T, 1>(r[0], r[1]);
    const Vec<T> c = interleave<T, 0>(r[2], r[3]), d = interleave<T, 1>(r[2], r[3]);
    r[0] = join_halves<T, 0>(a, c);
    r[1] = join_halves<T, 1>(a, c);
    r[2] = join_halves<T, 0>(b, d);
    r[3] = join_halves<T, 1>(b, d);
  }
}

// Exchanges the lanes whose index has bit `Step` with the rows whose index has it, for `Step` and
// the bits above.
template <class T, int Step>
static inline void exchange(Vec<T>* rows) {
  if constexpr (Step < kLanes<T>) {
    decltype(rows[0] < rows[0]) to_low, to_high;
    for (int j = 0; j < kLanes<T>; ++j) {
      to_low[j] = (j & Step) ? kLanes<T> + j - Step : j;
      to_high[j] = (j & Step) ? kLanes<T> + j : j + Step;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i & Step) continue;
      const Vec<T> low = rows[i], high = rows[i + Step];
      rows[i] = __builtin_shuffle(low, high, to_low);
      rows[i + Step] = __builtin_shuffle(low, high, to_high);
    }
    exchange<T, Step * 2>(rows);
  }
}

template <class T>
static inline void transpose(Vec<T>* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; i += kGroup<T>) transpose_groups<T>(rows + i);
  exchange<T, kGroup<T>>(rows);
}

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
