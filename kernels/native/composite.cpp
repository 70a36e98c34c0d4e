// What of scalars and comparisons is not over ops alone.

#include "flambeau/kernels/composite.h"

#include "flambeau/ops/all.h"
#include "flambeau/ops/eq.h"

namespace flambeau::inline v1::native {

Scalar _local_scalar_dense(const Tensor& self) { return self.value(); }

bool equal(const Tensor& self, const Tensor& other) {
  check<NotImplementedError>(!self.is_meta() && !other.is_meta(),
                             "equal: meta tensors have no values to compare");
  if (!same(self.sizes(), other.sizes())) return false;
  if (self.numel() == 0) return true;
  return entry::all(entry::eq_Tensor(self, other)).item().to_bool();
}

}  // namespace flambeau::inline v1::native
