// One number of any kind, as Python passes it.
#pragma once

#include <complex>
#include <cstdint>

#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

class Scalar {
 public:
  enum class Kind : uint8_t { boolean, integer, unsigned_integer, floating, complex };

  constexpr Scalar() : Scalar(int64_t{0}) {}
  constexpr Scalar(bool v) : v_{.i = v}, kind_(Kind::boolean) {}
  constexpr Scalar(int v) : Scalar(static_cast<int64_t>(v)) {}
  constexpr Scalar(long v) : v_{.i = v}, kind_(Kind::integer) {}
  constexpr Scalar(long long v) : v_{.i = v}, kind_(Kind::integer) {}
  Scalar(uint64_t v) : kind_(v >> 63 ? Kind::unsigned_integer : Kind::integer) {
    v_.i = static_cast<int64_t>(v);
  }
  constexpr Scalar(double v) : v_{.c = {v, 0}}, kind_(Kind::floating) {}
  Scalar(std::complex<double> v) : kind_(Kind::complex) {
    v_.c[0] = v.real();
    v_.c[1] = v.imag();
  }

  Kind kind() const { return kind_; }
  bool is_boolean() const { return kind_ == Kind::boolean; }
  bool is_integral(bool include_bool) const {
    return kind_ == Kind::integer || kind_ == Kind::unsigned_integer ||
           (include_bool && kind_ == Kind::boolean);
  }
  bool is_floating() const { return kind_ == Kind::floating; }
  bool is_complex() const { return kind_ == Kind::complex; }

  int64_t to_int() const;  // truncates; what the caller must check, it checks
  double to_double() const {
    if (kind_ == Kind::floating || kind_ == Kind::complex) return v_.c[0];
    return kind_ == Kind::unsigned_integer ? static_cast<double>(static_cast<uint64_t>(v_.i))
                                           : static_cast<double>(v_.i);
  }
  std::complex<double> to_complex() const {
    return {to_double(), kind_ == Kind::complex ? v_.c[1] : 0.0};
  }
  bool to_bool() const;
  DType natural_dtype() const;  // bool, int64, float64 or complex128
  // Writes the value as one element of `dtype`. Both are defined in kernels/cpu/pointwise.
  void store(void* dst, DType dtype) const;
  static Scalar load(const void* src, DType dtype);
  bool equal(double v) const { return !is_complex() && to_double() == v; }

 private:
  union {
    int64_t i;
    double c[2];
  } v_;
  Kind kind_;
};

}  // namespace flambeau::inline v1
