// The instruction sets that kernels are compiled for, and the one this process uses.
#pragma once

namespace flambeau::inline v1 {

enum class Isa : int { baseline = 0, avx2 = 1, avx512 = 2 };

// Chosen once, from what the processor and the system offer (never from the vendor).
// FLAMBEAU_ISA=baseline|avx2|avx512 lowers the choice. A value that is not one of these, or that
// asks for more than this machine has, is a std::runtime_error on every call.
Isa isa();
const char* isa_name(Isa isa);
// The one of three, compiled for each set, that belongs to the set in use.
template <class T>
const T& of_isa(const T& baseline, const T& avx2, const T& avx512) {
  const T* const all[] = {&baseline, &avx2, &avx512};
  return *all[static_cast<int>(isa())];
}
// Features that only some avx512 processors have; false whenever isa() is below avx512.
bool has_avx512_bf16();
bool has_avx512_vnni();

}  // namespace flambeau::inline v1
