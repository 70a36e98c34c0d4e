// How the three forms of an op get their outputs: allocated, given by the caller, or self.
#pragma once

#include <array>
#include <initializer_list>
#include <span>

#include "core/dispatch/specs.h"

namespace flambeau::inline v1 {

// A fresh output on the device of `like`.
Tensor allocate(const Spec& spec, const Tensor& like);
Tensor allocate(const PlacedSpec& spec);  // on its own device

// out=: `out` itself, resized, when the kernel may write it; else a temporary for give_out to copy.
// `late`: always a temporary, because the kernel may yet refuse.
Tensor take_out(const char* op, const Tensor& out, const Spec& spec,
                std::initializer_list<TensorSpan> inputs, bool late = false);
// What will be written to an out=: as a rule says it, or a result that is there.
struct Wanted {
  Wanted(const Spec& spec) : dtype(spec.dtype), sizes(spec.sizes) {}
  Wanted(const Tensor& result) : dtype(result.dtype()), sizes(result.sizes()) {}
  DType dtype;
  IntSpan sizes;
};
// Of several out=, before the first is written: that each can hold its result, can be resized to
// it, and shares no memory with another.
void check_outs(const char* op, std::span<const Tensor* const> outs,
                std::span<const Wanted> results);
inline void check_outs(const char* op, std::initializer_list<const Tensor*> outs,
                       std::initializer_list<Wanted> results) {
  check_outs(op, std::span(outs.begin(), outs.size()), std::span(results.begin(), results.size()));
}
// Of an out= for indices, which other dtypes could not tell apart.
void check_places(const char* op, const Tensor& out);
// That what a caller asks for beside an out= is what that is.
void check_as_out(const char* op, DType asked, DType own);
void check_as_out(const char* op, Device asked, Device own);
void give_out(const char* op, const Tensor& out, const Tensor& result);
// For ops whose out= may share no memory with an input.
void check_separate(const char* op, const Tensor& out, std::initializer_list<TensorSpan> inputs);

// For ops without a gradient that write to lists of tensors.
void refuse_gradient(const char* op, bool requires_grad);

// Of self in place, before it is written: it must have the result's shape, and a dtype that holds
// it.
void check_self(const char* op, const Tensor& self, const Wanted& result);
// The result of a functional body goes into self.
void give_inplace(const char* op, const Tensor& self, const Tensor& result);
// Whether elementwise work on `self` may write its result to `out` as it goes.
inline bool takes_result_like(const Tensor& out, const Tensor& self) {
  return out.dtype() == self.dtype() && same(out.sizes(), self.sizes()) &&
         (out.is(self) || !out.impl()->storage() ||
          out.impl()->storage().get() != self.impl()->storage().get());
}
// The same for out=, which is resized.
void resize_and_give(const char* op, const Tensor& out, const Tensor& result);
void resize_and_give(const char* op, const Tensor& out, const TensorVec& result);

}  // namespace flambeau::inline v1
