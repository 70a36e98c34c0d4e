// tensor[index] and tensor[index] = value.

#include "core/python/binding.h"
#include "core/python/interchange.h"
#include "flambeau/ops/alias.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/fill.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/index_put.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"

namespace flambeau::python {
namespace {

// What an index asks for: a view, then tensors that pick from it.
struct Picked {
  Tensor view;
  TensorVec indices;  // by dimension of the view; undefined where all is taken
};

bool is_integer(PyObject* o) {
  return (PyLong_Check(o) && !PyBool_Check(o)) ||
         (!PyBool_Check(o) && !is_tensor(o) && !PySequence_Check(o) && PyIndex_Check(o));
}

// How many dimensions an item uses up.
int64_t consumed(PyObject* item) {
  if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item)) return 0;
  if (is_tensor(item)) {
    const Tensor& t = unwrap(item);
    const bool mask = t.dtype() == DType::boolean || t.dtype() == DType::uint8;
    return mask ? t.dim() : 1;
  }
  return 1;
}

std::optional<int64_t> bound(PyObject* o) {
  if (o == Py_None) return std::nullopt;
  return unwrap_int(o);
}

int64_t clipped(PyObject* o) {
  // A bound past 64 bits is clipped, as Python's slices do.
  const Object index(must(PyNumber_Index(o)));
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) return overflow > 0 ? INT64_MAX : INT64_MIN + 1;
  if (v == -1 && PyErr_Occurred()) throw PythonError();
  return v;
}

// A slice of everything changes nothing; `always`: it is an op nevertheless, as in t[:].
Tensor slice(const Tensor& t, int64_t dim, PyObject* item, bool always) {
  auto* const s = reinterpret_cast<PySliceObject*>(item);
  const std::optional<int64_t> step = bound(s->step);
  check<ValueError>(step.value_or(1) > 0, "slice: step must be greater than zero");
  const auto end_of = [](PyObject* o) {
    return o == Py_None ? std::optional<int64_t>() : std::optional<int64_t>(clipped(o));
  };
  const std::optional<int64_t> start = end_of(s->start), end = end_of(s->stop);
  const bool whole = start.value_or(0) == 0 && end.value_or(INT64_MAX) >= t.sizes()[dim];
  if (whole && step.value_or(1) == 1 && !always) return t;
  return entry::slice_Tensor(t, dim, start, end, step.value_or(1));
}

[[noreturn]] void bad_index(PyObject* item) {
  raise<IndexError>(
      "index: only integers, slices (`:`), ellipsis (`...`), None and long or byte "
      "Variables are valid indices (got ",
      Py_TYPE(item)->tp_name, ")");
}

void put_index(Picked& p, int64_t dim, Tensor index) {
  if (static_cast<int64_t>(p.indices.size()) <= dim) p.indices.resize(dim + 1);
  p.indices[dim] = std::move(index);
}

Tensor truth(bool on, Device device) {
  const Tensor t = scalar_tensor(on, DType::boolean, device);
  const int64_t one[] = {1};
  return Tensor::alias(t, one, one, 0);
}

