// The few ops that autograd itself is made of.
#pragma once

#include "core/autograd/node.h"

namespace flambeau::inline v1::arithmetic {

Tensor add(const Tensor& a, const Tensor& b);
void add_(const Tensor& into, const Tensor& b);
void copy_(const Tensor& into, const Tensor& from);
void zero_(const Tensor& t);
Tensor clone(const Tensor& t, MemoryFormat format);
Tensor detach(const Tensor& t);
// A copy with the given strides, differentiable.
Tensor new_empty_strided(const Tensor& like, IntSpan sizes, IntSpan strides);
Tensor clone_strided(const Tensor& t, IntSpan strides);
Tensor cast(const Tensor& t, DType dtype);
Tensor real(const Tensor& t);
Tensor sum(const Tensor& t);                // of all elements
Tensor sum(const Tensor& t, IntSpan dims);  // dimensions are kept
Tensor view(const Tensor& t, IntSpan sizes);
Tensor view_as(const Tensor& t);
Tensor as_strided(const Tensor& t, IntSpan sizes, IntSpan strides, int64_t offset);
Tensor to_device(const Tensor& t, Device device);
Tensor ones(IntSpan sizes, TensorOptions options);
Tensor ones_like(const Tensor& t);
Tensor zeros(IntSpan sizes, TensorOptions options);
bool has_nan(const Tensor& t);

// Views whose dtype or lazy bits differ from their base's.
Tensor view_as_real(const Tensor& t);
Tensor view_as_complex(const Tensor& t);
Tensor conj_view(const Tensor& t);
Tensor neg_view(const Tensor& t);

}  // namespace flambeau::inline v1::arithmetic
