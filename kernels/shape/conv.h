// What kernels of convolution and pooling over two dimensions share.
#pragma once

#include <array>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::shape {

template <class T>
bool channels_last(const T& input, const T& weight) {
  return input.suggest_memory_format() == MemoryFormat::channels_last ||
         weight.suggest_memory_format() == MemoryFormat::channels_last;
}

// One argument stands for both dimensions; an empty stride is the kernel's size.
inline std::array<int64_t, 2> pair_of(IntSpan v, const char* op, const char* name) {
  check(v.size() == 1 || v.size() == 2, op, ": ", name,
        " must either be a single int, or a tuple of two "
        "ints");
  return {v[0], v[v.size() - 1]};
}

}  // namespace flambeau::inline v1::shape
