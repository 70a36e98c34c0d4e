// A number as one element of a tensor's memory, with the casts of the loops.
#include <complex>
#include <cstring>

#include "core/tensor/error.h"
#include "core/tensor/scalar.h"
#include "kernels/math/cast.h"

namespace flambeau::inline v1 {
namespace {
template <class T>
void put(void* dst, T v) {
  __builtin_memcpy(dst, &v, sizeof v);
}
template <class T>
T get(const void* src) {
  T v;
  __builtin_memcpy(&v, src, sizeof v);
  return v;
}
}  // namespace

void Scalar::store(void* dst, DType dtype) const {
  const std::complex<double> c = to_complex();
  switch (dtype) {
    case DType::boolean:
      return put<uint8_t>(dst, to_bool());
    case DType::uint8:
      return put(dst, static_cast<uint8_t>(to_int()));
    case DType::int8:
      return put(dst, static_cast<int8_t>(to_int()));
    case DType::int16:
      return put(dst, static_cast<int16_t>(to_int()));
    case DType::uint16:
      return put(dst, static_cast<uint16_t>(to_int()));
    case DType::int32:
      return put(dst, static_cast<int32_t>(to_int()));
    case DType::uint32:
      return put(dst, static_cast<uint32_t>(to_int()));
    case DType::int64:
    case DType::uint64:
      return put(dst, to_int());
    case DType::float16:
      return put(dst, math::cast<math::float16>(static_cast<float>(c.real())));
    case DType::bfloat16:
      return put(dst, math::cast<math::bfloat16>(static_cast<float>(c.real())));
    case DType::float32:
      return put(dst, static_cast<float>(c.real()));
    case DType::float64:
      return put(dst, c.real());
    case DType::complex64:
      return put(dst, std::complex<float>(c));
    case DType::complex128:
      return put(dst, c);
    default:
      check<NotImplementedError>(c == 0.0, "a number cannot be stored as ", dtype_name(dtype));
      std::memset(dst, 0, itemsize(dtype));  // of 0 all bits are
  }
}

Scalar Scalar::load(const void* src, DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return get<uint8_t>(src) != 0;
    case DType::uint8:
      return int64_t{get<uint8_t>(src)};
    case DType::int8:
      return int64_t{get<int8_t>(src)};
    case DType::int16:
      return int64_t{get<int16_t>(src)};
    case DType::uint16:
      return int64_t{get<uint16_t>(src)};
    case DType::int32:
      return int64_t{get<int32_t>(src)};
    case DType::uint32:
      return int64_t{get<uint32_t>(src)};
    case DType::int64:
      return get<int64_t>(src);
    case DType::uint64:
      return get<uint64_t>(src);
    case DType::float16:
      return static_cast<double>(math::cast<float>(get<math::float16>(src)));
    case DType::bfloat16:
      return static_cast<double>(math::cast<float>(get<math::bfloat16>(src)));
    case DType::float32:
      return static_cast<double>(get<float>(src));
    case DType::float64:
      return get<double>(src);
    case DType::complex64:
      return std::complex<double>(get<std::complex<float>>(src));
    case DType::complex128:
      return get<std::complex<double>>(src);
    default:
      raise<NotImplementedError>("a number cannot be read from ", dtype_name(dtype));
  }
}

}  // namespace flambeau::inline v1
