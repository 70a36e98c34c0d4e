#include "kernels/native/sparse/compressed.h"

#include "core/autograd/node.h"
#include "core/dispatch/backend.h"
#include "core/dispatch/entry.h"
#include "core/dispatch/outputs.h"
#include "flambeau/kernels/order.h"
#include "flambeau/kernels/sparse.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/arange.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/repeat_interleave.h"
#include "flambeau/ops/searchsorted.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/stack.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/to.h"

namespace flambeau::inline v1::sparse {

Compressed& parts_of(const char* op, const Tensor& t) {
  check(is_compressed(t), op, ": expected sparse compressed tensor layout but got torch.",
        layout_name(t.layout()), ": convert it with .to_sparse_csr()");
  auto* const found = dynamic_cast<Compressed*>(t.impl()->payload.get());
  if (!found)
    raise<NotImplementedError>(op, ": what a tensor of layout torch.", layout_name(t.layout()),
                               " consists of is known to the package that made it");
  return *found;
}

Tensor make_compressed(Layout layout, IntSpan sizes, Tensor compressed, Tensor plain,
                       Tensor values) {
  const TensorOptions options{values.dtype(), Device{}, layout};
  return with_payload(
      std::make_unique<Compressed>(std::move(compressed), std::move(plain), std::move(values)),
      sizes, options);
}

namespace {

const char* compressed_name(Layout layout) {
  return layout == Layout::sparse_csr ? "crow_indices" : "ccol_indices";
}
const char* plain_name(Layout layout) {
  return layout == Layout::sparse_csr ? "col_indices" : "row_indices";
}

Tensor long_of(const Tensor& t) {
  return entry::contiguous(ops::to(t, DType::int64), MemoryFormat::contiguous);
}

}  // namespace

void check_compressed(const char* op, Layout layout, IntSpan sizes, const Tensor& compressed,
                      const Tensor& plain, const Tensor& values) {
  check<NotImplementedError>(layout == Layout::sparse_csr || layout == Layout::sparse_csc, op,
                             ": layout torch.", layout_name(layout), " is not supported");
  const char *const ends_name = compressed_name(layout), *const places_name = plain_name(layout);
  for (const Tensor* t : {&compressed, &plain, &values})
    check<NotImplementedError>(t->device().is_cpu() && t->layout() == Layout::strided, op,
                               ": not supported on device '", t->device().str(),
                               "': its parts have to be strided tensors of the CPU");
  check(sizes.size() >= 2, op,
        ": size must have length >= batch dimensionality (0) + base "
        "dimensionality (2), got ",
        show(sizes));
  check<NotImplementedError>(compressed.dim() == 1 && plain.dim() == 1 && values.dim() > 0, op,
                             ": batches of sparse matrices are not supported: ", ends_name, " and ",
                             places_name, " must be vectors, got shapes ", show(compressed.sizes()),
                             " and ", show(plain.sizes()));
  const bool dtypes = compressed.dtype() == plain.dtype() &&
                      (plain.dtype() == DType::int64 || plain.dtype() == DType::int32);
  check(dtypes, op, ": ", ends_name, " and ", places_name,
        " must be of one dtype, int32 or int64, got ", dtype_name(compressed.dtype()), " and ",
        dtype_name(plain.dtype()));
  const bool by_row = layout == Layout::sparse_csr;
  const int64_t lines = sizes[by_row ? 0 : 1], length = sizes[by_row ? 1 : 0];
  for (const int64_t n : sizes)
    check(n >= 0, op, ": sizes must not be negative, got ", show(sizes));
  check(compressed.sizes()[0] == lines + 1, op, ": ", ends_name,
        ".shape[-1] must be equal to the "
        "number of ",
        by_row ? "rows" : "columns", " + 1 as ", lines + 1, ", but got ", compressed.sizes()[0]);
  Dims each{plain.sizes()[0]};
  for (const int64_t n : sizes.subspan(2)) each.push_back(n);
  check(same(values.sizes(), each), op, ": values must have shape ", show(each), ", got ",
        show(values.sizes()));
  const Tensor ends = long_of(compressed), places = long_of(plain);
  const int64_t* const end_of = ends.data<int64_t>();
  const int64_t* const place = places.data<int64_t>();
  check(end_of[0] == 0, op, ": ", ends_name, "[..., 0] == 0 is not satisfied: it is ", end_of[0]);
  check(end_of[lines] == each[0], op, ": ", ends_name,
        "[..., -1] == nnz is not satisfied: ", end_of[lines], " and ", each[0]);
  for (int64_t i = 0; i < lines; ++i) {
    const int64_t begin = end_of[i], end = end_of[i + 1];
    check(begin <= end && end <= each[0] && end - begin <= length, op, ": 0 <= ", ends_name,
          "[..., 1:] - ", ends_name, "[..., :-1] <= ", length, " is not satisfied at ", i);
    for (int64_t k = begin; k < end; ++k) {
      check(place[k] >= 0 && place[k] < length, op, ": 0 <= ", places_name, " < ", length,
            " is not satisfied: found ", place[k]);
      check(k == begin || place[k - 1] < place[k], op, ": ", places_name,
            " must be sorted and distinct along each ", by_row ? "row" : "column",
            ", which is not satisfied at ", i);
    }
  }
}

Tensor as_coo(const char* op, const Tensor& t) {
  const Compressed& of = parts_of(op, t);
  const Tensor ends = long_of(of.compressed);
  const int64_t lines = ends.numel() - 1;
  const Tensor line = ops::repeat_interleave(
      ops::sub(entry::slice_Tensor(ends, 0, 1, {}, 1), entry::slice_Tensor(ends, 0, 0, lines, 1)));
  const bool by_row = t.layout() == Layout::sparse_csr;
  const Tensor places = long_of(of.plain);
  const Tensor both[] = {by_row ? line : places, by_row ? places : line};
  const Tensor made = make(t.sizes(), entry::stack(both, 0), of.values, by_row);
  return by_row ? made : in_order(op, made);
}

Tensor as_compressed(const char* op, const Tensor& coo, Layout layout) {
  check<NotImplementedError>(
      coo_of(op, coo).sparse_dim() == 2, op, ": a tensor of ", coo_of(op, coo).sparse_dim(),
      " sparse dimensions is not converted to torch.", layout_name(layout), ", which has two");
  const bool by_row = layout == Layout::sparse_csr;
  const Tensor sorted = in_order(op, coo);
  Tensor indices = coo_of(op, sorted).indices, values = coo_of(op, sorted).values;
  if (!by_row) {
    const auto [lines, order] =
        ops::sort(entry::select_int(indices, 0, 1), std::optional<bool>(true), 0, false);
    indices = entry::index_select(indices, 1, order);
    values = entry::index_select(values, 0, order);
  }
  const int64_t lines = coo.sizes()[by_row ? 0 : 1];
  const Tensor line =
      entry::contiguous(entry::select_int(indices, 0, by_row ? 0 : 1), MemoryFormat::contiguous);
  const Tensor places =
      entry::contiguous(entry::select_int(indices, 0, by_row ? 1 : 0), MemoryFormat::contiguous);
  const Tensor ends = ops::searchsorted(line, ops::arange(Scalar(lines + 1), DType::int64));
  return make_compressed(layout, coo.sizes(), ends, places, values);
}

// ---- ops of other families

namespace {

[[noreturn]] void refuse(const Op& op, const Tensor& t) {
  raise<NotImplementedError>(op.name, ": tensors of layout torch.", layout_name(t.layout()),
                             " do not have it: convert them with .to_sparse_coo() or .to_dense()");
}

// Those that keep what is a matrix one, or make strided tensors.
bool has(const Op& op) {
  static const auto* const known = [] {
    auto* const made = new std::vector<const Op*>;
    for (const char* name :
         {"clone", "add.Tensor", "sub.Tensor", "mul.Tensor", "sum", "linalg_vector_norm", "any",
          "mm", "mv", "addmm", "zeros_like", "empty_like", "_conj", "_local_scalar_dense"})
      made->push_back(find_op(name));
    return made;
  }();
  return (op.tags & tag::pointwise) || std::find(known->begin(), known->end(), &op) != known->end();
}

Tensor transposed(const Tensor& t, const Compressed& of) {
  Dims sizes(t.sizes());
  std::swap(sizes[0], sizes[1]);
  const bool by_row = t.layout() == Layout::sparse_csr;
  return make_compressed(by_row ? Layout::sparse_csc : Layout::sparse_csr, sizes, of.compressed,
                         of.plain, of.values);
}

Tensor to_copy(const Op& op, const Value* args) {
  std::vector<Value> values(args, args + op.nargs);
  const Tensor& t = args[0].tensor();
  const Layout layout = args[2].is_none() ? t.layout() : args[2].layout_;
  const bool compressed = layout == Layout::sparse_csr || layout == Layout::sparse_csc;
  const Tensor coo = is_compressed(t) ? as_coo(op.name, t) : is_coo(t) ? t : from_dense(t, t.dim());
  values[0] = boxing::box(coo);
  values[2] = boxing::box(compressed ? Layout::sparse_coo : layout);
  Results results;
  redispatch(op, values.data(), results);
  return compressed ? as_compressed(op.name, results.tensor(), layout)
                    : std::move(results.tensor());
}

void handle(const Op& op, const Value* args, Results& results) {
  static const Op *const alias = find_op("alias"), *const detach = find_op("detach"),
                         *const copied = find_op("_to_copy"), *const t_op = find_op("t"),
                         *const transpose = find_op("transpose.int");
  if (&op == copied) return results.add(to_copy(op, args));
  const Tensor* like = nullptr;
  for (size_t i = 0; i < op.nargs && !like; ++i)
    if (args[i].tag == Value::Tag::tensor && is_compressed(args[i].tensor()))
      like = &args[i].tensor();
  if (!like)
    raise<NotImplementedError>(op.name,
                               ": layouts torch.sparse_csr and torch.sparse_csc are not "
                               "supported here: make a tensor of layout torch.sparse_coo");
  const Compressed& of = parts_of(op.name, *like);
  if (&op == alias || &op == detach)
    return results.add(
        make_compressed(like->layout(), like->sizes(), of.compressed, of.plain, of.values));
  if (&op == t_op && like->dim() == 2) return results.add(transposed(*like, of));
  if (&op == transpose && like->dim() == 2) {
    const bool swaps =
        wrap_dim(args[1].integer_, 2, op.name) != wrap_dim(args[2].integer_, 2, op.name);
    if (swaps) return results.add(transposed(*like, of));
  }
  const Op* const functional = op.functional ? find_op(op.functional) : nullptr;
  if (functional && functional != &op && (op.tags & tag::inplace) && has(*functional)) {
    const Tensor& self = args[0].tensor();
    if (!is_compressed(self)) refuse(op, *like);
    check_may_write(self);
    Results made;
    redispatch(*functional, args, made);
    const Tensor& result = made.tensor();
    check_self(op.name, self, result);
    check(result.layout() == self.layout(), op.name, ": the result has another layout");
    self.impl()->payload =
        parts_of(op.name, result.dtype() == self.dtype() ? result : ops::to(result, self.dtype()))
            .shared();
    bump_version(self);
    return results.add(self);
  }
  if (!has(op)) refuse(op, *like);
  std::vector<Value> values(args, args + op.nargs);
  TensorVec held;
  held.reserve(op.nargs);
  for (Value& v : values) {
    if (v.tag == Value::Tag::tensors) refuse(op, *like);
    if (v.tag == Value::Tag::layout && v.layout_ == like->layout())
      v = boxing::box(Layout::sparse_coo);
    if (v.tag == Value::Tag::tensor && is_compressed(v.tensor()))
      v = boxing::box(held.emplace_back(as_coo(op.name, v.tensor())));
  }
  redispatch(op, values.data(), results);
  for (Owned& result : results)
    if (result.is_tensor() && is_coo(result.tensor()))
      result.tensor() = as_compressed(op.name, result.tensor(), like->layout());
}

[[maybe_unused]] const bool registered = [] {
  for (const Layout layout : {Layout::sparse_csr, Layout::sparse_csc})
    set_backend_handler(DeviceType::cpu, layout, handle);
  return true;
}();

}  // namespace
}  // namespace flambeau::inline v1::sparse

