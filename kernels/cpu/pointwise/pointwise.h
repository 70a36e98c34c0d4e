// The driver of all pointwise ops: one strided, broadcasting, casting loop over tiles.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau {

// The types in which formulas are computed. Storage types map onto them: float16 and bfloat16 to
// f32; (u)int8, (u)int16 to i32; uint32 to i64; bool to b8 where the formula has a b8 loop, else
// i32.
enum class Compute : uint8_t { f32, f64, i32, i64, u64, b8, c64, c128, count };
constexpr int kComputes = static_cast<int>(Compute::count);

// Elements that a loop takes at a time: a cache line of its smallest operand, complex numbers
// counted by their parts.
constexpr int64_t kMostBlock = 64;
constexpr int64_t block_of(size_t smallest) { return kMostBlock / static_cast<int64_t>(smallest); }

// A contiguous loop over the whole blocks in n: ptrs holds the outputs, then the inputs; params are
// of the compute type. Loops of short formulas take what is left over too. See run_loop().
using Loop = void (*)(char* const* ptrs, int64_t n, const void* params);
struct LoopSet {
  Loop by[kComputes];  // nullptr: the formula is not defined there
  bool is_short;
  bool takes_any_length(Compute compute) const { return is_short && compute < Compute::c64; }
};

// Of each operand, outputs first: the compute type itself, a bool byte, or the real type of a
// complex compute type.
enum class Operand : uint8_t { value, boolean, real };

struct PointwiseKernel {
  const LoopSet* const* sets;  // by Isa
  uint8_t outputs, inputs;
  Operand operands[8];
};

// How dtypes follow from the inputs; static data of a record.
struct PointwiseRule {
  enum class Promote : uint8_t {
    none,      // inputs keep their own dtypes; the compute type is the first value operand's
    common,    // all value inputs promote
    floating,  // ... and integers become the default dtype
  };
  enum class Result : uint8_t {
    common,
    boolean,
    real,
  };
  Promote promote = Promote::common;
  Result result = Result::common;
  uint32_t dtypes = ~0u;  // allowed common dtypes, bit per DType
  bool complex_to_real = false;
  // Why booleans are refused, as the message begins: "Negation, the `-` operator, on".
  const char* refuses_bool = nullptr;
};

// The whole of a pointwise op: promotes, broadcasts, checks and allocates (or takes) the output,
// runs. `out` undefined: allocated with the strides that PyTorch would give. `inplace`: out is the
// first input. params: scalar arguments, converted to the compute type.
// Inputs that are undefined are an error of the caller. Meta tensors run all but the loop.
void pointwise(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
               Tensor& out, std::span<const Tensor* const> inputs, std::span<const Scalar> params,
               bool inplace);

// For gradients: like pointwise with promotion fixed: computes in `compute_like`'s dtype and stores
// as `out_dtype` (no checks; inputs broadcast against each other).
Tensor pointwise_grad(const PointwiseKernel& kernel, DType compute, DType out_dtype,
                      std::span<const Tensor* const> inputs, std::span<const Scalar> params);

namespace cpu {

// dst[...] = cast(src[...]); any strides, any dtypes, src broadcasts to dst.
void copy(const Tensor& dst, const Tensor& src);
void fill(const Tensor& dst, const Scalar& value);
// n elements, contiguous both sides.
void convert(DType to, void* dst, DType from, const void* src, int64_t n);

}  // namespace cpu
}  // namespace flambeau
