// Element types. The numbers are ATen's, so that files and other libraries agree on them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::inline v1 {

enum class DType : int8_t {
  uint8 = 0,
  int8 = 1,
  int16 = 2,
  int32 = 3,
  int64 = 4,
  float16 = 5,
  float32 = 6,
  float64 = 7,
  complex32 = 8,
  complex64 = 9,
  complex128 = 10,
  boolean = 11,
  qint8 = 12,
  quint8 = 13,
  qint32 = 14,
  bfloat16 = 15,
  quint4x2 = 16,
  quint2x4 = 17,
  bits1x8 = 18,
  bits2x4 = 19,
  bits4x2 = 20,
  bits8 = 21,
  bits16 = 22,
  float8_e5m2 = 23,
  float8_e4m3fn = 24,
  float8_e5m2fnuz = 25,
  float8_e4m3fnuz = 26,
  uint16 = 27,
  uint32 = 28,
  uint64 = 29,
};
constexpr int kDTypes = 30;

struct DTypeInfo {
  const char* name;                             // as in torch.float32
  int8_t size;                                  // bytes per element
  bool floating, complex, integral, is_signed;  // integral: bool excluded
  bool usable;                                  // has arithmetic here; else a row for interchange
};

inline constexpr DTypeInfo kDTypeInfo[kDTypes] = {
    // name, size, floating, complex, integral, signed, usable
    {"uint8", 1, false, false, true, false, true},
    {"int8", 1, false, false, true, true, true},
    {"int16", 2, false, false, true, true, true},
    {"int32", 4, false, false, true, true, true},
    {"int64", 8, false, false, true, true, true},
    {"float16", 2, true, false, false, true, true},
    {"float32", 4, true, false, false, true, true},
    {"float64", 8, true, false, false, true, true},
    {"complex32", 4, false, true, false, true, false},
    {"complex64", 8, false, true, false, true, true},
    {"complex128", 16, false, true, false, true, true},
    {"bool", 1, false, false, false, false, true},
    {"qint8", 1, false, false, false, true, false},
    {"quint8", 1, false, false, false, false, false},
    {"qint32", 4, false, false, false, true, false},
    {"bfloat16", 2, true, false, false, true, true},
    {"quint4x2", 1, false, false, false, false, false},
    {"quint2x4", 1, false, false, false, false, false},
    {"bits1x8", 1, false, false, false, false, false},
    {"bits2x4", 1, false, false, false, false, false},
    {"bits4x2", 1, false, false, false, false, false},
    {"bits8", 1, false, false, false, false, false},
    {"bits16", 2, false, false, false, false, false},
    {"float8_e5m2", 1, true, false, false, true, false},
    {"float8_e4m3fn", 1, true, false, false, true, false},
    {"float8_e5m2fnuz", 1, true, false, false, true, false},
    {"float8_e4m3fnuz", 1, true, false, false, true, false},
    {"uint16", 2, false, false, true, false, true},
    {"uint32", 4, false, false, true, false, true},
    {"uint64", 8, false, false, true, false, true},
};
inline const DTypeInfo& info(DType dtype) { return kDTypeInfo[static_cast<int>(dtype)]; }
inline size_t itemsize(DType dtype) { return static_cast<size_t>(info(dtype).size); }
inline const char* dtype_name(DType dtype) { return info(dtype).name; }
inline bool is_floating(DType dtype) { return info(dtype).floating; }
inline bool is_complex(DType dtype) { return info(dtype).complex; }
inline bool is_integral(DType dtype, bool include_bool) {
  return info(dtype).integral || (include_bool && dtype == DType::boolean);
}
inline bool is_differentiable(DType dtype) { return is_floating(dtype) || is_complex(dtype); }

DType promote(DType a, DType b);      // PyTorch's promotion lattice
bool can_cast(DType from, DType to);  // torch.can_cast: never drops the kind of number
DType to_complex(DType real);         // float32 -> complex64
DType to_real(DType dtype);           // complex64 -> float32, others unchanged

}  // namespace flambeau::inline v1
