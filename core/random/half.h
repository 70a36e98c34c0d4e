// The two floating formats of 16 bits; rounding is to nearest even and without branches. Static, as
// these are compiled once per instruction set, and one set's body may not serve another.
#pragma once

#include <cstdint>

namespace flambeau {
static inline uint16_t bfloat16_bits(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  return static_cast<uint16_t>((value == value ? rounded : bits | 0x400000) >> 16);
}

static inline float bfloat16_value(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

static inline uint16_t float16_bits(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  const uint32_t normal = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
  // Below the smallest normal number: adding 0.5 makes the float's own rounding cut the number to
  // multiples of 2^-24, which are then its last bits.
  const uint32_t small =
      __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, size) + 0.5f) - 0x3f000000;
  uint32_t result = size < 0x38800000 ? small : normal;
  result = size >= 0x477ff000 ? 0x7c00 : result;  // rounds to infinity
  result = size > 0x7f800000 ? 0x7e00 : result;   // NaN
  return static_cast<uint16_t>(result | sign);
}

static inline float float16_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, size = bits & 0x7fff;
  // Shifting the exponent by a product is exact for subnormal numbers too.
  const float scaled = __builtin_bit_cast(float, size << 13) * 0x1p112f;
  const uint32_t finite = __builtin_bit_cast(uint32_t, scaled);
  return __builtin_bit_cast(float, (size < 0x7c00 ? finite : size << 13 | 0x7f800000) | sign);
}

}  // namespace flambeau
