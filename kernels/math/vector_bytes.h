// The width of the vectors of the instruction set that a file is compiled for.
#pragma once

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
