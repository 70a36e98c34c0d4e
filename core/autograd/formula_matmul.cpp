// Gradients of matrix products.

#include "core/autograd/formulas.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/mm.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/outer.h"
#include "flambeau/ops/t.h"

namespace flambeau::formula {
namespace {

bool column_major(IntSpan sizes, IntSpan strides) {
  return strides[0] == 1 && strides[1] == sizes[0];
}

Tensor conj_t(const Tensor& m) { return entry::conj(entry::t(m)); }

}  // namespace

Tensor matrix_gradient_left(const Tensor& g, const Tensor& right, IntSpan sizes, IntSpan strides) {
  if (column_major(sizes, strides)) return entry::t(entry::mm(entry::conj(right), entry::t(g)));
  return entry::mm(g, conj_t(right));
}

Tensor matrix_gradient_right(const Tensor& g, const Tensor& left, IntSpan sizes, IntSpan strides) {
  if (column_major(sizes, strides)) return entry::t(entry::mm(entry::t(g), entry::conj(left)));
  return entry::mm(conj_t(left), g);
}

Tensor scaled(const Tensor& t, const Scalar& factor) {
  if (factor.equal(1)) return t;
  const Scalar c = factor.is_complex() ? Scalar(std::conj(factor.to_complex())) : factor;
  return entry::mul_Tensor(t, wrapped_number(c));
}

Tensor outer(const Tensor& a, const Tensor& b) { return entry::outer(a, b); }

}  // namespace flambeau::formula
