#include "core/parallel/isa.h"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace flambeau::inline v1 {
namespace {

struct Features {
  Isa best = Isa::baseline;
  bool avx512_bf16 = false;
  bool avx512_vnni = false;
};

#if defined(__x86_64__)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool all(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

// The register states that the operating system saves on a context switch. A processor may have
// AVX-512 where the system (or its hypervisor) does not keep the registers.
uint32_t saved_states() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

Features detect() {
  constexpr uint32_t ymm_saved = 0x6, zmm_saved = 0xe6;
  constexpr uint32_t v3_of_leaf_1 = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
  constexpr uint32_t v3_of_leaf_7 = bit_AVX2 | bit_BMI | bit_BMI2;
  constexpr uint32_t v4_of_leaf_7 =
      bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;

  Features found;
  const Registers leaf_1 = cpuid(1), leaf_7 = cpuid(7), extended = cpuid(0x80000001);
  if (!all(leaf_1.ecx, v3_of_leaf_1) || !all(leaf_7.ebx, v3_of_leaf_7) ||
      !all(extended.ecx, bit_LZCNT) || !all(saved_states(), ymm_saved)) {
    return found;
  }
  found.best = Isa::avx2;
  if (!all(leaf_7.ebx, v4_of_leaf_7) || !all(saved_states(), zmm_saved)) return found;
  found.best = Isa::avx512;
  found.avx512_vnni = all(leaf_7.ecx, bit_AVX512VNNI);
  found.avx512_bf16 = all(cpuid(7, 1).eax, bit_AVX512BF16);
  return found;
}

#else

Features detect() { return {}; }

#endif

constexpr Isa kAll[] = {Isa::baseline, Isa::avx2, Isa::avx512};

Features choose() {
  Features features = detect();
  const char* wanted = std::getenv("FLAMBEAU_ISA");
  if (wanted == nullptr || *wanted == '\0') return features;
  for (Isa candidate : kAll) {
    if (isa_name(candidate) != std::string(wanted)) continue;
    if (candidate > features.best) {
      throw std::runtime_error(std::string("FLAMBEAU_ISA=") + wanted +
                               ": this machine offers no more than " + isa_name(features.best) +
                               "; unset the variable or name a lower instruction set");
    }
    if (candidate != Isa::avx512) features.avx512_bf16 = features.avx512_vnni = false;
    features.best = candidate;
    return features;
  }
  throw std::runtime_error(std::string("FLAMBEAU_ISA=") + wanted +
                           ": no such instruction set; expected baseline, avx2 or avx512");
}

const Features& chosen() {
  static const Features features = choose();
  return features;
}

}  // namespace

Isa isa() { return chosen().best; }

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "unknown";
}

bool has_avx512_bf16() { return chosen().avx512_bf16; }
bool has_avx512_vnni() { return chosen().avx512_vnni; }

}  // namespace flambeau::inline v1
