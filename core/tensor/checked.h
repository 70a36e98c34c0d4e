// Integers as Python means them, in 64 bits: overflow is an exception, division floors.
#pragma once

#include <cstdint>

#include "core/memory/allocator.h"
#include "core/tensor/error.h"

namespace flambeau::inline v1 {

struct ZeroDivisionError : Error {
  using Error::Error;
};

namespace printed {

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_overflow(const char* what, int64_t a,
                                                                  int64_t b) {
  raise<memory::SizeOverflow>("integer overflow: ", a, what, b, " does not fit 64 bits");
}
[[noreturn, gnu::cold, gnu::noinline]] inline void raise_zero() {
  raise<ZeroDivisionError>("integer division or modulo by zero");
}

[[gnu::always_inline]] inline int64_t add(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_add_overflow(a, b, &out)) [[unlikely]]
    raise_overflow(" + ", a, b);
  return out;
}
[[gnu::always_inline]] inline int64_t sub(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_sub_overflow(a, b, &out)) [[unlikely]]
    raise_overflow(" - ", a, b);
  return out;
}
[[gnu::always_inline]] inline int64_t mul(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_mul_overflow(a, b, &out)) [[unlikely]]
    raise_overflow(" * ", a, b);
  return out;
}
inline int64_t neg(int64_t a) { return sub(0, a); }
inline int64_t absolute(int64_t a) { return a < 0 ? neg(a) : a; }
inline int64_t floordiv(int64_t a, int64_t b) {
  if (b == 0) [[unlikely]]
    raise_zero();
  if (b == -1) return neg(a);
  const int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}
inline int64_t mod(int64_t a, int64_t b) {
  if (b == 0) [[unlikely]]
    raise_zero();
  if (b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

}  // namespace printed
}  // namespace flambeau::inline v1
