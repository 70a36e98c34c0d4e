// Elementwise ops of sparse tensors: on the elements that there are.

#include "core/dispatch/outputs.h"
#include "flambeau/ops/_unique2.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/cat.h"
#include "flambeau/ops/clamp_max.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/index_put.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/nonzero.h"
#include "flambeau/ops/searchsorted.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/zeros.h"
#include "kernels/cpu/sparse/sparse.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"
#include "kernels/shape/pointwise.h"

namespace flambeau::inline v1::sparse {
namespace {

std::string full_name(const Op& op) {
  return *op.overload ? concat(op.name, ".", op.overload) : std::string(op.name);
}

void check_same_places(const char* op, const Tensor& a, const Tensor& b) {
  check(same(a.sizes(), b.sizes()), op, ": expected 'self' and 'other' to have same size, but got ",
        show(a.sizes()), " and ", show(b.sizes()), ": sparse tensors do not broadcast");
  check(coo_of(op, a).sparse_dim() == coo_of(op, b).sparse_dim(), op,
        ": expected 'self' and 'other' to have same number of sparse dimensions, but got ",
        coo_of(op, a).sparse_dim(), " and ", coo_of(op, b).sparse_dim());
}

DType common(const Tensor& a, const Tensor& b) {
  shape::Promotion promotion;
  promotion.add(a);
  promotion.add(b);
  return promotion.result();
}

// Both in the order in which they stand, elements of one place added where both are in order.
Tensor merged(const char* op, const Tensor& self, const Tensor& other, const Scalar& alpha) {
  check_same_places(op, self, other);
  const Coo &a = coo_of(op, self), &b = coo_of(op, other);
  const DType dtype = common(self, other);
  const Tensor left = ops::to(a.values, dtype), right = ops::to(b.values, dtype);
  const bool coalesced = a.coalesced && b.coalesced;
  if (same_places(a.indices, b.indices))
    return make(self.sizes(), a.indices, ops::add(left, right, alpha), coalesced);
  const IntSpan sizes = sparse_sizes(self, a);
  const Tensor in_a = flat_places(op, a.indices, sizes), in_b = flat_places(op, b.indices, sizes);
  const Tensor to_a = empty(in_a.sizes(), {DType::int64});
  const Tensor to_b = empty(in_b.sizes(), {DType::int64});
  Dims each(left.sizes());
  each[0] = cpu::merge_places(to_a, to_b, in_a, in_b);
  const Tensor indices = empty(Dims{a.sparse_dim(), each[0]}, {DType::int64});
  const Tensor values = ops::zeros(each, dtype);
  // Where the first has no element, zero is added to what the second has.
  entry::index_put_(values, TensorSpan(&to_a, 1), left, false);
  const Tensor sums = ops::add(entry::index_select(values, 0, to_b), right, alpha);
  entry::index_put_(values, TensorSpan(&to_b, 1), sums, false);
  const Tensor flat = empty(Dims{each[0]}, {DType::int64});
  entry::index_put_(flat, TensorSpan(&to_a, 1), in_a, false);
  entry::index_put_(flat, TensorSpan(&to_b, 1), in_b, false);
  cpu::unflatten_places(indices, flat, sizes);
  return make(self.sizes(), indices, values, coalesced);
}

}  // namespace

Tensor sum_of(const char* op, const Tensor& self, const Tensor& other, const Scalar& alpha) {
  const bool first = is_coo(self), second = is_coo(other);
  if (first && second) return merged(op, self, other, alpha);
  check(!first, op, ": ", op,
        "(sparse, dense) is not supported. Use add(dense, sparse) instead, or .to_dense()");
  check(same(self.sizes(), other.sizes()), op, ": Expected 'self' to have the size of 'other', ",
        show(other.sizes()), ", but got ", show(self.sizes()),
        ": a sparse tensor does not broadcast");
  const DType dtype = common(self, other);
  const Tensor made = ops::to(self, dtype, false, /*copy=*/true);
  add_into(op, made, other, alpha);
  return made;
}

// ---- products

namespace {

// The elements of both where both have some.
Tensor intersection(const Op& op, const Tensor& self, const Tensor& other) {
  check_same_places(op.name, self, other);
  if (same_places(coo_of(op.name, self).indices, coo_of(op.name, other).indices) &&
      coo_of(op.name, self).coalesced && coo_of(op.name, other).coalesced)
    return with_values(self, ops::mul(coo_of(op.name, self).values, coo_of(op.name, other).values),
                       true);
  const Tensor a = in_order(op.name, self), b = in_order(op.name, other);
  const Coo &in_a = coo_of(op.name, a), &in_b = coo_of(op.name, b);
  const IntSpan sizes = sparse_sizes(a, in_a);
  const Tensor flat_a = flat_places(op.name, in_a.indices, sizes);
  const Tensor flat_b = flat_places(op.name, in_b.indices, sizes);
  Tensor at_a = empty(Dims{0}, {DType::int64}), at_b = at_a;
  if (in_a.nnz() && in_b.nnz()) {
    const Tensor found = ops::clamp_max(ops::searchsorted(flat_b, flat_a), Scalar(in_b.nnz() - 1));
    const Tensor both = ops::eq(entry::index_select(flat_b, 0, found), flat_a);
    at_a = entry::view(entry::nonzero(both), Dims{-1});
    at_b = entry::index_select(found, 0, at_a);
  }
  return make(self.sizes(), entry::index_select(in_a.indices, 1, at_a),
              ops::mul(entry::index_select(in_a.values, 0, at_a),
                       entry::index_select(in_b.values, 0, at_b)),
              true);
}

}  // namespace

Tensor product_of(const Op& op, const Tensor& self, const Tensor& other) {
  if (is_coo(self) && is_coo(other)) return intersection(op, self, other);
  const Tensor& sparse = is_coo(self) ? self : other;
  const Tensor& dense = is_coo(self) ? other : self;
  const Coo& of = coo_of(op.name, sparse);
  if (dense.dim() == 0) return with_values(sparse, ops::mul(of.values, dense), of.coalesced);
  const Dims sizes = broadcast(self.sizes(), other.sizes(), op.name);
  check(same(sizes, sparse.sizes()), op.name, ": a sparse tensor of shape ", show(sparse.sizes()),
        " does not broadcast to ", show(sizes), ": make it dense with .to_dense()");
  const Tensor whole = entry::expand(dense, sizes, false);
  const Tensor factors = elements_at(op.name, whole, of.indices);
  return with_values(sparse, ops::mul(of.values, factors), of.coalesced);
}

// ---- all others

namespace {

// Of which the elements of one place may be added before or after.
bool is_linear(const Op& op) {
  static const std::string_view known[] = {"neg",        "mul.Tensor", "mul.Scalar",
                                           "div.Tensor", "div.Scalar", "conj_physical",
                                           "deg2rad",    "rad2deg",    "positive"};
  const std::string name = full_name(op);
  return std::find(std::begin(known), std::end(known), name) != std::end(known);
}

Tensor run(const Op& op, const std::vector<Value>& args) {
  Results results;
  redispatch(op, args.data(), results);
  return std::move(results.tensor());
}

// Places of any of them.
Tensor united(const char* op, std::span<const Tensor> parts) {
  TensorVec all;
  for (const Tensor& t : parts) all.push_back(coo_of(op, t).indices);
  const IntSpan sizes = sparse_sizes(parts[0], coo_of(op, parts[0]));
  const Tensor flat = flat_places(op, ops::cat(all, 1), sizes);
  return places_of(std::get<0>(ops::_unique2(flat)), sizes);
}

}  // namespace

Tensor pointwise(const Op& op, const Value* args) {
  TensorVec parts;
  bool others = false;
  for (size_t i = 0; i < op.nargs; ++i) {
    if (args[i].tag == Value::Tag::tensors) refuse(op, "not in lists");
    if (args[i].tag != Value::Tag::tensor) continue;
    const Tensor& t = args[i].tensor();
    if (is_coo(t))
      parts.push_back(t);
    else
      others |= t.dim() > 0;
  }
  if (parts.empty()) refuse(op, "it makes no sparse tensors");
  if (others) refuse(op, "not beside strided tensors");
  for (const Tensor& t : parts) check_same_places(op.name, parts[0], t);

  // What it gives of zero.
  std::vector<Value> values(args, args + op.nargs);
  TensorVec held;
  held.reserve(op.nargs);
  for (Value& v : values)
    if (v.tag == Value::Tag::tensor && is_coo(v.tensor()))
      v = boxing::box(held.emplace_back(ops::zeros(Dims{1}, v.tensor().dtype())));
  if (run(op, values).value().to_bool()) refuse(op, "zeros do not stay zero");

  Tensor indices;
  bool coalesced = true;
  if (parts.size() == 1) {
    if (!is_linear(op)) parts[0] = in_order(op.name, parts[0]);
    indices = coo_of(op.name, parts[0]).indices;
    coalesced = coo_of(op.name, parts[0]).coalesced;
  } else {
    for (Tensor& t : parts) t = in_order(op.name, t);
    indices = coo_of(op.name, parts[0]).indices;
    for (const Tensor& t : parts)
      if (!same_places(indices, coo_of(op.name, t).indices)) {
        indices = united(op.name, parts);
        break;
      }
  }
  held.clear();
  size_t part = 0;
  for (size_t i = 0; i < op.nargs; ++i) {
    values[i] = args[i];
    if (args[i].tag != Value::Tag::tensor || !is_coo(args[i].tensor())) continue;
    const Tensor& t = parts[part++];
    const Tensor own =
        parts.size() == 1 ? coo_of(op.name, t).values : elements_at(op.name, t, indices);
    values[i] = boxing::box(held.emplace_back(own));
  }
  return make(parts[0].sizes(), indices, run(op, values), coalesced);
}

}  // namespace flambeau::inline v1::sparse
