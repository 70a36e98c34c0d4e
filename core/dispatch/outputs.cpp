#include "core/dispatch/outputs.h"

#include "flambeau/ops.h"

namespace flambeau {
namespace {

void check_dtype(const char* op, DType result, DType out) {
  check(can_cast(result, out), op, ": result type ", dtype_name(result),
        " can't be cast to the desired output type ", dtype_name(out));
}

}  // namespace

Tensor allocate(const Spec& spec, const Tensor& like) {
  TensorOptions options{spec.dtype, like.device()};
  return spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                      : empty(spec.sizes, options);
}

Tensor take_out(const char* op, const Tensor& out, const Spec& spec,
                std::initializer_list<const Tensor*> inputs) {
  check_dtype(op, spec.dtype, out.dtype());
  for (const Tensor* t : inputs) {
    if (!t->defined()) continue;
    check(t->device() == out.device(), op, ": Expected all tensors to be on the same device, but "
          "found at least two devices, ", t->device().str(), " and ", out.device().str(), "!");
  }
  resize_out(out, spec.sizes, op);
  bool direct = out.dtype() == spec.dtype && out.is_contiguous() && !spec.strides;
  for (const Tensor* t : inputs)
    direct = direct && (!t->defined() || memory_overlap(*t, out) == MemOverlap::none);
  return direct ? out : allocate(spec, out);
}

void give_out(const Tensor& out, const Tensor& result) {
  if (!out.is(result)) entry::copy_(out, result, false);
}

void give_inplace(const char* op, const Tensor& self, const Tensor& result) {
  check(same(self.sizes(), result.sizes()), op, ": output with shape ", show(self.sizes()),
        " doesn't match the broadcast shape ", show(result.sizes()));
  check_dtype(op, result.dtype(), self.dtype());
  if (!self.is(result)) entry::copy_(self, result, false);
}

void resize_and_give(const char* op, const Tensor& out, const Tensor& result) {
  check_dtype(op, result.dtype(), out.dtype());
  resize_out(out, result.sizes(), op);
  entry::copy_(out, result, false);
}

void resize_and_give(const char* op, const Tensor& out, const TensorVec& result) {
  check(result.size() == 1, op, ": out= takes one tensor for each of the ", result.size(),
        " results");
  resize_and_give(op, out, result[0]);
}

}  // namespace flambeau
