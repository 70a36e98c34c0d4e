// Random fills that several records call; those that a record names are declared in kernels.h.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

struct Generator;  // core/random

namespace cpu {

// Integers on [from, to).
void random_range(const Tensor& self, int64_t from, int64_t to, Generator* generator);
// 0 to n - 1 in random order.
void randperm(const Tensor& result, Generator* generator);

}  // namespace cpu
}  // namespace flambeau::inline v1
