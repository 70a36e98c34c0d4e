// matmul, linear and outer over the structured products.

#include "flambeau/kernels/matmul.h"

#include "core/autograd/node.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/addmm.h"
#include "flambeau/ops/bmm.h"
#include "flambeau/ops/dot.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/mm.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/mv.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/squeeze.h"
#include "flambeau/ops/t.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"

namespace flambeau::native {
namespace {

Dims batch_of(const Tensor& t) { return t.dim() > 2 ? Dims(t.sizes().first(t.dim() - 2)) : Dims(); }

// (..., n, k) @ (k) or (k, m): the leading dimensions are rows of one large matrix.
Tensor fold(const Tensor& a, const Tensor& b) {
  const int64_t k = a.sizes().back();
  Dims shape(a.sizes());
  shape.erase(shape.size() - 1);
  const int64_t rows = count(shape);
  const int64_t flat[] = {rows, k};
  const Tensor matrix = entry::reshape(a, flat);
  if (b.dim() == 1) return entry::view(entry::mv(matrix, b), shape);
  shape.push_back(b.sizes()[1]);
  return entry::view(entry::mm(matrix, b), shape);
}

Tensor batched(const Tensor& a, const Tensor& b) {
  const int64_t n = a.dim() > 1 ? a.size(-2) : 1, k = a.size(-1);
  const int64_t kb = b.dim() > 1 ? b.size(-2) : b.size(0), m = b.dim() > 1 ? b.size(-1) : 1;
  const Dims batch = broadcast(batch_of(a), batch_of(b), "matmul");
  const int64_t total = count(batch);
  const auto as_batch = [&](const Tensor& t, int64_t rows, int64_t columns) {
    Dims wide(batch);
    wide.push_back(rows);
    wide.push_back(columns);
    Dims own = batch_of(t);
    own.push_back(rows);
    own.push_back(columns);
    const int64_t three[] = {total, rows, columns};
    const Tensor matrix = t.dim() == 1 ? entry::reshape(t, own) : t;
    return entry::reshape(entry::expand(matrix, wide, false), three);
  };
  const Tensor product = entry::bmm(as_batch(a, n, k), as_batch(b, kb, m));
  Dims shape(batch);
  if (a.dim() > 1) shape.push_back(n);
  if (b.dim() > 1) shape.push_back(m);
  return entry::view(product, shape);
}

}  // namespace

Tensor matmul(const Tensor& self, const Tensor& other) {
  const int64_t a = self.dim(), b = other.dim();
  check(a > 0 && b > 0, "matmul: both arguments to matmul need to be at least 1D, but they are ", a,
        "D and ", b, "D");
  if (a == 1 && b == 1) return entry::dot(self, other);
  if (a == 2 && b == 1) return entry::mv(self, other);
  if (a == 1 && b == 2) return entry::squeeze__dim(entry::mm(entry::unsqueeze(self, 0), other), 0);
  if (a == 2 && b == 2) return entry::mm(self, other);
  if (a >= 3 && b <= 2) return fold(self, other);
  return batched(self, other);
}

Tensor outer(const Tensor& self, const Tensor& vec2) {
  check(self.dim() == 1, "outer: Expected 1-D argument self, but got ", self.dim(), "-D");
  check(vec2.dim() == 1, "outer: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  return entry::mul_Tensor(entry::unsqueeze(self, 1), vec2);
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  check(weight.dim() == 2 || weight.dim() == 1, "linear: weight must be 1-D or 2-D, got shape ",
        show(weight.sizes()));
  const Tensor transposed = entry::t(weight);
  if (!bias.defined()) return entry::matmul(input, transposed);
  if (input.dim() == 2 && weight.dim() == 2)
    return entry::addmm(bias, input, transposed, Scalar(int64_t{1}), Scalar(int64_t{1}));
  if (input.dim() > 2 && weight.dim() == 2 && input.is_contiguous()) {
    const int64_t flat[] = {input.numel() / std::max<int64_t>(input.sizes().back(), 1),
                            input.sizes().back()};
    if (input.sizes().back() > 0) {
      const Tensor out = entry::addmm(bias, entry::view(input, flat), transposed,
                                      Scalar(int64_t{1}), Scalar(int64_t{1}));
      Dims shape(input.sizes());
      shape.back() = weight.sizes()[0];
      return entry::view(out, shape);
    }
  }
  const Tensor product = entry::matmul(input, transposed);
  return entry::add_Tensor(product, bias, Scalar(int64_t{1}));
}

}  // namespace flambeau::native
