// tensor[index] and tensor[index] = value.

#include "core/dispatch/printed.h"
#include "core/python/binding.h"
#include "core/python/interchange.h"
#include "core/tensor/range.h"
#include "flambeau/ops/alias.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/fill.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/index_put.h"
#include "flambeau/ops/permute.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"

namespace flambeau::python {
namespace {

constexpr size_t kMaxItems = 1024;  // far more than there are dimensions

// What an index asks for: a view, then tensors that pick from it.
struct Picked {
  Tensor view;
  TensorVec indices;  // one for each index; a mask stands for its dimensions, undefined for one
};

bool is_integer(PyObject* o) {
  return (PyLong_Check(o) && !PyBool_Check(o)) ||
         (!PyBool_Check(o) && !is_tensor(o) && !PySequence_Check(o) && PyIndex_Check(o));
}

bool is_mask(const Tensor& index) {
  return index.dtype() == DType::boolean || index.dtype() == DType::uint8;
}

// One item of an index, with all of Python's code behind it run: what it says can no longer change.
struct Item {
  enum class Kind : uint8_t { integer, slice, ellipsis, none, truth, tensor };
  Kind kind;
  int64_t integer = 0;                // also 0 or 1 for truth
  std::optional<int64_t> start, end;  // of a slice
  int64_t step = 1;
  Tensor tensor;

