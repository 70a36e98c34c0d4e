// Sorting by its several signatures, and sets.

#include "kernels/cpu/order/order.h"

#include "flambeau/kernels/order.h"

namespace flambeau::inline v1::native {

namespace {

void check_orderable(const char* op, const Tensor& self) {
  check<NotImplementedError>(!self.is_meta(), op,
                             ": the result's shape depends on the values of a "
                             "tensor, which a meta tensor does not have");
  check<NotImplementedError>(!self.is_complex(), op, ": not implemented for ",
                             dtype_name(self.dtype()), ", which has no order");
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> _unique2(const Tensor& self, bool, bool return_inverse,
                                            bool return_counts) {
  check_orderable("unique", self);
  return cpu::unique(self, true, return_inverse, return_counts);
}

namespace {

std::tuple<Tensor, Tensor, Tensor> distinct_slices(const char* op, const Tensor& self, int64_t dim,
                                                   bool sorted) {
  check_orderable(op, self);
  const int64_t d = wrap_dim(dim, self.dim(), op);
  check<IndexError>(self.dim() > 0, op, ": Dimension specified as ", dim,
                    " but tensor has no dimensions");
  const int64_t empty_dims = std::count(self.sizes().begin(), self.sizes().end(), 0);
  if (self.sizes()[d] == 0)
    check(empty_dims == 1, op,
          ": Number of zero sized dimensions is more than one, so unique "
          "cannot be applied: shape ",
          show(self.sizes()));
  else
    check(empty_dims == 0, op,
          ": There are 0 sized dimensions, and they aren't selected, so "
          "unique cannot be applied: shape ",
          show(self.sizes()), ", dim ", d);
  return cpu::unique_dim(self, d, sorted);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> unique_dim(const Tensor& self, int64_t dim, bool, bool, bool) {
  return distinct_slices("unique_dim", self, dim, true);
}

std::tuple<Tensor, Tensor, Tensor> unique_consecutive(const Tensor& self, bool return_inverse,
                                                      bool return_counts,
                                                      std::optional<int64_t> dim) {
  if (dim) return distinct_slices("unique_consecutive", self, *dim, false);
  check_orderable("unique_consecutive", self);
  return cpu::unique(self, false, return_inverse, return_counts);
}

}  // namespace flambeau::inline v1::native
