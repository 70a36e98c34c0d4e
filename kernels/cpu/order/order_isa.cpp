#include "kernels/cpu/order/order_kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- keys, see Note [Order keys]

template <class T>
struct Integer {
  using Stored = T;
  using Key = __UINT32_TYPE__;
  static constexpr Key kSign = T(-1) < T(0) ? Key(1) << (8 * sizeof(T) - 1) : Key(0);
  static constexpr Key kAll = Key(~uint64_t{0} >> (64 - 8 * sizeof(T)));
  static inline Key key(T x) { return (static_cast<Key>(x) & kAll) ^ kSign; }
  static inline T element(Key k) { return static_cast<T>(k ^ kSign); }
  static inline bool is_nan(Key) { return false; }
};

template <class T>
struct WideInteger {
  using Stored = T;
  using Key = uint64_t;
  static constexpr Key kSign = T(-1) < T(0) ? Key(1) << 63 : Key(0);
  static constexpr Key kAll = ~Key(0);
  static inline Key key(T x) { return static_cast<Key>(x) ^ kSign; }
  static inline T element(Key k) { return static_cast<T>(k ^ kSign); }
  static inline bool is_nan(Key) { return false; }
};

struct Truth {
  using Stored = uint8_t;
  using Key = uint32_t;
  static constexpr Key kAll = 0xff;
  static inline Key key(uint8_t x) { return x != 0; }
  static inline uint8_t element(Key k) { return static_cast<uint8_t>(k); }
  static inline bool is_nan(Key) { return false; }
};

// IEEE formats by their bits: negative numbers are complemented, others get the top bit.
template <class Bits, class KeyOf, int mantissa>
struct Floating {
  using Stored = Bits;
  using Key = KeyOf;
  static constexpr int kWidth = 8 * sizeof(Bits);
  static constexpr Bits kTop = Bits(Bits(1) << (kWidth - 1));
  static constexpr Bits kInfinity = Bits((Bits(kTop - 1) >> mantissa) << mantissa);
  static constexpr Key kAll = Key(Bits(~Bits(0)));
  static inline Key key(Bits x) {
    const Bits size = Bits(x & Bits(~kTop));
    const Bits plain = size == 0 ? Bits(0) : x;
    const Bits ordered = plain & kTop ? Bits(~plain) : Bits(plain | kTop);
    return size > kInfinity ? kAll : Key(ordered);
  }
  static inline Bits element(Key k) {
    const Bits b = static_cast<Bits>(k);
    return b & kTop ? Bits(b & Bits(~kTop)) : Bits(~b);
  }
  static inline bool is_nan(Key k) { return k == kAll; }
};

using Float = Floating<uint32_t, uint32_t, 23>;
using Double = Floating<uint64_t, uint64_t, 52>;
using Float16 = Floating<uint16_t, uint32_t, 10>;
using Bfloat16 = Floating<uint16_t, uint32_t, 7>;

template <class Key>
struct WordOf;
template <>
struct WordOf<uint32_t> {
  using type = uint64_t;
};
template <>
struct WordOf<uint64_t> {
  using type = unsigned __int128;
};

template <class T>
inline typename T::Key oriented(typename T::Stored x, typename T::Key flip) {
  return T::key(x) ^ flip;
}

template <class Key>
inline typename WordOf<Key>::type word_of(Key key, int64_t position) {
  using Word = typename WordOf<Key>::type;
  return static_cast<Word>(key) << (8 * sizeof(Key)) | static_cast<Key>(position);
}

// ---- loops

template <class T>
void words(const void* src, void* out, int64_t n, int64_t first, bool descending) {
  using Key = typename T::Key;
  const auto* in = static_cast<const typename T::Stored*>(src);
  auto* words = static_cast<typename WordOf<Key>::type*>(out);
  const Key flip = descending ? T::kAll : Key(0);
  for (int64_t i = 0; i < n; ++i) words[i] = word_of(oriented<T>(in[i], flip), first + i);
}

// Most stretches have nothing below the bound: that is found out by vectors, 64 keys at a time.
template <class T>
int64_t below(const void* src, void* out, int64_t n, int64_t first, bool descending,
              uint64_t bound_of) {
  using Key = typename T::Key;
  constexpr int64_t kBlock = 64;
  const auto* in = static_cast<const typename T::Stored*>(src);
  auto* words = static_cast<typename WordOf<Key>::type*>(out);
  const Key flip = descending ? T::kAll : Key(0), bound = static_cast<Key>(bound_of);
  int64_t kept = 0;
  const auto keep = [&](Key key, int64_t i) {
    words[kept] = word_of(key, first + i);
    kept += key < bound;
  };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    Key keys[kBlock];
    Key any = 0;
    for (int64_t j = 0; j < kBlock; ++j) {
      keys[j] = oriented<T>(in[i + j], flip);
      any |= keys[j] < bound;
    }
    if (!any) continue;
    for (int64_t j = 0; j < kBlock; ++j) keep(keys[j], i + j);
  }
  for (; i < n; ++i) keep(oriented<T>(in[i], flip), i);
  return kept;
}

