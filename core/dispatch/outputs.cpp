#include "core/dispatch/outputs.h"

#include <bit>

#include "core/autograd/node.h"
#include "core/dispatch/entry.h"
#include "core/memory/allocator.h"
#include "core/tensor/convertible.h"
#include "core/tensor/device_table.h"
#include "core/tensor/overlap.h"
#include "flambeau/ops/copy.h"

namespace flambeau::inline v1 {
namespace {

void check_dtype(const char* op, DType result, DType out) {
  check(can_cast(result, out), op, ": result type ", dtype_name(result),
        " can't be cast to the desired output type ", dtype_name(out));
  check<NotImplementedError>(convertible(result, out), op, ": elements of ", dtype_name(result),
                             " cannot be converted to ", dtype_name(out), ", the dtype of out");
}

// Raises where an input's bytes are gone, which a kernel would find only when out is resized.
void check_there(const Tensor& input) {
  if (input.device().is_cpu()) input.bytes();
}

// Raises where resize_out would, and where the memory of an out= that has its size is gone.
void check_room(const Tensor& out, IntSpan sizes) {
  if (same(out.sizes(), sizes)) return check_there(out);
  const size_t item = out.itemsize(), last = span_bytes(sizes, contiguous_strides(sizes), item);
  size_t needed;
  check<memory::SizeOverflow>(
      !__builtin_mul_overflow(static_cast<size_t>(out.offset()), item, &needed) &&
          !__builtin_add_overflow(needed, last, &needed),
      "Storage size calculation overflowed with sizes=", show(sizes), " and offset=", out.offset());
  const Storage& storage = *out.impl()->storage();
  check<NoMemory>(needed <= storage.nbytes() || storage.resizable(),
                  "Trying to resize storage that is not resizable: out= of ", storage.nbytes(),
                  " bytes is memory of another owner, or in use by its address, and the result "
                  "takes ",
                  needed);
}

void check_device(const char* op, const Tensor& out, const Tensor& input) {
  check(input.device() == out.device(), op,
        ": Expected all tensors to be on the same device, but "
        "found at least two devices, ",
        input.device().str(), " and ", out.device().str(), "!");
}

}  // namespace

Tensor allocate(const Spec& spec, const Tensor& like) {
  TensorOptions options{spec.dtype, like.device()};
  return spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                      : empty(spec.sizes, options);
}

Tensor allocate(const PlacedSpec& spec) {
  const TensorOptions options{spec.dtype, spec.device};
  return spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                      : empty(spec.sizes, options);
}

// An `out` that shares memory with an input keeps its shape until the input has been read.
Tensor take_out(const char* op, const Tensor& out, const Spec& spec,
                std::initializer_list<TensorSpan> inputs, bool late) {
  check_dtype(op, spec.dtype, out.dtype());
  check_written_once(op, out);
  bool shared = late;
  for (const TensorSpan list : inputs) {
    for (const Tensor& t : list) {
      if (!t.defined()) continue;
      check_device(op, out, t);
      check_there(t);
      shared = shared || may_change(t, out, spec.sizes);
    }
  }
  if (shared) return allocate(spec, out);
  resize_out(out, spec.sizes, op);
  const bool direct = out.dtype() == spec.dtype && out.is_contiguous() &&
                      (!spec.strides || same(*spec.strides, out.strides()));
  return direct ? out : allocate(spec, out);
}

// A class or mode that answers for copies is asked before anything is changed: it may raise.
static void ask_for_copies(const Tensor& out, const Tensor& other) {
  if (active_keys(kPythonDispatch, out, other)) entry::copy_(out, out, false);
}

void check_outs(const char* op, std::span<const Tensor* const> outs,
                std::span<const Wanted> results) {
  for (size_t i = 0; i < outs.size(); ++i) {
    const Tensor& out = *outs[i];
    check_dtype(op, results[i].dtype, out.dtype());
    check_device(op, out, *outs[0]);
    check(out.layout() == Layout::strided, op,
          ": the result has layout torch.strided, and out= torch.", layout_name(out.layout()));
    check_written_once(op, out);
    ask_for_copies(out, *outs[0]);
    check_room(out, results[i].sizes);
    for (size_t other = 0; other < i; ++other)
      check(!outs[other]->is(out) && memory_overlap(*outs[other], out) == MemOverlap::none, op,
            ": two of the tensors given as out= share memory. Please clone() one of them before "
            "performing the operation.");
  }
}

void check_places(const char* op, const Tensor& out) {
  check(out.dtype() == DType::int64, op, ": indices can't be cast to the desired output type ",
        dtype_name(out.dtype()), ": give an out= of int64 for them");
}

void refuse_dtype(const char* op, uint32_t bits) {
  const auto dtype = static_cast<DType>(std::countr_zero(bits));
  raise<NotImplementedError>(op, ": \"", op, "_cpu\" not implemented for '",
                             shape::scalar_type_name(dtype), "': convert with .to(torch.float32)");
}

void check_as_out(const char* op, DType asked, DType own) {
  check(asked == own, op, ": Expected out tensor to have dtype ", dtype_name(asked), ", but got ",
        dtype_name(own), " instead: leave out one of dtype= and out=");
}
void check_as_out(const char* op, Device asked, Device own) {
  check(resolved(asked) == own, op, ": Expected out tensor to be on device ", asked.str(),
        ", but it is on ", own.str(), ": leave out one of device= and out=");
}

void give_out(const char* op, const Tensor& out, const Tensor& result) {
  if (out.is(result)) return bump_version(out);
  resize_out(out, result.sizes(), op);
  entry::copy_(out, result, false);
}

void check_separate(const char* op, const Tensor& out, std::initializer_list<TensorSpan> inputs) {
  check_written_once(op, out);
  for (const TensorSpan list : inputs)
    for (const Tensor& t : list)
      if (t.defined() && memory_overlap(t, out) != MemOverlap::none) raise_shared(op);
}

void refuse_gradient(const char* op, bool requires_grad) {
  check(!requires_grad || !GradMode::enabled(), op, ": derivative for aten::", op,
        " is not implemented: call it under torch.no_grad()");
}

void check_self(const char* op, const Tensor& self, const Wanted& result) {
  check_shape(op, self, result.sizes);
  check_dtype(op, result.dtype, self.dtype());
}

void give_inplace(const char* op, const Tensor& self, const Tensor& result) {
  check_self(op, self, result);
  if (self.is(result)) return bump_version(self);
  entry::copy_(self, result, false);
}

void resize_and_give(const char* op, const Tensor& out, const Tensor& result) {
  check(result.layout() == out.layout(), op, ": the result has layout torch.",
        layout_name(result.layout()), ", and out= torch.", layout_name(out.layout()));
  check_dtype(op, result.dtype(), out.dtype());
  check_device(op, out, result);
  check_written_once(op, out);
  ask_for_copies(out, result);
  resize_out(out, result.sizes(), op);
  entry::copy_(out, result, false);
}

void resize_and_give(const char* op, const Tensor& out, const TensorVec& result) {
  check(result.size() == 1, op, ": out= takes one tensor for each of the ", result.size(),
        " results");
  resize_and_give(op, out, result[0]);
}

}  // namespace flambeau::inline v1
