// Size classes of the caching allocator: multiples of 64 bytes up to 1 KiB, then four to each
// doubling, so that a block is at most a quarter larger than what was asked for.
#pragma once

#include <bit>
#include <cstddef>

namespace flambeau::inline v1::memory {

constexpr size_t kAlignment = 64;
constexpr size_t kLinearBits = 10, kLinearClasses = (size_t{1} << kLinearBits) / kAlignment;
constexpr size_t kMaxBits = 47;  // more than an address can reach
constexpr size_t kMaxSize = size_t{1} << kMaxBits;

constexpr size_t size_class(size_t size) {  // 0 < size <= kMaxSize
  if (size <= (size_t{1} << kLinearBits)) return (size + kAlignment - 1) / kAlignment;
  const size_t last = size - 1, bits = std::bit_width(last) - 1;
  return kLinearClasses + 1 + (bits - kLinearBits) * 4 + ((last >> (bits - 2)) & 3);
}

constexpr size_t class_size(size_t c) {
  if (c <= kLinearClasses) return c * kAlignment;
  const size_t step = c - kLinearClasses - 1, bits = kLinearBits + step / 4;
  return (size_t{1} << bits) + (step % 4 + 1) * (size_t{1} << (bits - 2));
}

constexpr size_t kClasses = size_class(kMaxSize) + 1;

constexpr size_t kSmallMax = size_t{64} << 10;  // what threads cache for themselves
constexpr size_t kSmallClasses = size_class(kSmallMax) + 1;

static_assert(class_size(size_class(1)) == 64 && class_size(size_class(1025)) == 1280);
static_assert(class_size(size_class(kSmallMax)) == kSmallMax);
static_assert(class_size(size_class(kSmallMax + 1)) == kSmallMax + kSmallMax / 4);

}  // namespace flambeau::inline v1::memory
