// Tensors from Python data and NumPy arrays, and the buffer protocol.

#include "core/python/interchange.h"

#include <cstring>

#include "core/dispatch/observe.h"
#include "core/memory/in_turn.h"
#include "core/python/numbers.h"
#include "core/tensor/range.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/resolve_conj.h"
#include "flambeau/ops/resolve_neg.h"
#include "flambeau/ops/to.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::python {
// ---- nested data

namespace {

constexpr int kMaxNesting = 64;

bool is_leaf(PyObject* o) { return is_number(o) || (is_tensor(o) && unwrap(o).dim() == 0); }

bool is_nested(PyObject* o) {
  return !PyUnicode_Check(o) && !PyBytes_Check(o) && !PyDict_Check(o) && PySequence_Check(o);
}

struct Found {
  Dims shape;
  bool any = false;
  DType dtype{};
  bool complete = false;  // the shape is known down to the leaves
  bool typed = false;     // the dtype is given
};

// NumPy's scalars by the name of their type; others of its kind by what their array says.
DType numpy_scalar_dtype(PyObject* o) {
  static constexpr struct {
    std::string_view name;
    DType dtype;
  } kNames[] = {{"float32", DType::float32},     {"float64", DType::float64},
                {"int64", DType::int64},         {"int32", DType::int32},
                {"float16", DType::float16},     {"uint8", DType::uint8},
                {"int8", DType::int8},           {"int16", DType::int16},
                {"complex64", DType::complex64}, {"complex128", DType::complex128}};
  constexpr std::string_view kModule = "numpy.";
  std::string_view name = Py_TYPE(o)->tp_name;
  if (name.starts_with(kModule)) {
    name.remove_prefix(kModule.size());
    for (const auto& known : kNames)
      if (name == known.name) return known.dtype;
  }
  return from_array(o).dtype();
}

DType leaf_dtype(PyObject* o) {
  if (is_tensor(o)) return unwrap(o).dtype();
  if (is_symbol(o)) return leaf_dtype(Object(must(PyObject_CallMethod(o, "item", nullptr))).get());
  if (is_numpy_scalar(o)) return numpy_scalar_dtype(o);
  if (PyBool_Check(o)) return DType::boolean;
  if (PyLong_Check(o)) return DType::int64;
  if (PyComplex_Check(o)) return to_complex(default_dtype());
  return default_dtype();
}

// The items of a sequence, one after the other. Reading one may run code of Python's that changes
// the list, so its length is looked at each time and the item is held.
class Sequence {
 public:
  // NumPy arrays and tensors inside a sequence stand for their own nested lists.
  explicit Sequence(PyObject* o)
      : list_(fast(is_array(o) || is_tensor(o) ? (made_ = list_of(o)).get() : o)) {}
  Py_ssize_t size() const { return PySequence_Fast_GET_SIZE(list_.get()); }
  Object item(Py_ssize_t i) const {
    check<ValueError>(i < size(), "tensor: a sequence changed while it was read");
    return Object::borrow(PySequence_Fast_GET_ITEM(list_.get(), i));
  }

 private:
  static Object fast(PyObject* o) {
    if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) return Object::borrow(o);
    if (!Py_TYPE(o)->tp_iter && !PySequence_Check(o))
      raise_python(PyExc_TypeError, "tensor: a sequence was expected, got %.200s",
                   Py_TYPE(o)->tp_name);
    return fixed_tuple(o);
  }
  static Object list_of(PyObject* o) {
    return Object(must(PyObject_CallMethod(o, "tolist", nullptr)));
  }
  Object made_, list_;
};

void join_dtype(Found& f, DType dtype) {
  f.dtype = f.any ? promote(f.dtype, dtype) : dtype;
  f.any = true;
}

