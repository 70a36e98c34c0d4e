// Ops on lists of tensors that run another op on each item.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1::native {

// The boxed form of `op`: of each list the next item, or the next number, and all else as it is.
void each(const Op& op, const Op& base, const Value* args, Results& results);

}  // namespace flambeau::inline v1::native
