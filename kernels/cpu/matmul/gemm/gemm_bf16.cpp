// bfloat16 products with vdpbf16ps; compiled for avx512 with -mavx512bf16 alone.
#include "kernels/cpu/matmul/gemm/block.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

// A unit is a pair: each lane gains a0 b0 + a1 b1.
struct PairMath {
  using Unit = uint32_t;
  using Acc = float;
  template <class S>
  using Operand = PairSource;
  static constexpr int kPerUnit = 2;
  static Vec<float> multiply_add(Vec<uint32_t> a, Vec<uint32_t> b, Vec<float> c) {
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
  }
};

extern const GemmKernels gemm_bf16, gemm_bf16_f32;
const GemmKernels gemm_bf16 = real_kernels<PairMath, BFloat16, BFloat16>();
const GemmKernels gemm_bf16_f32 = real_kernels<PairMath, BFloat16, float>();

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
