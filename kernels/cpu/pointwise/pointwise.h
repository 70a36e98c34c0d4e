// The driver of all pointwise ops: one strided, broadcasting, casting loop over tiles.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/cpu/pointwise/loop.h"

namespace flambeau::inline v1 {

struct Specs;  // core/dispatch/specs.h

// What an input is to the formula, where numbers and 0-dim tensors may be beyond the integer dtype
// in which it is computed: see Note [Numbers beyond the dtype].
enum class Part : uint8_t { any, compared, stored, exact, divisor, at_least, at_most };

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
  bool has_parts = false;  // one of them is not `any`
  Part parts[8] = {};      // of each input
};

// The whole of a pointwise op: promotes, broadcasts, checks and allocates (or takes) the output,
// runs. `out` undefined: allocated with the strides that PyTorch would give. `inplace`: out is the
// first input. params: scalar arguments, converted to the compute type.
// Inputs that are undefined are an error of the caller. Meta tensors run all but the loop.
void pointwise(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
               Tensor& out, std::span<const Tensor* const> inputs, std::span<const Scalar> params,
               bool inplace);

// The rule of the same: what a fresh output will be.
void pointwise_rule(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
                    std::span<const Tensor* const> inputs, std::span<const Scalar> params,
                    Specs& specs);

// For gradients: like pointwise with promotion fixed: computes in `compute_like`'s dtype and stores
// as `out_dtype` (no checks; inputs broadcast against each other).
Tensor pointwise_grad(const PointwiseKernel& kernel, DType compute, DType out_dtype,
                      std::span<const Tensor* const> inputs, std::span<const Scalar> params);

namespace cpu {

// dst[...] = cast(src[...]); any strides, any dtypes, src broadcasts to dst.
void copy(const Tensor& dst, const Tensor& src);
void fill(const Tensor& dst, const Scalar& value);
// Ones on the diagonal of a matrix, zeros elsewhere.
void fill_diagonal(const Tensor& result);
// n elements, contiguous both sides.
void convert(DType to, void* dst, DType from, const void* src, int64_t n);

}  // namespace cpu
}  // namespace flambeau::inline v1
