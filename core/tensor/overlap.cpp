#include "core/tensor/overlap.h"

namespace flambeau::inline v1 {

void check_written_once(const char* op, const Tensor& target) {
  check(internal_overlap(target) != Overlap::yes, op,
        ": unsupported operation: more than one element of the written-to tensor refers to a "
        "single memory location. Please clone() the tensor before performing the operation.");
}

}  // namespace flambeau::inline v1
