// What a C++ program includes: tensors, every op, random numbers and automatic differentiation. The
// names are the core's own; Python's functions are the same entries. See examples/cpp/mlp.cpp.
//
//   Tensor, TensorOptions, DType, Device, Dims     core/tensor
//   ops::linear(x, weight, bias), ops::relu_(x)    one function per overload of an op's record
//   manual_seed(0), Generator                      core/random
//   t.set_requires_grad(true), loss.backward(), t.grad(), grad(outputs, inputs), NoGrad
//   set_num_threads(2)                             core/parallel
//   Computing, where threads resize shared tensors core/tensor/rearrange.h
//
// Errors are exceptions derived from std::runtime_error: Error and those of core/tensor/error.h, or
// memory::OutOfMemory.
#pragma once

#include "core/autograd/node.h"
#include "core/parallel/parallel.h"
#include "core/random/generator.h"
#include "core/tensor/rearrange.h"
#include "flambeau/ops.h"

namespace flambeau::inline v1 {

// Nothing is recorded for autograd until the end of the scope.
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};

#define FLAMBEAU_OPERATOR(symbol, name)                                                       \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return ops::name(a, b); } \
  inline Tensor operator symbol(const Tensor& a, const Scalar& b) { return ops::name(a, b); } \
  inline const Tensor& operator symbol## = (const Tensor& a, const Tensor& b) {               \
    ops::name##_(a, b);                                                                       \
    return a;                                                                                 \
  }                                                                                           \
  inline const Tensor& operator symbol## = (const Tensor& a, const Scalar& b) {               \
    ops::name##_(a, b);                                                                       \
    return a;                                                                                 \
  }
FLAMBEAU_OPERATOR(+, add)
FLAMBEAU_OPERATOR(-, sub)
FLAMBEAU_OPERATOR(*, mul)
FLAMBEAU_OPERATOR(/, div)
#undef FLAMBEAU_OPERATOR
inline Tensor operator-(const Tensor& t) { return ops::neg(t); }

}  // namespace flambeau::inline v1