Picked pick(const Tensor& self, std::span<PyObject* const> items, bool always_slice = false) {
  int64_t used = 0;
  for (PyObject* item : items) used += consumed(item);
  check<IndexError>(used <= self.dim(), "index: too many indices for tensor of dimension ",
                    self.dim());
  Picked p{self, {}};
  int64_t dim = 0;
  bool ellipsis = false;
  for (PyObject* item : items) {
    if (is_integer(item)) {
      p.view = entry::select_int(p.view, dim, unwrap_int(item));
    } else if (PySlice_Check(item)) {
      p.view = slice(p.view, dim, item, always_slice);
      ++dim;
    } else if (item == Py_Ellipsis) {
      if (!ellipsis) dim += self.dim() - used;
      ellipsis = true;
    } else if (item == Py_None) {
      p.view = entry::unsqueeze(p.view, dim++);
    } else if (PyBool_Check(item)) {
      p.view = entry::unsqueeze(p.view, dim);
      put_index(p, dim++, truth(item == Py_True, p.view.device()));
    } else if (is_tensor(item)) {
      const Tensor& t = unwrap(item);
      const bool mask = t.dtype() == DType::boolean || t.dtype() == DType::uint8;
      if (t.dim() == 0 && is_integral(t.dtype(), false) && t.dtype() != DType::uint8) {
        p.view = entry::select_int(p.view, dim, t.item().to_int());
      } else if (t.dim() == 0 && mask) {
        p.view = entry::unsqueeze(p.view, dim);
        const int64_t one[] = {1};
        put_index(p, dim++, entry::reshape(t, one));
      } else {
        put_index(p, dim, t);
        dim += mask ? t.dim() : 1;
      }
    } else if (PySequence_Check(item) && !PyUnicode_Check(item)) {
      const Tensor t = tensor_from(item, std::nullopt, self.device());
      const Tensor index = t.numel() == 0 ? entry::to_dtype(t, DType::int64, false, false, {}) : t;
      put_index(p, dim, index);
      dim += index.dtype() == DType::boolean ? index.dim() : 1;
    } else {
      bad_index(item);
    }
  }
  return p;
}

// The items of an index: a tuple's, or itself. A mask of several dimensions inside a tuple counts
// for as many; `consumed` has lists for one, so they are made tensors first.
class Items {
 public:
  Items(PyObject* index, Device device) {
    if (PyTuple_Check(index)) {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); ++i)
        add(PyTuple_GET_ITEM(index, i), device);
    } else {
      add(index, device);
    }
  }
  std::span<PyObject* const> get() const { return items_; }

 private:
  void add(PyObject* item, Device device) {
    const bool sequence = !is_tensor(item) && PySequence_Check(item) && !PyUnicode_Check(item);
    if (!sequence) {
      items_.push_back(item);
      return;
    }
    Tensor t = tensor_from(item, std::nullopt, device);
    if (t.numel() == 0 && t.dtype() != DType::boolean)
      t = entry::to_dtype(t, DType::int64, false, false, {});
    owned_.emplace_back(wrap(std::move(t)));
    items_.push_back(owned_.back().get());
  }

  std::vector<PyObject*> items_;
  std::vector<Object> owned_;
};

bool plain_view(PyObject* index) {
  return is_integer(index) || PySlice_Check(index) || index == Py_None;
}

Picked pick(const Tensor& self, PyObject* index, bool get) {
  if (plain_view(index)) return pick(self, {&index, 1}, get);
  const Items items(index, self.device());
  return pick(self, items.get());
}

// The value for an assignment, as a tensor of self's dtype and device.
Tensor value_tensor(PyObject* value, const Tensor& self) {
  if (is_tensor(value)) return unwrap(value);
  if (is_number(value)) {
    const Scalar s = unwrap_scalar(value);
    check<TypeError>(!s.is_complex() || self.is_complex(),
                     "setitem: can't assign a complex number to a ", dtype_name(self.dtype()),
                     " tensor");
    return scalar_tensor(s, self.dtype(), self.device());
  }
  if (PySequence_Check(value) && !PyUnicode_Check(value))
    return tensor_from(value, self.dtype(), self.device());
  raise<TypeError>("setitem: can't assign a ", Py_TYPE(value)->tp_name, " to a torch.",
                   dtype_name(self.dtype()), " tensor");
}

// A value of another shape than the place: without its leading ones, then expanded.
Tensor broadcast_value(const Tensor& value, IntSpan sizes) {
  size_t leading = 0;
  while (leading < value.sizes().size() && value.sizes()[leading] == 1) ++leading;
  const Tensor shown = entry::view(value, value.sizes().subspan(leading));
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
    const Picked p = pick(t, index, false);
    const Tensor source = value_tensor(value, t);
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
    entry::index_put_(p.view, p.indices, values, false);
    return 0;
  });
}

bool init_indexing(PyObject*) { return true; }

}  // namespace flambeau::python
