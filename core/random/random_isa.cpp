#include "core/random/kernels.h"
#include "kernels/math/half.h"
#include "kernels/math/log.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// ---- the twister

constexpr int kMiddle = 397, kWords = kMt19937Words;

inline uint32_t twist(uint32_t high, uint32_t low) {
  const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
  return (mixed >> 1) ^ ((0u - (low & 1u)) & 0x9908b0dfu);
}

void refill(uint32_t* state) {
  for (int i = 0; i < kWords - kMiddle; ++i) {
    state[i] = state[i + kMiddle] ^ twist(state[i], state[i + 1]);
  }
  for (int i = kWords - kMiddle; i < kWords - 1; ++i) {
    state[i] = state[i + kMiddle - kWords] ^ twist(state[i], state[i + 1]);
  }
  state[kWords - 1] = state[kMiddle - 1] ^ twist(state[kWords - 1], state[0]);
}

void temper(const uint32_t* __restrict state, uint32_t* __restrict words, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    words[i] = y ^ (y >> 18);
  }
}

// ---- uniform

// a * b + c with one rounding. Without the instruction, a float's product is exact in double, so
// that only the sum is rounded twice, which changes the result once in some 2^29 cases.
inline float fused(float a, float b, float c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
#endif
}

inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

inline float unit(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word & 0xffffffu)) * 0x1p-24f;
}

inline int64_t low_53_bits(uint32_t high, uint32_t low) {
  return static_cast<int64_t>((static_cast<uint64_t>(high) << 32 | low) & ((1ull << 53) - 1));
}

// An integer of up to 53 bits, converted half by half: instruction sets without a conversion of
// 64-bit integers have one for 32-bit ones, and each step is exact.
inline double unit(uint32_t high, uint32_t low) {
  const double upper = static_cast<double>(static_cast<int32_t>(high & 0x1fffffu));
  const double lower = static_cast<double>(static_cast<int32_t>(low ^ 0x80000000u)) + 0x1p31;
  return upper * 0x1p-21 + lower * 0x1p-53;
}

void uniform_float(const uint32_t* __restrict words, float* __restrict out, int64_t count,
                   float from, float to) {
  const float range = to - from;
  for (int64_t i = 0; i < count; ++i) {
    const float value = fused(unit(words[i]), range, from);
    out[i] = value == to ? from : value;
  }
}

void uniform_double(const uint32_t* __restrict words, double* __restrict out, int64_t count,
                    double from, double to) {
  const double range = to - from;
  for (int64_t i = 0; i < count; ++i) {
    const double value = fused(unit(words[2 * i], words[2 * i + 1]), range, from);
    out[i] = value == to ? from : value;
  }
}

void bernoulli(const uint32_t* __restrict words, uint8_t* __restrict out, int64_t count,
               uint64_t threshold) {
  const auto bound = static_cast<int64_t>(threshold);
  for (int64_t i = 0; i < count; ++i) {
    out[i] = low_53_bits(words[2 * i], words[2 * i + 1]) < bound;
  }
}

// Computed in double; what is stored is shorter, so that the last bits of log1p do not show.
void exponential(const uint32_t* __restrict words, float* __restrict out, int64_t count,
                 double lambda) {
  const double scale = -1.0 / lambda;
  for (int64_t i = 0; i < count; ++i) {
    const auto x = static_cast<float>(scale * math::log1p(-unit(words[2 * i], words[2 * i + 1])));
    out[i] = x > 0 ? x : 0x1p-149f;  // rounding reaches 0, which the distribution does not
  }
}

template <class T>
inline void spread_as(const uint8_t* __restrict hits, void* dst, int64_t count, uint64_t one) {
  T* __restrict out = static_cast<T*>(dst);
  const T bits = static_cast<T>(one);
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<T>((T{0} - static_cast<T>(hits[i])) & bits);
  }
}

void spread(const uint8_t* hits, void* out, int64_t count, int itemsize, uint64_t one) {
  switch (itemsize) {
    case 1:
      return spread_as<uint8_t>(hits, out, count, one);
    case 2:
      return spread_as<uint16_t>(hits, out, count, one);
    case 4:
      return spread_as<uint32_t>(hits, out, count, one);
    default:
      return spread_as<uint64_t>(hits, out, count, one);
  }
}

void to_bfloat16(const float* __restrict values, uint16_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = math::to_bfloat16(values[i]).bits;
}

void to_float16(const float* __restrict values, uint16_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = math::to_float16(values[i]).bits;
}