void explore(PyObject* o, int depth, Found& f) {
  if (is_leaf(o)) {
    check<TypeError>(!f.complete || depth == static_cast<int>(f.shape.size()),
                     "tensor: not a sequence: a number stands at dim ", depth,
                     " where the elements before it are sequences of length ",
                     depth < static_cast<int>(f.shape.size()) ? f.shape[depth] : 0);
    f.complete = true;
    return join_dtype(f, leaf_dtype(o));
  }
  if (!is_nested(o) && !is_array(o) && !is_tensor(o)) {
    const char* const type = Py_TYPE(o)->tp_name;
    if (PyUnicode_Check(o) || PyBytes_Check(o)) {
      check<ValueError>(f.complete, "tensor: too many dimensions '", type, "'");
      raise<TypeError>("tensor: new(): invalid data type '", type, "'");
    }
    check<TypeError>(!f.typed, "tensor: must be real number, not ", type);
    raise("tensor: Could not infer dtype of ", type);
  }
  check<ValueError>(depth < kMaxNesting, "tensor: too many dimensions: nested deeper than ",
                    kMaxNesting);
  if (is_array(o) || is_tensor(o))
    join_dtype(f, is_tensor(o) ? unwrap(o).dtype() : from_array(o).dtype());
  const Sequence sequence(o);
  const Py_ssize_t n = sequence.size();
  if (depth == static_cast<int>(f.shape.size())) {
    check<TypeError>(!f.complete, "tensor: only equally nested sequences make a tensor");
    f.shape.push_back(n);
  } else {
    check<ValueError>(f.shape[depth] == n, "tensor: expected sequence of length ", f.shape[depth],
                      " at dim ", depth, " (got ", n, ")");
  }
  if (n == 0) f.complete = true;
  const bool typed = is_array(o) || is_tensor(o);
  for (Py_ssize_t i = 0; i < n; ++i) {
    Found own = f;
    const Object item = sequence.item(i);
    explore(item.get(), depth + 1, own);
    f.shape = own.shape;
    f.complete = own.complete;
    if (!typed) {
      f.any = own.any;
      f.dtype = own.dtype;
    }
  }
}

// An int of any size, as a floating number or a truth value; those that are too large for both, and
// integers that an int64 cannot hold, are refused.
Scalar value_of_int(PyObject* o, DType dtype) {
  if (dtype == DType::boolean) return Scalar(is_true(o));
  if (is_integral(dtype, false)) {
    int overflow;
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) return Scalar(static_cast<int64_t>(v));
    if (overflow > 0 && dtype == DType::uint64) {
      const unsigned long long u = PyLong_AsUnsignedLongLong(o);
      if (!PyErr_Occurred()) return Scalar(static_cast<uint64_t>(u));
      PyErr_Clear();
    }
    raise<ValueError>("tensor: value ", show_python(Object(must(PyObject_Str(o))).get()),
                      " cannot be converted to type ", dtype_name(dtype), " without overflow");
  }
  const double v = PyLong_AsDouble(o);
  if (v == -1 && PyErr_Occurred()) throw PythonError();
  return Scalar(v);
}

std::string show_number(const Scalar& s) {
  if (s.is_floating()) return concat(s.to_double());
  if (s.kind() == Scalar::Kind::unsigned_integer) return concat(static_cast<uint64_t>(s.to_int()));
  return concat(s.to_int());
}

Scalar leaf_value(PyObject* o, DType dtype) {
  const Scalar s = is_tensor(o)                               ? unwrap(o).item()
                   : PyLong_CheckExact(o) && !PyBool_Check(o) ? value_of_int(o, dtype)
                                                              : unwrap_scalar(o);
  check<TypeError>(!s.is_complex() || is_complex(dtype),
                   "tensor: value cannot be converted to type ", dtype_name(dtype),
                   " without overflow: it is complex, and must be a real number");
  // Floating dtypes take what is too large as infinite, as float() does.
  if (is_integral(dtype, false) && !fits(s, dtype)) [[unlikely]]
    raise("tensor: value ", show_number(s), " cannot be converted to type ", dtype_name(dtype),
          " without overflow");
  return s;
}

// Writes the elements in order. What was explored may have changed since, or have lied: nothing is
// written past the end.
class Writer {
 public:
  explicit Writer(const Tensor& t)
      : dims_(t.dim()), dtype_(t.dtype()), at_(t.bytes()), end_(at_ + t.numel() * t.itemsize()) {}

  void write(PyObject* o, int64_t depth = 0) {
    if (is_leaf(o)) {
      const Scalar value = leaf_value(o, dtype_);
      must_fit(depth == dims_ && at_ < end_);
      value.store(at_, dtype_);
      at_ += itemsize(dtype_);
      return;
    }
    must_fit(depth < dims_);
    const Sequence sequence(o);
    const Py_ssize_t n = sequence.size();
    for (Py_ssize_t i = 0; i < n; ++i) {
      const Object item = sequence.item(i);
      write(item.get(), depth + 1);
    }
  }
  void finish() const { must_fit(at_ == end_); }

