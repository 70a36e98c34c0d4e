#include "core/parallel/isa.h"
#include "kernels/cpu/optim/optim_kernels.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const OptimizerKernels optimizer_rows;
}
namespace avx2 {
extern const OptimizerKernels optimizer_rows;
}
namespace avx512 {
extern const OptimizerKernels optimizer_rows;
}

const OptimizerKernels& optimizer_kernels() {
  static const OptimizerKernels& chosen =
      of_isa(baseline::optimizer_rows, avx2::optimizer_rows, avx512::optimizer_rows);
  return chosen;
}

}  // namespace flambeau::inline v1::cpu
