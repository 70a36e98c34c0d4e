#include "core/tensor/dtype.h"

#include <array>

#include "core/tensor/error.h"
#include "core/tensor/scalar.h"

namespace flambeau::inline v1 {
namespace {

DType promote_integers(DType a, DType b) {
  const DTypeInfo &ia = info(a), &ib = info(b);
  if (ia.is_signed == ib.is_signed) return ia.size >= ib.size ? a : b;
  const DTypeInfo& u = ia.is_signed ? ib : ia;
  const DTypeInfo& s = ia.is_signed ? ia : ib;
  const DType signed_type = ia.is_signed ? a : b;
  if (s.size > u.size) return signed_type;
  // PyTorch joins uint8 with the signed types only; the wide unsigned types go one up here.
  switch (u.size) {
    case 1:
      return DType::int16;
    case 2:
      return DType::int32;
    case 4:
      return DType::int64;
    default:
      return DType::float32;
  }
}

DType promote_floats(DType a, DType b) {
  if (itemsize(a) == itemsize(b)) return DType::float32;  // float16 with bfloat16
  return itemsize(a) > itemsize(b) ? a : b;
}

}  // namespace

DType to_complex(DType real) {
  switch (real) {
    case DType::float16:
      return DType::complex32;
    case DType::float64:
      return DType::complex128;
    case DType::complex32:
    case DType::complex64:
    case DType::complex128:
      return real;
    default:
      return DType::complex64;
  }
}

DType to_real(DType dtype) {
  switch (dtype) {
    case DType::complex32:
      return DType::float16;
    case DType::complex64:
      return DType::float32;
    case DType::complex128:
      return DType::float64;
    default:
      return dtype;
  }
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (!info(a).usable || !info(b).usable)
    raise("Promotion for ", dtype_name(a), " and ", dtype_name(b),
          " is not defined: convert one of them with .to()");
  if (a == DType::boolean) return b;
  if (b == DType::boolean) return a;
  const bool ca = is_complex(a), cb = is_complex(b);
  if (ca || cb) {
    const DType ra = to_real(a), rb = to_real(b);
    const bool fa = ca || is_floating(a), fb = cb || is_floating(b);
    if (!fa || !fb) return to_complex(fa ? ra : rb);
    return to_complex(ra == rb ? ra : promote_floats(ra, rb));
  }
  const bool fa = is_floating(a), fb = is_floating(b);
  if (fa && fb) return promote_floats(a, b);
  if (fa || fb) return fa ? a : b;
  return promote_integers(a, b);
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to, false)) return false;
  if (from != DType::boolean && to == DType::boolean) return false;
  return true;
}

// ---- Scalar

int64_t Scalar::to_int() const {
  if (kind_ == Kind::floating || kind_ == Kind::complex) {
    const double d = v_.c[0];
    if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0)) return INT64_MIN;
    return static_cast<int64_t>(d);
  }
  return v_.i;
}

bool Scalar::to_bool() const {
  if (kind_ == Kind::complex) return v_.c[0] != 0 || v_.c[1] != 0;
  return kind_ == Kind::floating ? v_.c[0] != 0 : v_.i != 0;
}

DType Scalar::natural_dtype() const {
  switch (kind_) {
    case Kind::boolean:
      return DType::boolean;
    case Kind::integer:
      return DType::int64;
    case Kind::unsigned_integer:
      return DType::uint64;
    case Kind::floating:
      return DType::float64;
    case Kind::complex:
      return DType::complex128;
  }
  return DType::float64;
}

}  // namespace flambeau::inline v1