 private:
  static void must_fit(bool fits) {
    check<ValueError>(fits, "tensor: a sequence changed while it was read");
  }

  int64_t dims_;
  DType dtype_;
  char *at_, *end_;
};

Tensor converted(const Tensor& t, std::optional<DType> dtype, Device device, bool copy) {
  const Exclude off(kAutograd);
  return entry::to_dtype_layout(t, dtype.value_or(t.dtype()), {}, device, {}, false, copy, {});
}

}  // namespace

Tensor tensor_from(PyObject* data, std::optional<DType> dtype, Device device) {
  if (is_tensor(data)) return flambeau::detach(converted(unwrap(data), dtype, device, true));
  if (PyUnicode_Check(data) || PyBytes_Check(data))
    raise<TypeError>("tensor: new(): invalid data type '", Py_TYPE(data)->tp_name, "'");
  if (is_array(data) && !is_numpy_scalar(data))
    return converted(from_array(data), dtype, device, true);
  Found found;
  found.typed = dtype.has_value();
  explore(data, 0, found);
  const DType chosen = dtype.value_or(found.any ? found.dtype : default_dtype());
  Tensor t = empty(found.shape, {chosen, Device{}});
  Writer writer(t);
  writer.write(data);
  writer.finish();
  return device.is_cpu() ? t : converted(t, chosen, device, false);
}

// ---- functions

