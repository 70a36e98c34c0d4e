#include <utility>

#include "kernels/cpu/matmul/gemm/simd.h"
#include "kernels/cpu/resample/bands_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

template <class T>
constexpr bool kFloating = T(0.5) != T(0);
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- rows

// Numbers of which only sums are asked for.
template <class T>
void gather_plain(T* row, const void* from, const BandTap* taps, int64_t count, int64_t n,
                  bool /*plain*/) {
  const T* const x = static_cast<const T*>(from);
  for (int64_t j = 0; j < n; ++j) row[j] = count > 0 ? x[taps[0].offset + j] : T(0);
  for (int64_t t = 1; t < count; ++t) {
    const T* const p = x + taps[t].offset;
    for (int64_t j = 0; j < n; ++j) row[j] = static_cast<T>(row[j] + p[j]);
  }
}

// Width vectors of the row.
template <int Width, bool Plain, class T, class S>
inline void gather_some(T* row, const S* x, const BandTap* taps, int64_t count, int64_t last) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[Width] = {};
  for (int64_t t = 0; t < count; ++t) {
    const S* const p = x + taps[t].offset;
    const Vec<T> weight = broadcast(static_cast<T>(taps[t].weight));
    for (int i = 0; i < Width; ++i) {
      const Vec<T> v = load_as<T>(p + i * L, i + 1 < Width ? L : last);
      if constexpr (Plain)
        sums[i] = t == 0 ? v : sums[i] + v;
      else
        sums[i] = t == 0 ? v * weight : fma(v, weight, sums[i]);
    }
  }
  for (int i = 0; i < Width; ++i) store_as(row + i * L, sums[i], i + 1 < Width ? L : last);
}

template <bool Plain, class T, class S>
inline void gather_by(T* row, const S* x, const BandTap* taps, int64_t count, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  int64_t j = 0;
  for (; j + 4 * L <= n; j += 4 * L) gather_some<4, Plain>(row + j, x + j, taps, count, L);
  for (; j < n; j += L) gather_some<1, Plain>(row + j, x + j, taps, count, smaller(L, n - j));
}

template <class T, class S>
void gather(T* row, const void* from, const BandTap* taps, int64_t count, int64_t n, bool plain) {
  const S* const x = static_cast<const S*>(from);
  if (plain) return gather_by<true>(row, x, taps, count, n);
  gather_by<false>(row, x, taps, count, n);
}

// ---- along a row

template <class T>
void along_plain(void* to, const T* row, const BandAlong<T>& plan, T divisor) {
  T* out = static_cast<T*>(to);
  for (int64_t o = 0; o < plan.out; ++o)
    for (int64_t c = 0; c < plan.inner; ++c, ++out) {
      const T* const p = row + plan.begin[o] * plan.inner + c;
      T sum = 0;
      for (int64_t k = 0; k < plan.count[o]; ++k) sum = static_cast<T>(sum + p[k * plan.inner]);
      const T by = plan.divisors ? plan.divisors[o * plan.inner + c] : T(1);
      *out = plan.divisors ? static_cast<T>(sum / (divisor * by)) : sum;
    }
}

template <class T>
inline Vec<T> divided(Vec<T> v, const BandAlong<T>& plan, int64_t o, int64_t count, T divisor) {
  if (!plan.divisors) return v;
  Vec<T> by = broadcast(T(1));
  if (count == kLanes<T>)
    by = load(plan.divisors + o);
  else
    for (int64_t i = 0; i < count; ++i) by[i] = plan.divisors[o + i];
  return v / (by * broadcast(divisor));
}

// Places that are as wide as vectors.
template <bool Plain, class T, class S>
inline void along_wide(S* out, const T* row, const BandAlong<T>& plan, T divisor) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t o = 0; o < plan.out; ++o, out += plan.inner) {
    const T* const p = row + plan.begin[o] * plan.inner;
    const T* const weights = plan.weights + (Plain ? 0 : o * plan.most);
    for (int64_t c = 0; c < plan.inner; c += L) {
      const int64_t n = smaller(L, plan.inner - c);
      Vec<T> sum{};
      for (int64_t k = 0; k < plan.count[o]; ++k) {
        const Vec<T> v = load_as<T>(p + k * plan.inner + c, n);
        if constexpr (Plain)
          sum = k == 0 ? v : sum + v;
        else
          sum = k == 0 ? v * broadcast(weights[0]) : fma(v, broadcast(weights[k]), sum);
      }
      store_as(out + c, divided(sum, plan, o * plan.inner + c, n, divisor), n);
    }
  }
}

