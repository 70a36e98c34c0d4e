#include "core/autograd/arithmetic.h"

#include "core/dispatch/op.h"
#include "flambeau/ops/_conj.h"
#include "flambeau/ops/_neg_view.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/any.h"
#include "flambeau/ops/as_strided.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/detach.h"
#include "flambeau/ops/fill.h"
#include "flambeau/ops/isnan.h"
#include "flambeau/ops/new_empty_strided.h"
#include "flambeau/ops/ones_like.h"
#include "flambeau/ops/real.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/view_as.h"
#include "flambeau/ops/view_as_complex.h"
#include "flambeau/ops/view_as_real.h"
#include "flambeau/ops/zero.h"

namespace flambeau::inline v1 {
namespace arithmetic {

Tensor add(const Tensor& a, const Tensor& b) { return ops::add(a, b); }
void add_(const Tensor& into, const Tensor& b) { ops::add_(into, b); }
void copy_(const Tensor& into, const Tensor& from) { ops::copy_(into, from); }
void zero_(const Tensor& t) { ops::zero_(t); }
Tensor clone(const Tensor& t, MemoryFormat format) { return ops::clone(t, format); }
Tensor detach(const Tensor& t) { return ops::detach(t); }

Tensor new_empty_strided(const Tensor& like, IntSpan sizes, IntSpan strides) {
  return ops::new_empty_strided(like, sizes, strides);
}

Tensor clone_strided(const Tensor& t, IntSpan strides) {
  const Tensor out = ops::new_empty_strided(t, t.sizes(), strides);
  ops::copy_(out, t);
  return out;
}

Tensor cast(const Tensor& t, DType dtype) { return ops::to(t, dtype); }
Tensor real(const Tensor& t) { return ops::real(t); }
Tensor sum(const Tensor& t) { return ops::sum(t); }
Tensor sum(const Tensor& t, IntSpan dims) { return ops::sum(t, dims, true); }
Tensor view(const Tensor& t, IntSpan sizes) { return ops::view(t, sizes); }
Tensor view_as(const Tensor& t) { return ops::view_as(t, t); }

Tensor as_strided(const Tensor& t, IntSpan sizes, IntSpan strides, int64_t offset) {
  return ops::as_strided(t, sizes, strides, offset);
}

Tensor to_device(const Tensor& t, Device device) {
  const Tensor out = empty_strided(t.sizes(), strides_like(t), {t.dtype(), device});
  ops::copy_(out, t);
  return out;
}

Tensor ones(IntSpan sizes, TensorOptions options) {
  if (sizes.empty()) return scalar_tensor(1, options.dtype, options.device);
  const Tensor t = empty(sizes, options);
  ops::fill_(t, Scalar(1));
  return t;
}

Tensor ones_like(const Tensor& t) { return ops::ones_like(t); }

Tensor zeros(IntSpan sizes, TensorOptions options) {
  const Tensor t = empty(sizes, options);
  ops::zero_(t);
  return t;
}

bool has_nan(const Tensor& t) {
  if (t.is_meta()) return false;
  return entry::any(ops::isnan(t)).item().to_bool();
}

Tensor view_as_real(const Tensor& t) { return ops::view_as_real(t); }
Tensor view_as_complex(const Tensor& t) { return ops::view_as_complex(t); }
Tensor conj_view(const Tensor& t) { return ops::_conj(t); }
Tensor neg_view(const Tensor& t) { return ops::_neg_view(t); }

}  // namespace arithmetic

Tensor sum_to(const Tensor& grad, IntSpan sizes) {
  if (sizes.empty() && grad.dim() > 0) return arithmetic::sum(grad);
  const size_t dims = static_cast<size_t>(grad.dim()), leading = dims - sizes.size();
  Dims over;
  for (size_t d = 0; d < dims; ++d)
    if (d < leading || (sizes[d - leading] == 1 && grad.sizes()[d] != 1))
      over.push_back(static_cast<int64_t>(d));
  Tensor out = over.empty() ? grad : arithmetic::sum(grad, over);
  return leading ? arithmetic::view(out, sizes) : out;
}

Tensor grad_to(const Tensor& grad, IntSpan sizes, DType dtype) {
  if (!grad.defined()) return grad;
  Tensor out = grad;
  if (out.is_complex() && !is_complex(dtype)) out = arithmetic::real(out);
  if (!same(out.sizes(), sizes)) out = sum_to(out, sizes);
  if (out.dtype() != dtype && is_differentiable(dtype)) out = arithmetic::cast(out, dtype);
  return out;
}

}  // namespace flambeau::inline v1
