#include "kernels/cpu/pointwise/convert.h"

#include "core/parallel/isa.h"
#include "core/tensor/error.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

const ConvertKernels& convert_kernels() {
  static const ConvertKernels& chosen =
      of_isa(baseline::convert_kernels, avx2::convert_kernels, avx512::convert_kernels);
  return chosen;
}

ConvertLoop convert_loop(DType from, DType to) {
  const int f = kStoredIndex[static_cast<int>(from)], t = kStoredIndex[static_cast<int>(to)];
  if (f < 0 || t < 0) [[unlikely]]
    raise<NotImplementedError>("elements of ", dtype_name(from), " cannot be converted to ",
                               dtype_name(to));
  return convert_kernels().convert[f][t];
}

void convert(DType to, void* dst, DType from, const void* src, int64_t n) {
  convert_loop(from, to)(src, dst, n);
}

}  // namespace flambeau::inline v1::cpu
