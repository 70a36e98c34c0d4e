// Every leaf as a C function over arrays, for test_leaves.py. One loop a line: the test reads from
// the compiler's report which of them became vector code.
#include "kernels/math/leaves.h"

namespace m = flambeau::math;
using m::bfloat16;
using m::complex128;
using m::complex64;
using m::float16;
using m::int16;
using m::int32;
using m::int64;
using m::int8;
using m::uint16;
using m::uint32;
using m::uint64;
using m::uint8;
using float32 = float;
using float64 = double;

#define UNARY_OF(name, leaf, in, out)                                               \
  extern "C" void name##_##in(const in* __restrict a, out* __restrict y, int64 n) { \
    for (int64 i = 0; i < n; ++i) y[i] = leaf(a[i]);                                \
  }
#define BINARY_OF(name, leaf, in, out)                                                           \
  extern "C" void name##_##in(const in* __restrict a, const in* __restrict b, out* __restrict y, \
                              int64 n) {                                                         \
    for (int64 i = 0; i < n; ++i) y[i] = leaf(a[i], b[i]);                                       \
  }
#define TERNARY_OF(name, type)                                                                   \
  extern "C" void name##_##type(const type* a, const type* b, const type* c, type* y, int64 n) { \
    for (int64 i = 0; i < n; ++i) y[i] = m::name(a[i], b[i], c[i]);                              \
  }
#define UNARY(name) \
  UNARY_OF(name, m::name, float32, float32) UNARY_OF(name, m::name, float64, float64)
#define BINARY(name) \
  BINARY_OF(name, m::name, float32, float32) BINARY_OF(name, m::name, float64, float64)
#define TERNARY(name) TERNARY_OF(name, float32) TERNARY_OF(name, float64)
#define TEST(name) UNARY_OF(name, m::name, float32, uint8) UNARY_OF(name, m::name, float64, uint8)
#define COMPLEX(name) \
  UNARY_OF(name, m::name, complex64, complex64) UNARY_OF(name, m::name, complex128, complex128)
#define SIGNED(kind, name)                                          \
  kind(name, m::name, int8, int8) kind(name, m::name, int16, int16) \
      kind(name, m::name, int32, int32) kind(name, m::name, int64, int64)
#define UNSIGNED(kind, name)                                            \
  kind(name, m::name, uint8, uint8) kind(name, m::name, uint16, uint16) \
      kind(name, m::name, uint32, uint32) kind(name, m::name, uint64, uint64)
#define INTEGER(kind, name) SIGNED(kind, name) UNSIGNED(kind, name)

#if PART == 1
UNARY(exp)
UNARY(exp2)
UNARY(expm1)
UNARY(log)
UNARY(log2)
UNARY(log10)
UNARY(log1p)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(tanh)
UNARY(sigmoid)
UNARY(silu)
UNARY(sinh)
UNARY(cosh)
UNARY(asinh)
UNARY(acosh)
UNARY(atanh)
UNARY(erf)
UNARY(erfc)
UNARY(lgamma)
UNARY(digamma)
UNARY(trigamma)
UNARY(erfcx)
UNARY(erfinv)
UNARY(ndtri)
UNARY(i0)
UNARY(i0e)
UNARY(i1)
UNARY(i1e)
UNARY(atan)
UNARY(asin)
UNARY(acos)
UNARY(abs)
UNARY(floor)
UNARY(ceil)
UNARY(trunc)
UNARY(round)
UNARY(angle)
TEST(isnan)
TEST(isinf)
TEST(isfinite)
TEST(signbit)
BINARY(pow)
BINARY(atan2)
BINARY(hypot)
BINARY(logaddexp)
BINARY(copysign)
BINARY(minimum)
BINARY(maximum)
BINARY(fmin)
BINARY(fmax)
BINARY(nextafter)
BINARY(trunc_divide)
BINARY(fmod_near)
BINARY(remainder_near)
BINARY(floor_divide_near)
#endif

#if PART == 2
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(sin_near)
UNARY(cos_near)
UNARY(tan_near)
TEST(is_near_pi)
BINARY(fmod)
BINARY(remainder)
BINARY(floor_divide)
BINARY_OF(is_near_quotient, m::is_near_quotient, float32, uint8)
BINARY_OF(is_near_quotient, m::is_near_quotient, float64, uint8)
TERNARY(lerp)
BINARY(zeta)
BINARY(polygamma)
BINARY(igamma)
BINARY(igammac)

