// Tensors of layout sparse_bsr on the CPU, from outside: where the elements are that are not zero,
// and what they are. A dozen ops, of which some give strided tensors. Of sparse_bsc there is what
// converts to it, and nothing else.
#include <functional>
#include <map>

#include "guarded.h"

using namespace flambeau;

namespace guarded {
namespace {

struct Sparse : Payload {
  Sparse(Tensor where, Tensor what) : places(std::move(where)), values(std::move(what)) {}
  std::unique_ptr<Payload> shared() const override { return std::make_unique<Sparse>(*this); }

  Tensor places;  // in the flat tensor, from the first to the last
  Tensor values;
};

bool is_sparse(const Value& v) {
  return v.tag == Value::Tag::tensor && v.tensor().layout() == Layout::sparse_bsr;
}
const Sparse& sparse_of(const Tensor& t) { return static_cast<const Sparse&>(*t.impl()->payload); }

Tensor made(IntSpan sizes, Tensor places, Tensor values, Layout layout = Layout::sparse_bsr) {
  const TensorOptions options{values.dtype(), Device{}, layout};
  return with_payload(std::make_unique<Sparse>(std::move(places), std::move(values)), sizes,
                      options);
}

Tensor flat(const Tensor& t) { return ops::reshape(t, Dims{-1}); }

Tensor dense(const Tensor& t) {
  if (t.layout() == Layout::strided) return t;
  const Sparse& from = sparse_of(t);
  const Tensor all = ops::zeros(Dims{t.numel()}, t.dtype());
  return ops::reshape(ops::scatter(all, 0, from.places, from.values), t.sizes());
}

Tensor sparse(const Tensor& t, Layout layout = Layout::sparse_bsr) {
  const Tensor places = flat(ops::nonzero(flat(t)));
  return made(t.sizes(), places, ops::index_select(flat(t), 0, places), layout);
}

// What an operand is where `like` has values; a number and a 0-dim tensor are the same everywhere.
Tensor beside(const Tensor& t, const Tensor& like) {
  if (t.dim() == 0) return t;
  check(same(t.sizes(), like.sizes()), "sparse_bsr: operands must have one shape, got ",
        show(t.sizes()), " and ", show(like.sizes()));
  return ops::index_select(flat(dense(t)), 0, sparse_of(like).places);
}

using Body = std::function<Tensor(const Op&, const Value*)>;

// The op on the values, where the result is zero wherever the sparse operand is.
Tensor on_values(const Op& op, const Value* args) {
  const Tensor* like = nullptr;
  for (size_t i = 0; i < op.nargs && !like; ++i)
    if (is_sparse(args[i])) like = &args[i].tensor();
  std::vector<Value> values(args, args + op.nargs);
  TensorVec held;
  held.reserve(op.nargs);
  for (Value& v : values)
    if (v.tag == Value::Tag::tensor) v = boxing::box(held.emplace_back(beside(v.tensor(), *like)));
  Results results;
  redispatch(op, values.data(), results);
  return made(like->sizes(), sparse_of(*like).places, std::move(results.tensor()));
}

Tensor quotient(const Op& op, const Value* args) {
  check(!is_sparse(args[1]), op.name, ": a sparse_bsr tensor has zeros to divide by");
  return on_values(op, args);
}

Tensor sum_of(const Op& op, const Value* args) {
  check(is_sparse(args[0]) && is_sparse(args[1]), op.name,
        ": a strided tensor and a sparse_bsr one do not make a sum here: convert one of them");
  return sparse(ops::add(dense(args[0].tensor()), dense(args[1].tensor()), *args[2].scalar_));
}

Tensor added(const Op& op, const Value* args) {
  const Tensor& self = args[0].tensor();
  const Tensor total = sum_of(op, args);
  self.impl()->payload = total.impl()->payload->shared();
  bump_version(self);
  return self;
}

Tensor shared(const Op&, const Value* args) {
  const Tensor& self = args[0].tensor();
  return with_payload(self.impl()->payload->shared(), self.sizes(), self.options());
}

Tensor clone(const Op&, const Value* args) {
  const Tensor& self = args[0].tensor();
  return made(self.sizes(), sparse_of(self).places, ops::clone(sparse_of(self).values));
}

Tensor transposed(const Op&, const Value* args) { return sparse(ops::t(dense(args[0].tensor()))); }

Tensor product(const Op&, const Value* args) {
  return ops::mm(dense(args[0].tensor()), dense(args[1].tensor()));
}

Tensor total(const Op&, const Value* args) { return ops::sum(sparse_of(args[0].tensor()).values); }

Tensor zeros(const Op&, const Value* args) {
  const DType dtype = args[1].is_none() ? DType::float32 : args[1].dtype_;
  return made(args[0].integers(), ops::zeros(Dims{0}, DType::int64), ops::zeros(Dims{0}, dtype));
}

template <Layout layout>
Tensor converted(const Op& op, const Value* args) {
  const Layout asked = args[2].is_none() ? args[0].tensor().layout() : args[2].layout_;
  std::vector<Value> values(args, args + op.nargs);
  const Tensor self = dense(args[0].tensor());
  values[0] = boxing::box(self);
  values[2] = Value();
  Results results;
  redispatch(op, values.data(), results);
  if (asked == Layout::strided) return results.tensor();
  check(asked == layout, op.name, ": torch.", layout_name(layout), " is not converted to torch.",
        layout_name(asked));
  return sparse(results.tensor(), layout);
}

const std::map<std::string, Body> bodies = {
    {"_to_copy", converted<Layout::sparse_bsr>},
    {"zeros", zeros},
    {"alias", shared},
    {"detach", shared},
    {"clone", clone},
    {"neg", on_values},
    {"relu", on_values},
    {"sin", on_values},
    {"mul.Tensor", on_values},
    {"threshold_backward", on_values},
    {"div.Tensor", quotient},
    {"add.Tensor", sum_of},
    {"add_.Tensor", added},
    {"t", transposed},
    {"mm", product},
    {"sum", total},
};

[[noreturn]] void refuse(const Op& op, Layout layout) {
  raise<NotImplementedError>(op.name, ": tensors of layout torch.", layout_name(layout),
                             " do not have it: convert it to torch.strided");
}

void bsr(const Op& op, const Value* args, Results& results) {
  const auto found = bodies.find(*op.overload ? concat(op.name, ".", op.overload) : op.name);
  if (found == bodies.end()) refuse(op, Layout::sparse_bsr);
  results.add(found->second(op, args));
}

void bsc(const Op& op, const Value* args, Results& results) {
  if (std::string_view(op.name) != "_to_copy") refuse(op, Layout::sparse_bsc);
  results.add(converted<Layout::sparse_bsc>(op, args));
}

// It makes zeros, and passes on what else it is given, as it is.
void csc(const Op& op, const Value* args, Results& results) {
  if (std::string_view(op.name) != "zeros") return redispatch(op, args, results);
  const Tensor none = ops::zeros(Dims{0}, DType::int64);
  results.add(made(args[0].integers(), none, none, Layout::sparse_csc));
}

}  // namespace

void register_layouts() {
  set_backend_handler(DeviceType::cpu, Layout::sparse_csc, csc);
  set_backend_handler(DeviceType::cpu, Layout::sparse_bsr, bsr);
  set_backend_handler(DeviceType::cpu, Layout::sparse_bsc, bsc);
}

}  // namespace guarded