  bool mask() const { return is_mask(tensor); }
  // How many dimensions it uses up.
  int64_t consumed() const {
    switch (kind) {
      case Kind::integer:
      case Kind::slice:
        return 1;
      case Kind::tensor:
        return mask() ? tensor.dim() : 1;
      default:
        return 0;
    }
  }
};

int64_t clipped(PyObject* o) {
  // A bound past 64 bits is clipped, as Python's slices do.
  const Object index(must(PyNumber_Index(o)));
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) return overflow > 0 ? INT64_MAX : INT64_MIN + 1;
  if (v == -1 && PyErr_Occurred()) throw PythonError();
  return v;
}

Item slice_item(PyObject* o) {
  auto* const s = reinterpret_cast<PySliceObject*>(o);
  Item item{Item::Kind::slice};
  if (s->step != Py_None) item.step = unwrap_int(s->step);
  check<ValueError>(item.step > 0, "slice: step must be greater than zero");
  if (s->start != Py_None) item.start = clipped(s->start);
  if (s->stop != Py_None) item.end = clipped(s->stop);
  return item;
}

// A slice of everything changes nothing; `always`: it is an op nevertheless, as in t[:].
Tensor slice(const Tensor& t, int64_t dim, const Item& s, bool always) {
  const bool whole =
      s.start.value_or(0) == 0 && dim < t.dim() && s.end.value_or(INT64_MAX) >= t.sizes()[dim];
  if (whole && s.step == 1 && !always) return t;
  return entry::slice_Tensor(t, dim, s.start, s.end, s.step);
}

[[noreturn]] void bad_index(PyObject* item) {
  if (PyUnicode_Check(item) || PyBytes_Check(item))
    raise<TypeError>("index: invalid data type '", Py_TYPE(item)->tp_name,
                     "': text names no element");
  raise<IndexError>(
      "index: only integers, slices (`:`), ellipsis (`...`), None and long or byte "
      "Variables are valid indices (got ",
      Py_TYPE(item)->tp_name, ")");
}

// How many dimensions an entry of the indices stands for.
int64_t width(const Tensor& index) { return index.defined() && is_mask(index) ? index.dim() : 1; }

// Puts an index that starts at a dimension of the view, behind all that are there.
void put_index(Picked& p, int64_t dim, Tensor index) {
  int64_t end = 0;
  for (const Tensor& t : p.indices) end += width(t);
  p.indices.resize(p.indices.size() + (dim - end));
  p.indices.push_back(std::move(index));
}

Tensor truth(bool on, Device device) {
  const Tensor t = scalar_tensor(on, DType::boolean, device);
  const int64_t one[] = {1};
  return Tensor::alias(t, one, one, 0);
}

Item read_item(PyObject* o, Device device) {
  using Kind = Item::Kind;
  if (is_integer(o)) return {.kind = Kind::integer, .integer = unwrap_int(o)};
  if (PySlice_Check(o)) return slice_item(o);
  if (o == Py_Ellipsis) return {.kind = Kind::ellipsis};
  if (o == Py_None) return {.kind = Kind::none};
  if (PyBool_Check(o)) return {.kind = Kind::truth, .integer = o == Py_True};
  if (is_tensor(o)) return {.kind = Kind::tensor, .tensor = unwrap(o)};
  if (!PySequence_Check(o) || PyUnicode_Check(o)) bad_index(o);
  Tensor t = tensor_from(o, std::nullopt, device);
  if (t.numel() == 0 && t.dtype() != DType::boolean)
    t = entry::to_dtype(t, DType::int64, false, false, {});
  return {.kind = Kind::tensor, .tensor = std::move(t)};
}

// A 0-dim index picks one row, as a number does, but takes part in the op: its dimension goes next
// to those of the other indices, which then stand together if they did without it.
void put_batched(Picked& p, std::span<const std::pair<int64_t, Tensor>> batched) {
  Dims order;
  TensorVec indices;
  size_t first = 0;  // of the other indices
  while (first < p.indices.size() && !p.indices[first].defined()) ++first;
  const auto is_batched = [&](int64_t d) {
    for (const auto& [dim, index] : batched)
      if (dim == d) return true;
    return false;
  };
  const auto put_all = [&] {
    for (const auto& [dim, index] : batched) {
      order.push_back(dim);
      indices.push_back(index);
    }
  };
  int64_t d = 0;
  for (size_t i = 0; d < p.view.dim(); ++i) {
    if (i == first) put_all();
    const Tensor index = i < p.indices.size() ? p.indices[i] : Tensor();
    const int64_t end = d + width(index);
    if (is_batched(d)) {
      d = end;
      continue;
    }
    while (d < end) order.push_back(d++);
    indices.push_back(index);
  }
  if (static_cast<int64_t>(order.size()) < p.view.dim()) put_all();
  while (!indices.empty() && !indices.back().defined()) indices.pop_back();
  p.view = entry::permute(p.view, order);
  p.indices = std::move(indices);
}

Picked pick(const Tensor& self, std::span<const Item> items, bool always_slice) {
  using Kind = Item::Kind;
  int64_t used = 0;
  for (const Item& item : items) used += item.consumed();
  const int64_t rest = self.dim() - used;
  check<IndexError>(rest >= 0, "index: too many indices for tensor of dimension ", self.dim());
  Picked p{self, {}};
  int64_t dim = 0;
  std::vector<std::pair<int64_t, Tensor>> batched;  // 0-dim indices that are one for each item
  for (const Item& item : items) {
    switch (item.kind) {
      case Kind::integer:
        p.view = entry::select_int(p.view, dim, item.integer);
        break;
      case Kind::slice:
        p.view = slice(p.view, dim++, item, always_slice);
        break;
      case Kind::ellipsis:  // a second one takes dimensions that are not there
        dim += rest;
        break;
      case Kind::none:
        p.view = entry::unsqueeze(p.view, dim++);
        break;
      case Kind::truth:
        p.view = entry::unsqueeze(p.view, dim);
        put_index(p, dim++, truth(item.integer != 0, p.view.device()));
        break;
      case Kind::tensor: {
        const Tensor& t = item.tensor;
        if (t.dim() == 0 && !item.mask() && printed::in_batch(t)) {
          batched.emplace_back(dim++, t);
        } else if (t.dim() == 0 && is_integral(t.dtype(), false) && t.dtype() != DType::uint8) {
          p.view = entry::select_int(p.view, dim, t.item().to_int());
        } else if (t.dim() == 0 && item.mask()) {
          p.view = entry::unsqueeze(p.view, dim);
          const int64_t one[] = {1};
          put_index(p, dim++, entry::reshape(t, one));
        } else {
          put_index(p, dim, t);
          dim += item.mask() ? t.dim() : 1;
        }
        break;
      }
    }
  }
  if (!batched.empty()) put_batched(p, batched);
  return p;
}

bool plain_view(PyObject* index) {
  return is_integer(index) || PySlice_Check(index) || index == Py_None;
}

Picked pick(const Tensor& self, PyObject* index, bool get) {
  if (!PyTuple_Check(index)) {
    const Item one[] = {read_item(index, self.device())};
    return pick(self, one, get && plain_view(index));
  }
  const auto n = static_cast<size_t>(PyTuple_GET_SIZE(index));
  check<IndexError>(n <= kMaxItems, "index: too many indices: ", n);
  std::vector<Item> items;
  items.reserve(n);
  for (size_t i = 0; i < n; ++i)
    items.push_back(read_item(PyTuple_GET_ITEM(index, static_cast<Py_ssize_t>(i)), self.device()));
  return pick(self, items, false);
}

// The value for an assignment, as a tensor of self's dtype and device.
Tensor value_tensor(PyObject* value, const Tensor& self) {
  if (is_tensor(value)) return unwrap(value);
  if (is_number(value)) {
    const Scalar s = unwrap_scalar(value);
    check_fits("setitem", s, self.dtype());
    return scalar_tensor(s, self.dtype(), self.device());
  }
  if (PySequence_Check(value) && !PyUnicode_Check(value))
    return tensor_from(value, self.dtype(), self.device());
  raise<TypeError>("setitem: can't assign a ", Py_TYPE(value)->tp_name, " to a torch.",
                   dtype_name(self.dtype()), " tensor");
}

// A value may have more dimensions than its place, of size 1.
Tensor without_leading_ones(const Tensor& value) {
  size_t leading = 0;
  while (leading < value.sizes().size() && value.sizes()[leading] == 1) ++leading;
  return leading ? entry::view(value, value.sizes().subspan(leading)) : value;
}

Tensor broadcast_value(const Tensor& value, IntSpan sizes) {
  const Tensor shown = without_leading_ones(value);
  return same(shown.sizes(), sizes) ? shown : entry::expand(shown, sizes, false);
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* index) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(self);
    if (PyLong_CheckExact(index)) {
      check<IndexError>(
          t.dim() > 0,
          "index: invalid index of a 0-dim tensor. Use `tensor.item()` in "
          "Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
      return wrap(entry::select_int(t, 0, unwrap_int(index)));
    }
    Picked p = pick(t, index, true);
    if (!p.indices.empty()) return wrap(entry::index_Tensor(p.view, p.indices));
    if (p.view.is(t)) return wrap(entry::alias(t));
    return wrap(std::move(p.view));
  });
}

int set_item(PyObject* self, PyObject* index, PyObject* value) {
  return guarded_int([&] {
    if (!value) raise<TypeError>("Tensor does not support deleting items");
    const Tensor& t = unwrap(self);
    check<IndexError>(t.dim() > 0 || !PyLong_CheckExact(index),
                      "setitem: invalid index of a 0-dim tensor. Use `tensor.fill_()` to set it");
    // First the value, then the index: what either runs is over before a view is made.
    const Tensor source = value_tensor(value, t);
    const Picked p = pick(t, index, false);
    if (p.indices.empty()) {
      if (same(source.sizes(), p.view.sizes()))
        entry::copy_(p.view, source, false);
      else if (source.dim() == 0 && source.device().is_cpu())
        entry::fill__Tensor(p.view, source);
      else
        entry::copy_(p.view, broadcast_value(source, p.view.sizes()), false);
      return 0;
    }
    Tensor values = source;
    if (values.dtype() != t.dtype() && (values.dim() == 0 || !is_tensor(value)))
      values = entry::to_dtype(values, t.dtype(), false, false, {});
    entry::index_put_(p.view, p.indices, without_leading_ones(values), false);
    return 0;
  });
}

bool init_indexing(PyObject*) { return true; }

}  // namespace flambeau::python