namespace {

struct Options {
  std::optional<DType> dtype;
  Device device;
  bool device_given = false, requires_grad = false;
};

Options read_options(PyObject* dtype, PyObject* device, PyObject* requires_grad,
                     PyObject* pin_memory, const char* op) {
  Options o;
  if (dtype && dtype != Py_None) o.dtype = unwrap_dtype(dtype);
  if (device && device != Py_None) {
    o.device = unwrap_device(device);
    if (o.device.is_cpu()) o.device.index = -1;
    o.device_given = true;
  }
  if (requires_grad) o.requires_grad = is_true(requires_grad);
  check<NotImplementedError>(!pin_memory || !is_true(pin_memory), op,
                             ": pin_memory=True is not supported");
  return o;
}

PyObject* finish(Tensor t, const Options& o) {
  if (o.requires_grad) t.set_requires_grad(true);
  return wrap(std::move(t));
}

// What a function mode makes of a call of one of the functions below, which look at no overrides of
// their data; nullptr without one.
PyObject* answer_of_mode(const char* name, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  if (!torch_function_modes_active()) [[likely]]
    return nullptr;
  const Object module(must(PyImport_ImportModule("flambeau")));
  const Object function(must(PyObject_GetAttrString(module.get(), name)));
  return call_torch_function(Overloaded(), function.get(), args, n, kwnames, name);
}

PyObject* make_tensor(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded("tensor", [&]() -> PyObject* {
    if (PyObject* r = answer_of_mode("tensor", args, n, kwnames)) return r;
    static const char* const kNames[] = {"data", "dtype", "device", "requires_grad", "pin_memory"};
    PyObject* given[5];
    read_arguments("tensor", kNames, 1, args, n, kwnames, given, 1);
    const Options o = read_options(given[1], given[2], given[3], given[4], "tensor");
    if (is_tensor(given[0]))
      warn(
          "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() "
          "or "
          "sourceTensor.detach().clone().requires_grad_(True), rather than "
          "torch.tensor(sourceTensor).");
    const Device device =
        o.device_given || !is_tensor(given[0]) ? o.device : unwrap(given[0]).device();
    return finish(tensor_from(given[0], o.dtype, device), o);
  });
}

// Shares memory where dtype and device allow.
Tensor shared_or_copied(PyObject* data, const Options& o) {
  if (is_tensor(data)) {
    const Tensor& t = unwrap(data);
    return entry::to_dtype_layout(t, o.dtype.value_or(t.dtype()), {},
                                  o.device_given ? o.device : t.device(), {}, false, false, {});
  }
  if (is_array(data) && !is_numpy_scalar(data)) {
    const Tensor t = from_array(data);
    if (o.device.is_cpu() && o.dtype.value_or(t.dtype()) == t.dtype()) return t;
    return converted(t, o.dtype, o.device, false);
  }
  return tensor_from(data, o.dtype, o.device);
}

PyObject* as_tensor(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded("as_tensor", [&]() -> PyObject* {
    if (PyObject* r = answer_of_mode("as_tensor", args, n, kwnames)) return r;
    static const char* const kNames[] = {"data", "dtype", "device"};
    PyObject* given[3];
    read_arguments("as_tensor", kNames, 1, args, n, kwnames, given, 1);
    const Options o = read_options(given[1], given[2], nullptr, nullptr, "as_tensor");
    return finish(shared_or_copied(given[0], o), o);
  });
}

// asarray(copy=False): what cannot be shared is refused.
void check_shareable(PyObject* data, const Options& o) {
  check<ValueError>(is_tensor(data) || (is_array(data) && !is_numpy_scalar(data)),
                    "asarray: can't alias a ", Py_TYPE(data)->tp_name,
                    " into a tensor: leave out copy=False");
  const Tensor t = is_tensor(data) ? unwrap(data) : from_array(data);
  const DType dtype = o.dtype.value_or(t.dtype());
  check<ValueError>(t.dtype() == dtype, "asarray: can't alias tensor with dtype ",
                    dtype_name(t.dtype()), " into dtype ", dtype_name(dtype),
                    ": leave out copy=False");
  check<ValueError>(!o.device_given || t.device() == o.device,
                    "asarray: can't alias tensor from device ", t.device().str(), " to ",
                    o.device.str(), ": leave out copy=False");
}

// A storage as a tensor of one dimension, of int64 unless told otherwise.
Tensor over_storage(PyObject* storage, const Options& o) {
  static PyObject* over = nullptr;
  const Object dtype(wrap(o.dtype.value_or(DType::int64)));
  const Object made(must(PyObject_CallFunctionObjArgs(
      imported(over, "flambeau.storage", "over_storage"), storage, dtype.get(), nullptr)));
  const Tensor t = unwrap(made.get());
  return o.device_given ? converted(t, t.dtype(), o.device, false) : t;
}

PyObject* asarray(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded("asarray", [&]() -> PyObject* {
    if (PyObject* r = answer_of_mode("asarray", args, n, kwnames)) return r;
    static const char* const kNames[] = {"obj", "dtype", "device", "copy", "requires_grad"};
    PyObject* given[5];
    read_arguments("asarray", kNames, 1, args, n, kwnames, given, 1);
    const Options o = read_options(given[1], given[2], given[4], nullptr, "asarray");
    const bool copy = given[3] && given[3] != Py_None && is_true(given[3]);
    const bool storage = is_storage(given[0]);
    if (given[3] && given[3] != Py_None && !copy && !storage) check_shareable(given[0], o);
    Tensor t = storage ? over_storage(given[0], o) : shared_or_copied(given[0], o);
    if (copy) t = entry::clone(t, std::nullopt);
    return finish(std::move(t), o);
  });
}

PyObject* from_numpy(PyObject*, PyObject* array) {
  return guarded([&]() -> PyObject* {
    check<TypeError>(is_array(array), "from_numpy: expected np.ndarray (got ",
                     Py_TYPE(array)->tp_name, ")");
    const ArrayGeometry geometry = read_array(array);
    const Tensor t = over_array(array, geometry);
    if (geometry.memory.read_only)
      warn(
          "The given NumPy array is not writable, and tensors here are: writing to this one "
          "changes "
          "memory that NumPy holds for constant. Copy the array first (array.copy()).");
    return wrap(t);
  });
}

void drop_storage(void*, size_t, void* storage) { static_cast<Storage*>(storage)->release(); }

PyObject* frombuffer(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded("frombuffer", [&]() -> PyObject* {
    static const char* const kNames[] = {"buffer", "dtype", "count", "offset", "requires_grad"};
    PyObject* given[5];
    read_arguments("frombuffer", kNames, 2, args, n, kwnames, given, 1);
    const DType dtype = unwrap_dtype(given[1]);
    int64_t count = given[2] ? unwrap_int(given[2]) : -1;
    const int64_t offset = given[3] ? unwrap_int(given[3]) : 0,
                  item = static_cast<int64_t>(itemsize(dtype));
    const bool requires_grad = given[4] && is_true(given[4]);
    auto* const view = new Py_buffer;
    if (PyObject_GetBuffer(given[0], view, PyBUF_WRITABLE) < 0) {
      PyErr_Clear();
      if (PyObject_GetBuffer(given[0], view, PyBUF_SIMPLE) < 0) {
        delete view;
        if (PyObject_CheckBuffer(given[0])) throw PythonError();
        PyErr_Clear();
        raise<ValueError>("frombuffer: object does not implement Python buffer protocol: ",
                          Py_TYPE(given[0])->tp_name);
      }
    }
    const auto release = [](void*, size_t, void* context) {
      if (!Py_IsInitialized()) return;
      memory::in_turn(
          [](void* view) {
            const AcquireGil gil;
            PyBuffer_Release(static_cast<Py_buffer*>(view));
            delete static_cast<Py_buffer*>(view);
          },
          context);
    };
    const Ref<Storage> owner = Storage::wrap(view->buf, 0, Device{}, release, view);
    if (view->readonly)
      warn(
          "frombuffer: The given buffer is not writable, and tensors here are: writing to this one "
          "changes memory that is held for constant. Copy the buffer first (bytearray(buffer)).");
    check<ValueError>(view->len > 0 && count != 0, "frombuffer: both buffer length (", view->len,
                      ") and count (", count, ") must not be 0");
    check<ValueError>(offset >= 0 && offset < view->len, "frombuffer: offset (", offset,
                      " bytes) must be non-negative and no greater than buffer length (", view->len,
                      " bytes) minus 1");
    check<ValueError>(count > 0 || (view->len - offset) % item == 0, "frombuffer: buffer length (",
                      view->len - offset, " bytes) after offset (", offset,
                      " bytes) must be a multiple of element size (", item, ")");
    if (count < 0) count = (view->len - offset) / item;
    check<ValueError>(count <= (view->len - offset) / item, "frombuffer: requested buffer length (",
                      count, " * ", item, " bytes) after offset (", offset,
                      " bytes) must not be greater than actual buffer length (", view->len,
                      " bytes)");
    const int64_t one = 1;
    Tensor t = over_memory("frombuffer", static_cast<char*>(view->buf) + offset, dtype, {&count, 1},
                           {&one, 1}, drop_storage, owner.get());
    owner->retain();
    if (requires_grad) t.set_requires_grad(true);
    return wrap(std::move(t));
  });
}

// ---- out: the buffer protocol and NumPy

struct BufferGeometry {
  Lent lent;
  Py_ssize_t sizes[64], strides[64];
};

// A wrapper subclass has a geometry and no bytes, see Note [Tensors without memory].
void check_has_memory(const char* op, const Tensor& t) {
  check(!(t.keys() & bit(Key::backend)) && t.impl()->storage(), op,
        ": a tensor without memory of its own cannot be shown: unwrap it first");
}

PyObject* numpy_array(const Tensor& t) {
  check_has_memory("numpy", t);
  check<TypeError>(format_of(t.dtype()), "numpy: Got unsupported ScalarType ",
                   dtype_name(t.dtype()), ": NumPy has no such type; convert with .float() first");
  static PyObject* asarray = nullptr;
  const Exclude told(bit(Key::profiler) | bit(Key::capture));
  // The view is of a detached handle, so that the array keeps the memory and not the graph.
  const Object holder(wrap(flambeau::detach(t)));
  const Object view(must(PyMemoryView_FromObject(holder.get())));
  return must(PyObject_CallOneArg(imported(asarray, "numpy", "asarray"), view.get()));
}

PyObject* numpy(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  static const char* const kNames[] = {"force"};
  PyObject* given[1];
  read_arguments("numpy", kNames, 0, args, n, kwnames, given);
  Tensor t = unwrap(self);
  note_read(t, "numpy");
  if (given[0] && is_true(given[0])) {
    t = entry::resolve_neg(entry::resolve_conj(flambeau::detach(t)));
    if (!t.device().is_cpu()) t = converted(t, t.dtype(), Device{}, false);
    return numpy_array(t);
  }
  check<TypeError>(
      t.device().is_cpu(), "numpy: can't convert ", t.device().str(),
      " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  check(!t.requires_grad() || !GradMode::enabled(),
        "numpy: Can't call numpy() on Tensor that requires "
        "grad. Use tensor.detach().numpy() instead.");
  check(!t.is_conj(),
        "numpy: Can't call numpy() on Tensor that has conjugate bit set. Use "
        "tensor.resolve_conj().numpy() instead.");
  check(!t.is_neg(),
        "numpy: Can't call numpy() on Tensor that has negative bit set. Use "
        "tensor.resolve_neg().numpy() instead.");
  return numpy_array(t);
}

PyObject* array(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  static const char* const kNames[] = {"dtype", "copy"};
  PyObject* given[2];
  read_arguments("__array__", kNames, 0, args, n, kwnames, given);
  const bool may_copy = !given[1] || given[1] == Py_None || is_true(given[1]);
  const bool must_copy = may_copy && given[1] && given[1] != Py_None;
  Object result(numpy(self, nullptr, 0, nullptr));
  const Object shared = result;
  if (given[0] && given[0] != Py_None) {
    const Object cast(must(PyObject_GetAttrString(shared.get(), "astype")));
    const Object args(must(PyTuple_Pack(1, given[0])));
    const Object options(must(Py_BuildValue("{s:O}", "copy", Py_False)));
    result = Object(must(PyObject_Call(cast.get(), args.get(), options.get())));
  }
  if (result.get() == shared.get() && must_copy)
    return must(PyObject_CallMethod(result.get(), "copy", nullptr));
  check<ValueError>(may_copy || result.get() == shared.get(),
                    "__array__: another dtype needs a copy, and copy=False forbids it");
  return result.release();
}

const NativeMethod kMethods[] = {
    {"numpy", numpy, "(*, force=False)", "The tensor as a NumPy array that shares its memory."},
    {"__array__", array, "(dtype=None, copy=None)", "For numpy.asarray."},
};

PyMethodDef functions[] = {
    {"tensor", c_function(make_tensor), METH_FASTCALL | METH_KEYWORDS,
     "tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False)\n\n"
     "A new tensor from numbers, nested sequences or an array; the data are copied."},
    {"as_tensor", c_function(as_tensor), METH_FASTCALL | METH_KEYWORDS,
     "as_tensor(data, dtype=None, device=None)\n\nThe data as a tensor, shared where possible."},
    {"asarray", c_function(asarray), METH_FASTCALL | METH_KEYWORDS,
     "asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False)\n\nThe Array API's "
     "name "
     "for as_tensor."},
    {"from_numpy", from_numpy, METH_O,
     "from_numpy(ndarray)\n\nA tensor over a NumPy array's memory."},
    {"frombuffer", c_function(frombuffer), METH_FASTCALL | METH_KEYWORDS,
     "frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False)\n\nA tensor over the "
     "memory "
     "of an object with the buffer protocol."},
    {}};

}  // namespace

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Tensor& t = unwrap(self);
  const char* const format = format_of(t.dtype());
  // What a reader of bytes could misread is refused; NumPy then asks __array__, which explains.
  const bool plain = t.device().is_cpu() && !t.is_conj() && !t.is_neg() &&
                     !(t.keys() & (kPythonDispatch | kAutograd | bit(Key::backend)));
  if (!format || !plain || ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !t.is_contiguous())) {
    PyErr_SetString(
        PyExc_BufferError,
        "this tensor has no plain memory to show: use .detach().contiguous() on the CPU");
    return -1;
  }
  const Lent lent(t.impl()->storage());  // first: others may run while notes do
  char* data;
  const auto read = [&] {
    note_read(t, "buffer");
    data = t.bytes();
    return 0;
  };
  if (guarded_int(read) < 0) return -1;
  auto* const geometry = new BufferGeometry{Lent(t.impl()->storage()), {}, {}};
  const Py_ssize_t item = static_cast<Py_ssize_t>(t.itemsize());
  for (int64_t d = 0; d < t.dim(); ++d) {
    geometry->sizes[d] = t.sizes()[d];
    geometry->strides[d] = t.strides()[d] * item;
  }
  view->buf = data;
  view->obj = Py_NewRef(self);
  view->len = t.numel() * item;
  view->itemsize = item;
  view->readonly = 0;
  view->ndim = static_cast<int>(t.dim());
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->shape = (flags & PyBUF_ND) ? geometry->sizes : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? geometry->strides : nullptr;
  view->suboffsets = nullptr;
  view->internal = geometry;
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) {
  delete static_cast<BufferGeometry*>(view->internal);
}

bool init_interchange(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 &&
         add_methods(kMethods, std::size(kMethods)) && init_casts() && init_dlpack(module);
}

}  // namespace flambeau::python