// ---- normal
//
// Note [Normal numbers]
// A group of 16 uniform numbers becomes 16 normal ones by the Box-Muller transform: number j and
// number j + 8 are the radius' and the angle's. The logarithm, sine and cosine are those of Cephes'
// single precision library (S. Moshier), with the products and sums fused as a compiler fuses
// them that may: this is how PyTorch computes them with AVX2, to the bit.

constexpr int kGroup = 16, kPairs = kGroup / 2;
constexpr int kTile = 512;  // numbers; what is computed on the way stays in the first-level cache

inline float horner(float, float sum) { return sum; }
template <class... More>
inline float horner(float x, float sum, float next, More... more) {
  return horner(x, fused(sum, x, next), more...);
}

// Of 2^-24 <= x <= 1.
inline float log_of_unit(float x) {
  const auto bits = __builtin_bit_cast(int32_t, x);
  float mantissa = __builtin_bit_cast(float, (bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  float exponent = static_cast<float>((bits >> 23) - 126);
  const bool low = mantissa < 0.707106781186547524f;
  exponent -= low ? 1.0f : 0.0f;
  const float f = (mantissa - 1.0f) + (low ? mantissa : 0.0f);
  const float square = f * f;
  float y = horner(f, 7.0376836292E-2f, -1.1514610310E-1f, 1.1676998740E-1f, -1.2420140846E-1f,
                   1.4249322787E-1f, -1.6668057665E-1f, 2.0000714765E-1f, -2.4999993993E-1f,
                   3.3333331174E-1f) *
            f;
  y = fused(y, square, exponent * -2.12194440e-4f);
  y = fused(square, -0.5f, y);
  return fused(exponent, 0.693359375f, f + y);
}

struct Circle {
  float sine, cosine;
};

// Of 0 <= angle <= 2 pi.
inline Circle circle(float angle) {
  const int32_t octant = (static_cast<int32_t>(angle * 1.27323954473516f) + 1) & ~1;
  const auto n = static_cast<float>(octant);
  float x = fused(n, -0.78515625f, angle);
  x = fused(n, -2.4187564849853515625e-4f, x);
  x = fused(n, -3.77489497744594108e-8f, x);
  const float square = x * x;
  const float c =
      horner(square, 2.443315711809948E-005f, -1.388731625493765E-003f, 4.166664568298827E-002f) *
      square;
  const float cosine = fused(c, square, square * -0.5f) + 1.0f;
  const float s = horner(square, -1.9515295891E-4f, 8.3321608736E-3f, -1.6666654611E-1f) * square;
  const float sine = fused(s, x, x);

  const bool swapped = (octant & 2) != 0;
  const auto sine_bits = __builtin_bit_cast(uint32_t, swapped ? cosine : sine);
  const auto cosine_bits = __builtin_bit_cast(uint32_t, swapped ? sine : cosine);
  const uint32_t sine_sign = static_cast<uint32_t>(octant & 4) << 29;
  const uint32_t cosine_sign = static_cast<uint32_t>(~(octant - 2) & 4) << 29;
  return {__builtin_bit_cast(float, sine_bits ^ sine_sign),
          __builtin_bit_cast(float, cosine_bits ^ cosine_sign)};
}

void normal_tile(const uint32_t* __restrict words, float* __restrict out, int groups, float mean,
                 float std) {
  float radius[kTile / 2], angle[kTile / 2], first[kTile / 2], second[kTile / 2];
  for (int g = 0; g < groups; ++g) {
    for (int j = 0; j < kPairs; ++j) {
      radius[g * kPairs + j] = 1.0f - unit(words[g * kGroup + j]);
      angle[g * kPairs + j] = 6.283185307179586f * unit(words[g * kGroup + kPairs + j]);
    }
  }
  for (int i = 0; i < groups * kPairs; ++i) {
    const float r = __builtin_sqrtf(-2.0f * log_of_unit(radius[i]));
    const Circle point = circle(angle[i]);
    first[i] = fused(r * point.cosine, std, mean);
    second[i] = fused(r * point.sine, std, mean);
  }
  for (int g = 0; g < groups; ++g) {
    for (int j = 0; j < kPairs; ++j) {
      out[g * kGroup + j] = first[g * kPairs + j];
      out[g * kGroup + kPairs + j] = second[g * kPairs + j];
    }
  }
}

void normal_float(const uint32_t* words, float* out, int64_t count, float mean, float std) {
  for (; count > 0; count -= kTile, words += kTile, out += kTile) {
    const int64_t groups = (count < kTile ? count : kTile) / kGroup;
    normal_tile(words, out, static_cast<int>(groups), mean, std);
  }
}

}  // namespace

extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {
    refill,      temper,    uniform_float, uniform_double, normal_float,
    exponential, bernoulli, spread,        to_bfloat16,    to_float16,
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
