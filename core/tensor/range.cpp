#include "core/tensor/range.h"

#include <cmath>
#include <limits>

#include "core/tensor/error.h"

namespace flambeau::inline v1 {
namespace {

int bits_of(DType dtype) { return static_cast<int>(8 * itemsize(dtype)); }

bool fits_integer(const Scalar& value, DType dtype) {
  const int bits = bits_of(dtype);
  const bool is_signed = info(dtype).is_signed;
  const double limit = std::ldexp(1.0, is_signed ? bits - 1 : bits);
  if (value.is_floating() || value.is_complex()) {
    const double v = std::trunc(value.to_double());
    return v < limit && (is_signed ? v >= -limit : v > -limit);
  }
  if (value.kind() == Scalar::Kind::unsigned_integer) return dtype == DType::uint64;
  if (bits == 64) return true;
  const int64_t v = value.to_int(), most = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
  return v <= most && v >= (is_signed ? -most - 1 : -most);
}

bool fits_floating(double v, DType dtype) {
  if (!std::isfinite(v) || dtype == DType::float64) return true;
  const double most = dtype == DType::float16    ? 65504.0
                      : dtype == DType::bfloat16 ? 0x1.fep127
                                                 : std::numeric_limits<float>::max();
  return v >= -most && v <= most;
}

}  // namespace

bool fits(const Scalar& value, DType dtype) {
  if (dtype == DType::boolean) return true;
  const std::complex<double> z = value.to_complex();
  if (is_complex(dtype)) {
    const DType real = to_real(dtype);
    return fits_floating(z.real(), real) && fits_floating(z.imag(), real);
  }
  if (value.is_complex() && z.imag() != 0) return false;
  if (is_floating(dtype)) return fits_floating(z.real(), dtype);
  return !is_integral(dtype, false) || fits_integer(value, dtype);
}

void check_fits(const char* op, const Scalar& value, DType dtype) {
  check<NotImplementedError>(info(dtype).usable || value.to_complex() == 0.0, op,
                             ": a number cannot be stored as ", dtype_name(dtype));
  check(fits(value, dtype), op, ": value cannot be converted to type ", dtype_name(dtype),
        " without overflow");
}

int64_t steps_between(const char* op, int64_t start, int64_t end, int64_t step) {
  if (int64_t span; !__builtin_sub_overflow(end, start, &span) && span != INT64_MIN)
    return span / step + (span % step != 0 && (span < 0) == (step < 0) ? 1 : 0);
  const __int128 span = static_cast<__int128>(end) - start;
  const __int128 n = span / step + (span % step != 0 && (span < 0) == (step < 0) ? 1 : 0);
  check(n <= INT64_MAX, op, ": invalid size, possible overflow?");
  return static_cast<int64_t>(n);
}

void check_sequence(const char* op, const Scalar& start, const Scalar& step, int64_t n,
                    DType dtype) {
  check_fits(op, start, dtype);
  const auto last =
      static_cast<__int128>(start.to_int()) + static_cast<__int128>(n - 1) * step.to_int();
  check(last >= INT64_MIN && last <= INT64_MAX && fits(Scalar(static_cast<int64_t>(last)), dtype),
        op, ": the last of ", n, " values cannot be converted to type ", dtype_name(dtype),
        " without overflow");
}

int beyond(const Scalar& value, DType dtype) {
  const int bits = bits_of(dtype);
  const bool is_signed = info(dtype).is_signed;
  if (value.kind() == Scalar::Kind::unsigned_integer) return dtype == DType::uint64 ? 0 : 1;
  const int64_t v = value.to_int();
  if (!is_signed && v < 0) return -1;
  if (bits == 64) return 0;
  const int64_t most = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
  return v > most ? 1 : v < -most - 1 ? -1 : 0;
}

}  // namespace flambeau::inline v1
