#include "core/tensor/checksum.h"

#include <array>
#include <cstring>

#include "core/parallel/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flambeau::inline v1 {
namespace {

// Note [Checksums by folding]
// The lowest bit of the first byte is the highest power of a polynomial over bits, of which the
// checksum is the remainder by kPolynomial. A block of 128 bits may be multiplied by x^n modulo the
// polynomial, and added to the block that lies n bits further on: so lanes are folded into what
// follows them, by carryless products, until 16 bytes with the same remainder are left.

constexpr uint32_t kPolynomial = 0xedb88320;

// tables[k][b] is the remainder of byte b with k zero bytes behind it.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t r = b;
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ (r & 1 ? kPolynomial : 0);
    tables[0][b] = r;
  }
  for (uint32_t b = 0; b < 256; ++b)
    for (int k = 1; k < 8; ++k)
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  return tables;
}();

// The functions below take and give the remainder itself, which a checksum is the complement of.

uint32_t by_tables(uint32_t r, const unsigned char* p, size_t n) {
  for (; n >= 8; p += 8, n -= 8) {
    uint32_t next = 0;
    for (int k = 0; k < 8; ++k) next ^= kTables[7 - k][p[k] ^ (k < 4 ? (r >> (8 * k)) & 0xff : 0)];
    r = next;
  }
  for (; n > 0; ++p, --n) r = (r >> 8) ^ kTables[0][(r ^ *p) & 0xff];
  return r;
}

#if defined(__x86_64__)

// x^n modulo the polynomial, as a carryless product of reversed bits takes it.
constexpr uint64_t power(int n) {
  uint32_t r = 0x80000000;
  for (; n > 0; --n) r = (r >> 1) ^ (r & 1 ? kPolynomial : 0);
  return uint64_t{r} << 1;
}

// The factors that move both halves of a lane on by some bits.
template <int bits>
constexpr uint64_t kLow = power(bits + 32);
template <int bits>
constexpr uint64_t kHigh = power(bits - 32);

__attribute__((target("pclmul,sse4.1"))) inline __m128i folded(__m128i x, __m128i factors,
                                                               __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(x, factors, 0x00);
  const __m128i high = _mm_clmulepi64_si128(x, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

inline __m128i lane(const unsigned char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// What is left when `count` lanes, and then what follows them, are folded into one.
__attribute__((target("pclmul,sse4.1"))) uint32_t fold_lanes(const __m128i* lanes, int count,
                                                             const unsigned char* p, size_t n) {
  const __m128i one = _mm_set_epi64x(kHigh<128>, kLow<128>);
  __m128i x = lanes[0];
  for (int k = 1; k < count; ++k) x = folded(x, one, lanes[k]);
  for (; n >= 16; p += 16, n -= 16) x = folded(x, one, lane(p));
  unsigned char rest[16];
  memcpy(rest, &x, sizeof rest);
  return by_tables(by_tables(0, rest, sizeof rest), p, n);
}

__attribute__((target("pclmul,sse4.1"))) uint32_t by_lanes(uint32_t r, const unsigned char* p,
                                                           size_t n) {
  constexpr int kLanes = 4;
  constexpr size_t kStep = 16 * kLanes;
  if (n < kStep) return by_tables(r, p, n);
  const __m128i factors = _mm_set_epi64x(kHigh<8 * kStep>, kLow<8 * kStep>);
  __m128i lanes[kLanes];
  for (int k = 0; k < kLanes; ++k) lanes[k] = lane(p + 16 * k);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(r)));
  for (p += kStep, n -= kStep; n >= kStep; p += kStep, n -= kStep)
    for (int k = 0; k < kLanes; ++k) lanes[k] = folded(lanes[k], factors, lane(p + 16 * k));
  return fold_lanes(lanes, kLanes, p, n);
}

__attribute__((target("avx512f,vpclmulqdq,pclmul"))) uint32_t by_vectors(uint32_t r,
                                                                         const unsigned char* p,
                                                                         size_t n) {
  constexpr int kVectors = 4;
  constexpr size_t kStep = 64 * kVectors;
  if (n < 2 * kStep) return by_lanes(r, p, n);
  const __m512i factors =
      _mm512_maskz_broadcast_i32x4(0xffff, _mm_set_epi64x(kHigh<8 * kStep>, kLow<8 * kStep>));
  __m512i v[kVectors];
  for (int k = 0; k < kVectors; ++k) v[k] = _mm512_loadu_si512(p + 64 * k);
  v[0] = _mm512_xor_si512(v[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(r))));
  for (p += kStep, n -= kStep; n >= kStep; p += kStep, n -= kStep)
    for (int k = 0; k < kVectors; ++k) {
      _mm_prefetch(reinterpret_cast<const char*>(p + 64 * k + 4096), _MM_HINT_T0);
      const __m512i low = _mm512_clmulepi64_epi128(v[k], factors, 0x00);
      const __m512i high = _mm512_clmulepi64_epi128(v[k], factors, 0x11);
      v[k] = _mm512_ternarylogic_epi64(low, high, _mm512_loadu_si512(p + 64 * k), 0x96);
    }
  __m128i lanes[4 * kVectors];
  memcpy(lanes, v, sizeof lanes);
  return fold_lanes(lanes, 4 * kVectors, p, n);
}

#endif

using Loop = uint32_t (*)(uint32_t r, const unsigned char* p, size_t n);

Loop chosen() {
#if defined(__x86_64__)
  if (isa() == Isa::avx512 && __builtin_cpu_supports("vpclmulqdq")) return by_vectors;
  if (isa() != Isa::baseline && __builtin_cpu_supports("pclmul")) return by_lanes;
#endif
  return by_tables;
}

}  // namespace

uint32_t crc32(uint32_t crc, const void* data, size_t bytes) {
  static const Loop loop = chosen();
  return ~loop(~crc, static_cast<const unsigned char*>(data), bytes);
}

}  // namespace flambeau::inline v1
