// Kernels of joining and rearranging.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void cat(const Tensor& result, TensorSpan tensors, int64_t dim);
void stack(const Tensor& result, TensorSpan tensors, int64_t dim);
void flip(const Tensor& result, const Tensor& self, IntSpan dims);
void roll(const Tensor& result, const Tensor& self, IntSpan shifts, IntSpan dims);
// `pad` from the last dimension on; `mode` as in the record.
void border(const Tensor& result, const Tensor& self, IntSpan pad, int64_t mode,
            const Scalar& value);
void tril(const Tensor& result, const Tensor& self, int64_t diagonal);
void triu(const Tensor& result, const Tensor& self, int64_t diagonal);
void repeat(const Tensor& result, const Tensor& self, IntSpan repeats);

}  // namespace flambeau::inline v1::cpu
