// What a printed loop is and which there are: all that files of one instruction set know of
// pointwise ops. No tensors here, so that an edit of theirs compiles no kernel again.
#pragma once

#include <cstdint>

#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

// The types in which formulas are computed. Storage types map onto them: float16 and bfloat16 to
// f32; (u)int8, (u)int16 to i32; uint32 to i64; bool to b8 where the formula has a b8 loop, else
// i32. Formulas of a few instructions have loops over the small types themselves, from i8 on, with
// the same bits: they would pass their time with conversions.
enum class Compute : uint8_t {
  f32,
  f64,
  i32,
  i64,
  u64,
  b8,
  c64,
  c128,
  i8,
  u8,
  i16,
  bf16,
  f16,
  count
};
constexpr int kComputes = static_cast<int>(Compute::count);

// Elements that a loop takes at a time: a cache line of its smallest operand, complex numbers
// counted by their parts.
constexpr int64_t kMostBlock = 64;
constexpr int64_t block_of(size_t smallest) { return kMostBlock / static_cast<int64_t>(smallest); }

// A contiguous loop over the whole blocks in n: ptrs holds the outputs, then the inputs; params are
// of the compute type. Loops of short formulas take what is left over too. See run_loop().
using Loop = void (*)(char* const* ptrs, int64_t n, const void* params);

// Of short formulas over real numbers, inputs may be one element for all, in the type of the
// parameters: then n says which, by a bit each above the count. What there are loops for: one of
// two or of the last two of three, or both of these.
constexpr int kCountBits = 56;
constexpr bool takes_constants(unsigned which, size_t inputs) {
  return inputs == 2 ? which == 1 || which == 2 : inputs == 3 && which % 2 == 0 && which < 8;
}
constexpr int64_t with_constants(int64_t n, unsigned which) {
  return n | static_cast<int64_t>(which) << kCountBits;
}
constexpr unsigned constants_of(int64_t n) { return static_cast<unsigned>(n >> kCountBits); }
constexpr int64_t count_of(int64_t n) { return n & ((int64_t{1} << kCountBits) - 1); }

struct LoopSet {
  Loop by[kComputes];  // nullptr: the formula is not defined there
  bool is_short;
  bool takes_any_length(Compute compute) const {
    return is_short && compute != Compute::c64 && compute != Compute::c128;
  }
};

// Of each operand, outputs first: the compute type itself, a bool byte, or the real type of a
// complex compute type.
enum class Operand : uint8_t { value, boolean, real };

struct PointwiseKernel {
  const LoopSet* const* sets;  // by Isa
  uint8_t outputs, inputs;
  Operand operands[8];
};

}  // namespace flambeau::inline v1