// The sum of `count` neighbours, by the lanes of a vector where that is many.
template <bool Plain, class T>
inline T dot(const T* p, const T* weights, int64_t count) {
  constexpr int64_t L = kLanes<T>;
  T total = 0;
  int64_t k = 0;
  if (count >= 2 * L) {
    Vec<T> sums{};
    for (; k + L <= count; k += L) {
      const Vec<T> v = load(p + k);
      if constexpr (Plain)
        sums += v;
      else
        sums = fma(v, load(weights + k), sums);
    }
    for (int width = L / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
    total = sums[0];
  }
  for (; k < count; ++k) total = Plain ? total + p[k] : total + p[k] * weights[k];
  return total;
}

// Results one by one: [first, end) of the elements of the row.
template <bool Plain, class T, class S>
inline void along_single(S* out, const T* row, const BandAlong<T>& plan, T divisor, int64_t first,
                         int64_t end) {
  constexpr int64_t L = kLanes<T>;
  int64_t o = first / plan.inner, c = first % plan.inner;
  for (int64_t at = first; at < end; at += L) {
    const int64_t n = smaller(L, end - at);
    Vec<T> made{};
    for (int64_t i = 0; i < n; ++i) {
      const T* const p = row + plan.begin[o] * plan.inner + c;
      const T* const weights = plan.weights + (Plain ? 0 : o * plan.most);
      if (plan.inner == 1) {
        made[i] = dot<Plain>(p, weights, plan.count[o]);
      } else {
        T sum = 0;
        for (int64_t k = 0; k < plan.count[o]; ++k)
          sum += Plain ? p[k * plan.inner] : p[k * plan.inner] * weights[k];
        made[i] = sum;
      }
      if (++c == plan.inner) {
        c = 0;
        ++o;
      }
    }
    store_as(out + at, divided(made, plan, at, n, divisor), n);
  }
}

#if defined(__AVX512F__)
#define FLAMBEAU_BAND_BLOCKS 1
template <class T>
inline Vec<T> load_within(const T* p, int64_t count) {
  if (count >= kLanes<T>) return load(p);
  return count <= 0 ? Vec<T>{} : load(p, first_lanes<T>(count));
}

// The elements of a block that lie at `places` from p on; `left` elements are there.
template <class T, class P>
inline Vec<T> pick(const T* p, int64_t left, P places, bool far) {
  constexpr int64_t L = kLanes<T>;
  const Vec<T> near = __builtin_shuffle(load_within(p, left), load_within(p + L, left - L), places);
  if (!far) return near;
  const Vec<T> rest = __builtin_shuffle(load_within(p + 2 * L, left - 2 * L),
                                        load_within(p + 3 * L, left - 3 * L), places);
  return places < 2 * L ? near : rest;
}

template <bool Plain, class T, class S>
inline void along_blocks(S* out, const T* row, const BandAlong<T>& plan, T divisor) {
  constexpr int64_t L = kLanes<T>;
  const int64_t n = plan.out * plan.inner, size = plan.in * plan.inner;
  for (int64_t at = 0, b = 0; at < n; at += L, ++b) {
    const BandBlock& block = plan.blocks[b];
    const int64_t count = smaller(L, n - at);
    if (block.base < 0) {
      along_single<Plain>(out, row, plan, divisor, at, at + count);
      continue;
    }
    decltype(Vec<T>{} > Vec<T>{}) places;
    memcpy(&places, plan.places + at, sizeof(places));
    const T* weights = plan.block_weights[b];
    Vec<T> sum{};
    for (int64_t k = 0; k < block.most; ++k, weights += L) {
      const T* const p = row + block.base + k * plan.inner;
      const int64_t left = size - block.base - k * plan.inner;
      Vec<T> v = pick(p, left, places, block.far);
      if (Plain && !block.ragged) {
        sum = k == 0 ? v : sum + v;
        continue;
      }
      Vec<T> weight = load(weights);
      if (block.ragged) {
        const auto there = weight == weight;
        v = there ? v : Vec<T>{};
        weight = there ? weight : Vec<T>{};
      }
      sum = k == 0 ? v * weight : fma(v, weight, sum);
    }
    store_as(out + at, divided(sum, plan, at, count, divisor), count);
  }
}
#endif

template <bool Plain, class T, class S>
inline void along_by(S* out, const T* row, const BandAlong<T>& plan, T divisor) {
#if defined(FLAMBEAU_BAND_BLOCKS)
  if (plan.blocks) return along_blocks<Plain>(out, row, plan, divisor);
#endif
  if (plan.inner >= kLanes<T>) return along_wide<Plain>(out, row, plan, divisor);
  along_single<Plain>(out, row, plan, divisor, 0, plan.out * plan.inner);
}

template <class T, class S>
void along(void* to, const T* row, const BandAlong<T>& plan, T divisor) {
  S* const out = static_cast<S*>(to);
  if (!plan.weights) return along_by<true>(out, row, plan, divisor);
  along_by<false>(out, row, plan, divisor);
}

// ---- bytes

inline uint8_t rounded_byte(int32_t sum, int shift) {
  const int32_t v = sum >> shift;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

template <int64_t Inner>
inline void bytes_along_by(uint8_t* out, const uint8_t* row, const ByteBand& band, int64_t given) {
  const int64_t inner = Inner > 0 ? Inner : given;
  for (int64_t o = 0; o < band.out; ++o, out += inner) {
    const uint8_t* const p = row + band.begin[o] * inner;
    const int16_t* const weights = band.weights + o * band.most;
    for (int64_t c = 0; c < inner; ++c) {
      int32_t sum = 1 << (band.shift - 1);
      for (int64_t k = 0; k < band.count[o]; ++k) sum += weights[k] * p[k * inner + c];
      out[c] = rounded_byte(sum, band.shift);
    }
  }
}

void bytes_along(uint8_t* out, const uint8_t* row, const ByteBand& band,
                 const BandAlong<uint32_t>& plan, uint32_t* room) {
  const int64_t inner = plan.inner;
#if defined(FLAMBEAU_BAND_BLOCKS)
  if (plan.blocks) {
    using Words = Vec<uint32_t>;
    using Signed = decltype(std::declval<Words>() > std::declval<Words>());
    typedef uint8_t Bytes __attribute__((vector_size(16)));
    constexpr int64_t L = kLanes<uint32_t>;
    const int64_t n = plan.out * inner, size = plan.in * inner;
    for (int64_t j = 0; j < size; ++j) room[j] = row[j];
    for (int64_t at = 0, b = 0; at < n; at += L, ++b) {
      const BandBlock& block = plan.blocks[b];
      const int64_t count = smaller(L, n - at);
      Signed places;
      memcpy(&places, plan.places + at, sizeof(places));
      const uint32_t* weights = plan.block_weights[b];
      Words sum = Words{} + (1u << (band.shift - 1));
      for (int64_t k = 0; k < block.most; ++k, weights += L) {
        const uint32_t* const p = room + block.base + k * inner;
        const int64_t left = size - block.base - k * inner;
        sum += pick(p, left, places, block.far) * load(weights);
      }
      Signed v = (Signed)sum >> band.shift;
      v = v < 0 ? Signed{} : v;
      v = v > 255 ? Signed{} + 255 : v;
      const Bytes made = __builtin_convertvector(v, Bytes);
      memcpy(out + at, &made, static_cast<size_t>(count));
    }
    return;
  }
#endif
  if (inner == 1) return bytes_along_by<1>(out, row, band, inner);
  if (inner == 3) return bytes_along_by<3>(out, row, band, inner);
  if (inner == 4) return bytes_along_by<4>(out, row, band, inner);
  bytes_along_by<0>(out, row, band, inner);
}

void bytes_across(uint8_t* out, const uint8_t* rows, const ByteBand& band, int64_t o, int64_t n) {
  constexpr int64_t kBlock = 256;
  const uint8_t* const first = rows + band.begin[o] * n;
  for (int64_t j = 0; j < n; j += kBlock) {
    const int64_t count = smaller(kBlock, n - j);
    int32_t sums[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) sums[i] = 1 << (band.shift - 1);
    for (int64_t k = 0; k < band.count[o]; ++k) {
      const uint8_t* const p = first + k * n + j;
      const int32_t weight = band.weights[o * band.most + k];
      for (int64_t i = 0; i < count; ++i) sums[i] += weight * p[i];
    }
    for (int64_t i = 0; i < count; ++i) out[j + i] = rounded_byte(sums[i], band.shift);
  }
}

template <class T, class S>
constexpr BandLoops<T> loops() {
#if defined(FLAMBEAU_BAND_BLOCKS)
  return {kLanes<T>, gather<T, S>, along<T, S>};
#else
  return {0, gather<T, S>, along<T, S>};
#endif
}

}  // namespace

extern const BandKernels band_kernels;
const BandKernels band_kernels = {
    .f32 = loops<float, float>(),
    .f16 = loops<float, Float16>(),
    .bf16 = loops<float, BFloat16>(),
    .f64 = loops<double, double>(),
    .i64 = {0, gather_plain<int64_t>, along_plain<int64_t>},
    .u8 = {0, gather_plain<uint8_t>, along_plain<uint8_t>},
#if defined(FLAMBEAU_BAND_BLOCKS)
    .bytes = {kLanes<uint32_t>, bytes_along, bytes_across},
#else
    .bytes = {0, bytes_along, bytes_across},
#endif
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
