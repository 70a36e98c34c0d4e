// The table of one instruction set; compiled once per set.
#include "kernels/cpu/matmul/gemm/block.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

extern const GemmTable gemm_table;
const GemmTable gemm_table = {{
    real_kernels<RealMath<float>, float, float>(),
    real_kernels<RealMath<double>, double, double>(),
    complex_kernels<float>(),
    complex_kernels<double>(),
    real_kernels<RealMath<float>, BFloat16, BFloat16>(),
    real_kernels<RealMath<float>, BFloat16, float>(),
    real_kernels<RealMath<float>, Float16, Float16>(),
    real_kernels<RealMath<float>, Float16, float>(),
}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
