// Which dtypes can be converted at all, whether or not PyTorch's rules of casting allow it.
#pragma once

#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

// Dtypes without arithmetic (float8, quantised, bits) are moved as bytes, and nothing else.
inline bool convertible(DType from, DType to) {
  return from == to || (info(from).usable && info(to).usable);
}

}  // namespace flambeau::inline v1
