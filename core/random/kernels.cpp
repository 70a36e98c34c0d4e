#include "core/random/kernels.h"

#include "core/parallel/isa.h"

namespace flambeau::inline v1 {

const RandomKernels& random_kernels() {
  static const RandomKernels& chosen =
      of_isa(cpu::baseline::random_kernels, cpu::avx2::random_kernels, cpu::avx512::random_kernels);
  return chosen;
}

}  // namespace flambeau::inline v1
