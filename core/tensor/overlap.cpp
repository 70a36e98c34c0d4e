#include "core/tensor/overlap.h"

namespace flambeau::inline v1 {

void check_written_once(const char* op, const Tensor& target) {
  check(internal_overlap(target) != Overlap::yes, op,
        ": unsupported operation: more than one element of the written-to tensor refers to a "
        "single memory location. Please clone() the tensor before performing the operation.");
}

void check_shape(const char* op, const Tensor& target, IntSpan sizes) {
  check(same(target.sizes(), sizes), op, ": output with shape ", show(target.sizes()),
        " doesn't match the broadcast shape ", show(sizes));
}

void raise_shared(const char* op) {
  raise(op,
        ": unsupported operation: some elements of the input tensor and the written-to tensor "
        "refer to a single memory location. Please clone() the tensor before performing the "
        "operation.");
}

void check_not_shifted(const char* op, const Tensor& written, const Tensor& read) {
  if (memory_overlap(written, read) == MemOverlap::partial) raise_shared(op);
}

bool may_change(const Tensor& read, const Tensor& out, IntSpan sizes) {
  if (read.is(out) || memory_overlap(read, out) != MemOverlap::none) return true;
  return read.impl()->storage().get() == out.impl()->storage().get() && !same(out.sizes(), sizes);
}

}  // namespace flambeau::inline v1
