// The ops of other families, as tensors of layout sparse_coo have them. What stands not in the
// table and is not elementwise is refused by its name.

#include <unordered_map>

#include "core/dispatch/backend.h"
#include "core/dispatch/entry.h"
#include "core/dispatch/outputs.h"
#include "flambeau/ops/any.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/equal.h"
#include "flambeau/ops/linalg_vector_norm.h"
#include "flambeau/ops/resolve_conj.h"
#include "flambeau/ops/squeeze.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/zeros.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"

namespace flambeau::inline v1::sparse {

void refuse(const Op& op, const char* why) {
  raise<NotImplementedError>(op.name, ": tensors of layout torch.sparse_coo do not have it (", why,
                             "): convert them with .to_dense()");
}

namespace {

using Body = Tensor (*)(const Op& op, const Value* args);

const Tensor& tensor(const Value& v) { return v.tensor(); }
template <class T>
std::optional<T> maybe(const Value& v) {
  return boxing::Unbox<std::optional<T>>::get(v);
}
bool taken(const Value& v) { return v.tag == Value::Tag::boolean && v.boolean_; }

// What is asked for beside a tensor, or of a factory, from the dtype on.
struct Options {
  Options(const Op& op, const Value* args) {
    check<NotImplementedError>(maybe<Device>(args[2]).value_or(Device{}).is_cpu(), op.name,
                               ": layout torch.sparse_coo is not supported on device '",
                               maybe<Device>(args[2]).value_or(Device{}).str(), "'");
    check<NotImplementedError>(!taken(args[3]), op.name, ": pin_memory=True is not supported");
    dtype = maybe<DType>(args[0]);
    layout = maybe<Layout>(args[1]);
  }
  std::optional<DType> dtype;
  std::optional<Layout> layout;
};

void check_format(const Op& op, const Value& v) {
  const auto format = maybe<MemoryFormat>(v);
  check(!format || *format == MemoryFormat::preserve, op.name,
        ": unsupported memory format option ",
        memory_format_name(format.value_or(MemoryFormat::preserve)),
        ": sparse tensors have torch.preserve_format");
}

void check_may_take(const char* op, const Tensor& self) {
  check_may_write(self);
  check(!coo_of(op, self).is_part, op,
        ": what was selected from a sparse tensor is no view of it, "
        "and is not changed in place: change a clone()");
}

// ---- copies

Tensor shared(const Op& op, const Value* args) {
  const Tensor& t = tensor(args[0]);
  const Coo& of = coo_of(op.name, t);
  return make(t.sizes(), of.indices, of.values, of.coalesced);
}

Tensor clone(const Op& op, const Value* args) {
  check_format(op, args[1]);
  const Tensor& t = tensor(args[0]);
  const Coo& of = coo_of(op.name, t);
  return make(t.sizes(), ops::clone(of.indices), ops::clone(of.values), of.coalesced);
}

Tensor to_copy(const Op& op, const Value* args) {
  const Options asked(op, args + 1);
  const Tensor& t = tensor(args[0]);
  const Layout layout = asked.layout.value_or(t.layout());
  const DType dtype = asked.dtype.value_or(t.dtype());
  check_format(op, args[6]);
  if (layout == Layout::strided) return ops::to(dense_of(op.name, t), dtype);
  check<NotImplementedError>(layout == Layout::sparse_coo, op.name, ": torch.",
                             layout_name(t.layout()), " is not converted to torch.",
                             layout_name(layout));
  if (!is_coo(t)) return from_dense(ops::to(t, dtype), t.dim());
  const Coo& of = coo_of(op.name, t);
  return make(t.sizes(), ops::clone(of.indices), ops::to(of.values, dtype, false, true),
              of.coalesced);
}

Tensor copy_(const Op& op, const Value* args) {
  const Tensor &self = tensor(args[0]), &src = tensor(args[1]);
  check(is_coo(self) && is_coo(src), op.name,
        ": copy_() between dense and sparse Tensors is not implemented! Found self of layout "
        "torch.",
        layout_name(self.layout()), " and src of torch.", layout_name(src.layout()));
  check(same(self.sizes(), src.sizes()), op.name, ": expected src of shape ", show(self.sizes()),
        ", got ", show(src.sizes()));
  check_may_take(op.name, self);
  const Coo& of = coo_of(op.name, src);
  take(self, make(src.sizes(), ops::clone(of.indices),
                  ops::to(of.values, self.dtype(), false, true), of.coalesced));
  return self;
}

// ---- factories

Tensor made(const Op& op, const Value* args) {
  const Options asked(op, args + 1);
  const IntSpan sizes = args[0].integers();
  return without_elements(sizes, static_cast<int64_t>(sizes.size()),
                          asked.dtype.value_or(default_dtype()));
}

Tensor made_new(const Op& op, const Value* args) {
  const Options asked(op, args + 2);
  const IntSpan sizes = args[1].integers();
  const DType dtype = asked.dtype.value_or(tensor(args[0]).dtype());
  if (asked.layout.value_or(tensor(args[0]).layout()) == Layout::strided)
    return ops::zeros(sizes, dtype);
  return without_elements(sizes, static_cast<int64_t>(sizes.size()), dtype);
}

Tensor made_like(const Op& op, const Value* args) {
  const Options asked(op, args + 1);
  const Tensor& t = tensor(args[0]);
  const DType dtype = asked.dtype.value_or(t.dtype());
  if (asked.layout.value_or(t.layout()) == Layout::strided) return ops::zeros(t.sizes(), dtype);
  check_format(op, args[5]);
  const int64_t dims = is_coo(t) ? coo_of(op.name, t).sparse_dim() : t.dim();
  return without_elements(t.sizes(), dims, dtype);
}

Tensor zero_(const Op& op, const Value* args) {
  const Tensor& t = tensor(args[0]);
  check_may_take(op.name, t);
  take(t, without_elements(t.sizes(), coo_of(op.name, t).sparse_dim(), t.dtype()));
  return t;
}

// ---- sums and products of elements

Tensor added(const Op& op, const Value* args) {
  return sum_of(op.name, tensor(args[0]), tensor(args[1]), *args[2].scalar_);
}

Scalar negated(const Scalar& v) {
  if (v.is_complex()) return -v.to_complex();
  return v.is_floating() ? Scalar(-v.to_double()) : Scalar(printed::sub(int64_t{0}, v.to_int()));
}

Tensor subtracted(const Op& op, const Value* args) {
  return sum_of(op.name, tensor(args[0]), tensor(args[1]), negated(*args[2].scalar_));
}

// Into a strided tensor in place: no result is made.
Tensor add_or_sub_(const Op& op, const Value* args, bool subtract) {
  const Tensor &self = tensor(args[0]), &other = tensor(args[1]);
  const Scalar alpha = subtract ? negated(*args[2].scalar_) : *args[2].scalar_;
  check_may_write(self);
  if (is_coo(self)) {
    check_may_take(op.name, self);
    const Tensor sum = sum_of(op.name, self, other, alpha);
    check_self(op.name, self, sum);
    take(self, sum.dtype() == self.dtype() ? sum : ops::to(sum, self.dtype()));
    return self;
  }
  const bool fits = same(self.sizes(), other.sizes());
  check(fits, op.name, ": Expected 'self' to have the size of 'other', ", show(other.sizes()),
        ", but got ", show(self.sizes()), ": a sparse tensor does not broadcast");
  shape::Promotion promotion;
  promotion.add(self);
  promotion.add(other);
  check_self(op.name, self, Spec{Dims(self.sizes()), promotion.result()});
  check_written_once(op.name, self);
  add_into(op.name, self, other, alpha);
  return self;
}
Tensor add_(const Op& op, const Value* args) { return add_or_sub_(op, args, false); }
Tensor sub_(const Op& op, const Value* args) { return add_or_sub_(op, args, true); }

Tensor multiplied(const Op& op, const Value* args) {
  return product_of(op, tensor(args[0]), tensor(args[1]));
}

// ---- reductions

Tensor sum(const Op& op, const Value* args) {
  return summed(op.name, tensor(args[0]), {}, false, maybe<DType>(args[1]));
}

Tensor sum_dims(const Op& op, const Value* args) {
  const auto dims = maybe<IntSpan>(args[1]);
  return summed(op.name, tensor(args[0]), dims ? *dims : IntSpan(), args[2].boolean_,
                maybe<DType>(args[3]));
}

Tensor norm(const Op& op, const Value* args) {
  const Tensor& t = tensor(args[0]);
  const auto dims = maybe<IntSpan>(args[2]);
  const bool all = !dims || dims->empty() || static_cast<int64_t>(dims->size()) == t.dim();
  if (!all || args[3].boolean_) refuse(op, "only over all dimensions, and without keepdim");
  const double ord = args[1].scalar_->to_double();
  if (!(ord >= 0)) refuse(op, "not of a negative order, for which zeros count");
  const Tensor sorted = in_order(op.name, t);
  const Coo& of = coo_of(op.name, sorted);
  const Tensor elements = of.values.numel() ? of.values : ops::zeros(Dims{1}, t.dtype());
  return entry::linalg_vector_norm(elements, *args[1].scalar_, std::nullopt, false,
                                   maybe<DType>(args[4]));
}

Tensor any(const Op& op, const Value* args) {
  const Tensor sorted = in_order(op.name, tensor(args[0]));
  return entry::any(coo_of(op.name, sorted).values);
}

// ---- products of matrices

Tensor mm(const Op& op, const Value* args) {
  return product(op.name, tensor(args[0]), tensor(args[1]));
}

Tensor mv(const Op& op, const Value* args) {
  const Tensor &self = tensor(args[0]), &vec = tensor(args[1]);
  check(self.dim() == 2 && vec.dim() == 1 && is_coo(self) && !is_coo(vec), op.name,
        ": vector + matrix @ vector expected, got ", self.dim(), "-D and ", vec.dim(),
        "-D tensors, of which the first alone may be sparse");
  return entry::squeeze_dim(product(op.name, self, entry::unsqueeze(vec, 1)), 1);
}

Tensor bmm(const Op&, const Value* args) {
  return batched_product(tensor(args[0]), tensor(args[1]));
}

Tensor addmm(const Op& op, const Value* args) {
  return added_product(op.name, tensor(args[0]), tensor(args[1]), tensor(args[2]), *args[3].scalar_,
                       *args[4].scalar_);
}

// ---- geometry

Tensor t(const Op& op, const Value* args) {
  const Tensor& self = tensor(args[0]);
  const Coo& of = coo_of(op.name, self);
  check(of.sparse_dim() <= 2 && of.dense_dim() == 0, op.name,
        ": t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got ", of.sparse_dim(),
        " sparse and ", of.dense_dim(), " dense dimensions");
  return self.dim() < 2 ? shared(op, args) : transposed(op.name, self, 0, 1);
}

// Without the bit: what a sparse tensor consists of has none.
Tensor conj(const Op& op, const Value* args) {
  const Tensor& self = tensor(args[0]);
  const Coo& of = coo_of(op.name, self);
  return with_values(self, ops::resolve_conj(ops::conj(of.values)), of.coalesced);
}

Tensor transpose(const Op& op, const Value* args) {
  return transposed(op.name, tensor(args[0]), args[1].integer_, args[2].integer_);
}

Tensor permute(const Op& op, const Value* args) {
  const Tensor& self = tensor(args[0]);
  const IntSpan dims = args[1].integers();
  check(static_cast<int64_t>(dims.size()) == self.dim(), op.name,
        ": number of dimensions in the tensor input does not match the length of the desired "
        "ordering of dimensions i.e. input.dim() = ",
        self.dim(), " is not equal to len(dims) = ", dims.size());
  Dims order;
  for (const int64_t d : dims) {
    const int64_t wrapped = wrap_dim(d, self.dim(), op.name);
    check(std::find(order.begin(), order.end(), wrapped) == order.end(), op.name,
          ": permute(): duplicate dims are not allowed.");
    order.push_back(wrapped);
  }
  return permuted(op.name, self, order);
}

Tensor unsqueeze(const Op&, const Value* args) {
  return unsqueezed(tensor(args[0]), args[1].integer_);
}
Tensor squeeze(const Op&, const Value* args) { return squeezed(tensor(args[0]), std::nullopt); }
Tensor squeeze_dim(const Op&, const Value* args) {
  return squeezed(tensor(args[0]), Dims{args[1].integer_});
}
Tensor squeeze_dims(const Op&, const Value* args) {
  return squeezed(tensor(args[0]), args[1].integers());
}

// What is taken out is no view: a change would not reach what it was taken from.
Tensor as_part(const Op& op, Tensor t) {
  if (is_coo(t)) coo_of(op.name, t).is_part = true;
  return t;
}

Tensor select(const Op& op, const Value* args) {
  return as_part(op, selected(op.name, tensor(args[0]), args[1].integer_, args[2].integer_));
}
Tensor slice(const Op& op, const Value* args) {
  return as_part(op, sliced(tensor(args[0]), args[1].integer_, maybe<int64_t>(args[2]),
                            maybe<int64_t>(args[3]), args[4].integer_));
}
Tensor index_select(const Op& op, const Value* args) {
  if (!is_coo(tensor(args[0]))) refuse(op, "as an index");
  if (is_coo(tensor(args[2]))) refuse(op, "as an index");
  return index_selected(tensor(args[0]), args[1].integer_, tensor(args[2]));
}
Tensor cat(const Op& op, const Value* args) {
  return joined(op.name, args[0].tensors(), args[1].integer_);
}
Tensor stack(const Op& op, const Value* args) {
  TensorVec parts;
  for (const Tensor& t : args[0].tensors()) {
    check(is_coo(t), op.name, ": sparse and dense tensors are not stacked");
    const int64_t d = wrap_dim(args[1].integer_, t.dim() + 1, op.name);
    parts.push_back(unsqueezed(t, d));
  }
  return joined(op.name, parts, args[1].integer_);
}

const std::unordered_map<std::string_view, Body> kBodies = {
    {"alias", shared},
    {"detach", shared},
    {"clone", clone},
    {"_to_copy", to_copy},
    {"copy_", copy_},
    {"zeros", made},
    {"empty.memory_format", made},
    {"new_zeros", made_new},
    {"new_empty", made_new},
    {"zeros_like", made_like},
    {"empty_like", made_like},
    {"zero_", zero_},
    {"add.Tensor", added},
    {"add_.Tensor", add_},
    {"sub.Tensor", subtracted},
    {"sub_.Tensor", sub_},
    {"mul.Tensor", multiplied},
    {"sum", sum},
    {"sum.dim_IntList", sum_dims},
    {"linalg_vector_norm", norm},
    {"any", any},
    {"mm", mm},
    {"mv", mv},
    {"bmm", bmm},
    {"addmm", addmm},
    {"t", t},
    {"_conj", conj},
    {"transpose.int", transpose},
    {"permute", permute},
    {"unsqueeze", unsqueeze},
    {"squeeze", squeeze},
    {"squeeze.dim", squeeze_dim},
    {"squeeze.dims", squeeze_dims},
    {"select.int", select},
    {"slice.Tensor", slice},
    {"index_select", index_select},
    {"cat", cat},
    {"stack", stack},
};

Body body_of(const Op& op) {
  static const auto* const known = [] {
    auto* const made = new std::unordered_map<const Op*, Body>;
    for (const auto& [name, body] : kBodies) (*made)[find_op(name)] = body;
    return made;
  }();
  const auto found = known->find(&op);
  return found == known->end() ? nullptr : found->second;
}

// ---- forms that write what they are given

// In place: the functional form's result takes the place of what self consists of.
void in_place(const Op& op, const Value* args, Results& results) {
  const Tensor& self = tensor(args[0]);
  if (!is_coo(self)) refuse(op, "beside a strided tensor that is changed");
  check_may_take(op.name, self);
  Results made;
  redispatch(*find_op(op.functional), args, made);
  const Tensor& result = made.tensor();
  check_self(op.name, self, result);
  take(self, result.dtype() == self.dtype() ? result : ops::to(result, self.dtype()));
  results.add(self);
}

void into_out(const Op& op, const Value* args, Results& results) {
  const Op& functional = *find_op(op.functional);
  if (op.nargs != functional.nargs + 1) refuse(op, "with several out=");
  const Tensor& out = tensor(args[op.nargs - 1]);
  check_may_write(out);
  if (is_coo(out)) check_may_take(op.name, out);
  Results made;
  redispatch(functional, args, made);
  const Tensor& result = made.tensor();
  check(result.layout() == out.layout(), op.name, ": the result has layout torch.",
        layout_name(result.layout()), ", and out= torch.", layout_name(out.layout()));
  if (is_coo(out)) {
    check_self(op.name, out, result);
    take(out, result.dtype() == out.dtype() ? result : ops::to(result, out.dtype()));
  } else {
    resize_and_give(op.name, out, result);
  }
  results.add(out);
}

bool is_sparse_self(const Op& op, const Value* args) {
  return op.nargs > 0 && args[0].tag == Value::Tag::tensor && is_coo(args[0].tensor());
}

void handle(const Op& op, const Value* args, Results& results) {
  static const Op *const equal = find_op("equal"), *const item = find_op("_local_scalar_dense"),
                         *const unbind = find_op("unbind.int");
  if (const Body body = body_of(op)) return results.add(body(op, args));
  if (&op == item) return results.add(dense_of(op.name, tensor(args[0])).value());
  if (&op == unbind) {
    const Tensor& self = tensor(args[0]);
    const int64_t d = wrap_dim(args[1].integer_, self.dim(), op.name);
    TensorVec parts;
    for (int64_t i = 0; self.dim() && i < self.sizes()[static_cast<size_t>(d)]; ++i)
      parts.push_back(as_part(op, selected(op.name, self, d, i)));
    return results.add(std::move(parts));
  }
  if (&op == equal && is_coo(tensor(args[0])) && is_coo(tensor(args[1]))) {
    const Tensor &a = tensor(args[0]), &b = tensor(args[1]);
    if (!same(a.sizes(), b.sizes())) return results.add(false);
    return results.add(entry::equal(dense_of(op.name, a), dense_of(op.name, b)));
  }
  // An op of which there is no other form stands for itself.
  const Op* const functional = op.functional ? find_op(op.functional) : nullptr;
  const bool derived = functional && functional != &op && !(op.tags & tag::inplace_view) &&
                       (functional->mask & bit(Key::backend));
  if (derived && (op.tags & tag::inplace)) return in_place(op, args, results);
  if (derived && (op.tags & tag::out)) return into_out(op, args, results);
  if ((op.tags & tag::pointwise) && op.nreturns == 1) return results.add(pointwise(op, args));
  refuse(op,
         is_sparse_self(op, args) ? "docs/sparse.md has those that there are" : "as this argument");
}

[[maybe_unused]] const bool registered = [] {
  set_backend_handler(DeviceType::cpu, Layout::sparse_coo, handle);
  return true;
}();

}  // namespace
}  // namespace flambeau::inline v1::sparse