// ---- making them, and their parts

namespace flambeau::inline v1::native {

using namespace sparse;

Tensor _sparse_compressed_tensor_unsafe(const Tensor& compressed_indices,
                                        const Tensor& plain_indices, const Tensor& values,
                                        IntSpan size, std::optional<DType> dtype,
                                        std::optional<Layout> layout, std::optional<Device> device,
                                        std::optional<bool> pin_memory) {
  constexpr const char* op = "sparse_compressed_tensor";
  check<NotImplementedError>(!pin_memory.value_or(false), op, ": pin_memory=True is not supported");
  check<NotImplementedError>(device.value_or(Device{}).is_cpu(), op, ": not supported on device '",
                             device.value_or(Device{}).str(), "'");
  const Layout kind = layout.value_or(Layout::sparse_csr);
  // What nobody has looked at would be read as places.
  check_compressed(op, kind, size, compressed_indices, plain_indices, values);
  const Tensor elements = dtype ? ops::to(values, *dtype) : values;
  return make_compressed(kind, size, flambeau::detach(compressed_indices),
                         flambeau::detach(plain_indices), flambeau::detach(elements));
}

namespace {

Tensor to_compressed(const char* op, const Tensor& self, std::optional<int64_t> dense_dim,
                     Layout layout) {
  check<NotImplementedError>(self.device().is_cpu(), op, ": not supported on device '",
                             self.device().str(), "'");
  if (is_compressed(self)) return as_compressed(op, as_coo(op, self), layout);
  check(!dense_dim || *dense_dim == self.dim() - 2, op, ": dense_dim must be ", self.dim() - 2,
        " for ", self.dim(), " dimensions, got ", dense_dim.value_or(0));
  check(self.dim() >= 2, op, ": a matrix is wanted for torch.", layout_name(layout), ", got shape ",
        show(self.sizes()));
  return as_compressed(op, is_coo(self) ? self : from_dense(self, 2), layout);
}

const Compressed& expect(const char* op, const Tensor& t, Layout layout) {
  check(t.layout() == layout, op, ": expected layout torch.", layout_name(layout),
        " but got torch.", layout_name(t.layout()));
  return parts_of(op, t);
}

}  // namespace

Tensor _to_sparse_csr(const Tensor& self, std::optional<int64_t> dense_dim) {
  return to_compressed("to_sparse_csr", self, dense_dim, Layout::sparse_csr);
}
Tensor _to_sparse_csc(const Tensor& self, std::optional<int64_t> dense_dim) {
  return to_compressed("to_sparse_csc", self, dense_dim, Layout::sparse_csc);
}

Tensor crow_indices(const Tensor& self) {
  return flambeau::detach(expect("crow_indices", self, Layout::sparse_csr).compressed);
}
Tensor col_indices(const Tensor& self) {
  return flambeau::detach(expect("col_indices", self, Layout::sparse_csr).plain);
}
Tensor ccol_indices(const Tensor& self) {
  return flambeau::detach(expect("ccol_indices", self, Layout::sparse_csc).compressed);
}
Tensor _plain_indices(const Tensor& self) {
  return flambeau::detach(parts_of("_plain_indices", self).plain);
}

}  // namespace flambeau::inline v1::native
