#include "core/random/kernels.h"

#include "core/parallel/isa.h"

namespace flambeau {

const RandomKernels& random_kernels() {
  static const RandomKernels& chosen = isa() == Isa::avx512 ? cpu::avx512::random_kernels
                                       : isa() == Isa::avx2 ? cpu::avx2::random_kernels
                                                            : cpu::baseline::random_kernels;
  return chosen;
}

}  // namespace flambeau