INTEGER(BINARY_OF, add)
INTEGER(BINARY_OF, sub)
INTEGER(BINARY_OF, mul)
INTEGER(BINARY_OF, minimum)
INTEGER(BINARY_OF, maximum)
INTEGER(BINARY_OF, trunc_divide)
INTEGER(BINARY_OF, floor_divide)
INTEGER(BINARY_OF, remainder)
INTEGER(BINARY_OF, fmod)
INTEGER(BINARY_OF, pow)
INTEGER(BINARY_OF, left_shift)
INTEGER(BINARY_OF, right_shift)
INTEGER(BINARY_OF, gcd)
INTEGER(BINARY_OF, lcm)
SIGNED(UNARY_OF, neg)
SIGNED(UNARY_OF, abs)

UNARY_OF(to_float, m::to_float, float16, float32)
UNARY_OF(to_float, m::to_float, bfloat16, float32)
UNARY_OF(to_float16, m::to_float16, float32, float16)
UNARY_OF(to_bfloat16, m::to_bfloat16, float32, bfloat16)
extern "C" void convert_float16(const float16* a, float* y, int64 n) { m::convert(a, y, n); }
extern "C" void convert_bfloat16(const bfloat16* a, float* y, int64 n) { m::convert(a, y, n); }
extern "C" void convert_to_float16(const float* a, float16* y, int64 n) { m::convert(a, y, n); }
extern "C" void convert_to_bfloat16(const float* a, bfloat16* y, int64 n) { m::convert(a, y, n); }

#define CAST(from, to)                                                                      \
  extern "C" void cast_##from##_##to(const from* __restrict a, to* __restrict y, int64 n) { \
    for (int64 i = 0; i < n; ++i) y[i] = m::cast<to>(a[i]);                                 \
  }
#define CASTS(from)     \
  CAST(from, bool);     \
  CAST(from, int8);     \
  CAST(from, uint8);    \
  CAST(from, int16);    \
  CAST(from, uint16);   \
  CAST(from, int32);    \
  CAST(from, uint32);   \
  CAST(from, int64);    \
  CAST(from, uint64);   \
  CAST(from, float16);  \
  CAST(from, bfloat16); \
  CAST(from, float32);  \
  CAST(from, float64);  \
  CAST(from, complex64);
CASTS(bool)
CASTS(int8)
CASTS(int64)
CASTS(uint64)
CASTS(float16)
CASTS(bfloat16)
CASTS(float32)
CASTS(float64)
CASTS(complex128)

#if defined(__x86_64__)
extern "C" int cpu_supports_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}
extern "C" int cpu_supports_avx512() {
  return cpu_supports_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif
#endif

#if PART == 3
COMPLEX(exp)
COMPLEX(exp2)
COMPLEX(expm1)
COMPLEX(log)
COMPLEX(log2)
COMPLEX(log10)
COMPLEX(log1p)
COMPLEX(sqrt)
COMPLEX(rsqrt)
COMPLEX(sigmoid)
COMPLEX(reciprocal)
COMPLEX(sgn)
COMPLEX(conj)
COMPLEX(sin)
COMPLEX(cos)
COMPLEX(tan)
COMPLEX(sinh)
COMPLEX(cosh)
COMPLEX(tanh)
COMPLEX(asin)
COMPLEX(acos)
COMPLEX(atan)
COMPLEX(asinh)
COMPLEX(acosh)
COMPLEX(atanh)
UNARY_OF(abs, m::abs, complex64, float32)
UNARY_OF(abs, m::abs, complex128, float64)
UNARY_OF(angle, m::angle, complex64, float32)
UNARY_OF(angle, m::angle, complex128, float64)
BINARY_OF(pow, m::pow, complex64, complex64)
BINARY_OF(pow, m::pow, complex128, complex128)
BINARY_OF(mul, m::operator*, complex64, complex64)
BINARY_OF(mul, m::operator*, complex128, complex128)
BINARY_OF(div, m::operator/, complex64, complex64)
BINARY_OF(div, m::operator/, complex128, complex128)
#endif
