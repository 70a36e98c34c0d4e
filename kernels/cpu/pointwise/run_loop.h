// Loops of formulas take whole blocks; here are those for any number of elements.
#pragma once

#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

// What lies beyond the last whole block, or less than one.
void run_rest(Loop loop, char* const* ptrs, int64_t n, const void* params, const DType* dtypes,
              int outputs, int operands);

// `dtypes`: of the operands, outputs first, as the loop wants them. An output may be one of the
// inputs, but must not overlap one otherwise.
inline void run_loop(Loop loop, bool any_length, char* const* ptrs, int64_t n, const void* params,
                     const DType* dtypes, int outputs, int operands) {
  loop(ptrs, n, params);
  if (!any_length && n % kMostBlock != 0) {
    run_rest(loop, ptrs, n, params, dtypes, outputs, operands);
  }
}

}  // namespace flambeau::inline v1::cpu
