// Numbers as elements of any dtype: `of` stores one, `value` reads it.
#pragma once

#include <cstdint>
#include <limits>

#include "core/random/kernels.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "kernels/math/half.h"

namespace flambeau::inline v1 {

template <class T>
struct Plain {
  using type = T;
  static constexpr int digits = std::numeric_limits<T>::digits;
  template <class V>
  static T of(V value) {
    return static_cast<T>(value);
  }
  static T value(T stored) { return stored; }
};

// A format of 16 bits, stored as those; values pass through float, as they do in PyTorch.
struct Brain {
  using type = uint16_t;
  static constexpr int digits = 8;
  template <class V>
  static uint16_t of(V value) {
    return math::to_bfloat16(static_cast<float>(value)).bits;
  }
  static float value(uint16_t stored) { return math::to_float(math::bfloat16{stored}); }
};

struct Half {
  using type = uint16_t;
  static constexpr int digits = 11;
  template <class V>
  static uint16_t of(V value) {
    return math::to_float16(static_cast<float>(value)).bits;
  }
  static float value(uint16_t stored) { return math::to_float(math::float16{stored}); }
};

inline void store_floats(const float* values, uint16_t* out, int64_t count, Brain) {
  random_kernels().to_bfloat16(values, out, count);
}
inline void store_floats(const float* values, uint16_t* out, int64_t count, Half) {
  random_kernels().to_float16(values, out, count);
}

// visit(Brain() or Half()).
template <class Visit>
void visit_short(const char* op, DType dtype, const Visit& visit) {
  switch (dtype) {
    case DType::bfloat16:
      return visit(Brain());
    case DType::float16:
      return visit(Half());
    default:
      raise<NotImplementedError>(op, ": not implemented for ", dtype_name(dtype),
                                 "; use float32, float64, bfloat16 or float16");
  }
}

// visit(Plain<T>() or Brain() or Half()) for what stores `dtype`.
template <class Visit>
void visit_floating(const char* op, DType dtype, const Visit& visit) {
  switch (dtype) {
    case DType::float32:
      return visit(Plain<float>());
    case DType::float64:
      return visit(Plain<double>());
    default:
      return visit_short(op, dtype, visit);
  }
}

template <class Visit>
void visit_real(const char* op, DType dtype, const Visit& visit) {
  switch (dtype) {
    case DType::boolean:
      return visit(Plain<bool>());
    case DType::uint8:
      return visit(Plain<uint8_t>());
    case DType::int8:
      return visit(Plain<int8_t>());
    case DType::int16:
      return visit(Plain<int16_t>());
    case DType::int32:
      return visit(Plain<int32_t>());
    case DType::int64:
      return visit(Plain<int64_t>());
    case DType::uint16:
      return visit(Plain<uint16_t>());
    case DType::uint32:
      return visit(Plain<uint32_t>());
    case DType::uint64:
      return visit(Plain<uint64_t>());
    case DType::float32:
    case DType::float64:
    case DType::bfloat16:
    case DType::float16:
      return visit_floating(op, dtype, visit);
    default:
      raise<NotImplementedError>(op, ": not implemented for ", dtype_name(dtype),
                                 "; use a real dtype");
  }
}

}  // namespace flambeau::inline v1
