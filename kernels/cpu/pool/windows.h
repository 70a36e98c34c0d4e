// Where windows of pooling lie.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// One number stands for all dimensions.
inline int64_t along(IntSpan list, size_t d) { return list.size() == 1 ? list[0] : list[d]; }

// Windows that cover n elements evenly: window o of `count` begins and ends here.
inline int64_t even_begin(int64_t o, int64_t count, int64_t n) {
  return o / count * n + o % count * n / count;
}
inline int64_t even_end(int64_t o, int64_t count, int64_t n) {
  return 1 + ((o + 1) * n - 1) / count;
}

}  // namespace flambeau::inline v1::cpu