template <class T>
void elements(const void* src, void* dst, int64_t n, bool descending) {
  using Key = typename T::Key;
  const auto* words = static_cast<const typename WordOf<Key>::type*>(src);
  auto* out = static_cast<typename T::Stored*>(dst);
  const Key flip = descending ? T::kAll : Key(0);
  for (int64_t i = 0; i < n; ++i)
    out[i] = T::element(static_cast<Key>(words[i] >> (8 * sizeof(Key))) ^ flip);
}

// ---- narrow words

constexpr uint64_t sign_bit(bool is_signed) { return is_signed ? uint64_t{1} << 63 : 0; }

void range(const void* src, int64_t n, bool is_signed, uint64_t* low, uint64_t* high) {
  const auto* in = static_cast<const uint64_t*>(src);
  const uint64_t sign = sign_bit(is_signed);
  uint64_t least = ~uint64_t{0}, most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t key = in[i] ^ sign;
    least = key < least ? key : least;
    most = key > most ? key : most;
  }
  *low = least;
  *high = most;
}

void narrow_words(const void* src, void* out, int64_t n, int64_t first, bool is_signed,
                  bool descending, uint64_t low, uint64_t high) {
  const auto* in = static_cast<const uint64_t*>(src);
  auto* words = static_cast<uint64_t*>(out);
  const uint64_t sign = sign_bit(is_signed);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t key = in[i] ^ sign;
    words[i] = (descending ? high - key : key - low) << 32 | static_cast<uint32_t>(first + i);
  }
}

void narrow_elements(const void* src, void* dst, int64_t n, bool is_signed, bool descending,
                     uint64_t low, uint64_t high) {
  const auto* words = static_cast<const uint64_t*>(src);
  auto* out = static_cast<uint64_t*>(dst);
  const uint64_t sign = sign_bit(is_signed);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t count = words[i] >> 32;
    out[i] = (descending ? high - count : low + count) ^ sign;
  }
}

template <class Key>
void positions(const void* src, int64_t* dst, int64_t n) {
  const auto* words = static_cast<const typename WordOf<Key>::type*>(src);
  for (int64_t i = 0; i < n; ++i) dst[i] = static_cast<int64_t>(static_cast<Key>(words[i]));
}

#if defined(__AVX512F__)
// A word's place is the number of those before it: with a smaller key, or with the same and an
// earlier position. Lanes count for 16 words while the keys of all pass by.
void rank(const uint64_t* words, uint64_t* sorted, int64_t n) {
  constexpr int64_t kBlock = 16;
  uint32_t keys[kMostRanked];
  for (int64_t i = 0; i < n; ++i) keys[i] = static_cast<uint32_t>(words[i] >> 32);
  const __m512i one = _mm512_set1_epi32(1);
  const auto key = [&](int64_t j) { return _mm512_set1_epi32(static_cast<int>(keys[j])); };
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t end = n - at < kBlock ? n : at + kBlock;
    const __mmask16 there = static_cast<__mmask16>((1u << (end - at)) - 1);
    const __m512i own = _mm512_maskz_loadu_epi32(there, keys + at);
    __m512i before = _mm512_setzero_si512();
    const auto count = [&](__mmask16 m) { before = _mm512_mask_add_epi32(before, m, before, one); };
    for (int64_t j = 0; j < at; ++j) count(_mm512_cmple_epu32_mask(key(j), own));
    for (int64_t j = at; j < end; ++j) {
      const __mmask16 later = static_cast<__mmask16>(~0u << (j - at + 1));
      count(_mm512_cmplt_epu32_mask(key(j), own) |
            _mm512_mask_cmpeq_epu32_mask(later, key(j), own));
    }
    for (int64_t j = end; j < n; ++j) count(_mm512_cmplt_epu32_mask(key(j), own));
    uint32_t places[kBlock];
    _mm512_storeu_si512(places, before);
    for (int64_t i = at; i < end; ++i) sorted[places[i - at]] = words[i];
  }
}
#else
constexpr decltype(OrderKernels::rank) rank = nullptr;  // comparing a few words is as fast
#endif

// No NaN equals another.
template <class T>
void starts(const void* src, bool* starts, int64_t n) {
  const auto* in = static_cast<const typename T::Stored*>(src);
  for (int64_t i = 1; i < n; ++i) {
    const auto key = T::key(in[i]);
    starts[i] = (key != T::key(in[i - 1])) | T::is_nan(key);
  }
}

}  // namespace

#define FLAMBEAU_BY_TYPE(F) \
  {F<Integer<uint8_t>>,     \
   F<Integer<int8_t>>,      \
   F<Integer<int16_t>>,     \
   F<Integer<int32_t>>,     \
   F<WideInteger<int64_t>>, \
   F<Float16>,              \
   F<Float>,                \
   F<Double>,               \
   nullptr,                 \
   nullptr,                 \
   F<Truth>,                \
   F<Bfloat16>,             \
   F<Integer<uint16_t>>,    \
   F<Integer<uint32_t>>,    \
   F<WideInteger<uint64_t>>}

extern const OrderKernels order_kernels;
const OrderKernels order_kernels = {
    FLAMBEAU_BY_TYPE(words),
    FLAMBEAU_BY_TYPE(below),
    FLAMBEAU_BY_TYPE(elements),
    range,
    narrow_words,
    narrow_elements,
    {positions<uint32_t>, positions<uint64_t>},
    rank,
    FLAMBEAU_BY_TYPE(starts),
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
