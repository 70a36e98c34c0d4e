// Methods of Tensor that are no ops: what it is, and how it takes other memory.
#include "core/autograd/formulas_lazy.h"
#include "core/dispatch/observe.h"
#include "core/python/binding.h"
#include "core/tensor/shared_storage.h"

namespace flambeau::python {
namespace {

using Args = PyObject* const*;

// A method without arguments: `answer(const Tensor&)` made into a Python object by `give`.
#define PLAIN(function, expression)                                 \
  PyObject* function(PyObject* self, Args, Py_ssize_t, PyObject*) { \
    const Tensor& t = unwrap(self);                                 \
    return expression;                                              \
  }

// What is behind a tensor of another layout is its handler's.
void check_has_storage(const Tensor& t, const char* function) {
  check<NotImplementedError>(t.layout() == Layout::strided, function, ": a tensor of layout torch.",
                             layout_name(t.layout()), " has no storage");
}

PLAIN(dim, PyLong_FromLongLong(t.dim()))
PLAIN(numel, PyLong_FromLongLong(t.numel()))
PLAIN(element_size, PyLong_FromSize_t(t.itemsize()))
PLAIN(storage_offset, PyLong_FromLongLong(t.offset()))
PLAIN(is_complex_method, PyBool_FromLong(t.is_complex()))
PLAIN(is_floating_point, PyBool_FromLong(t.is_floating()))
PLAIN(is_signed, PyBool_FromLong(info(t.dtype()).is_signed))
PLAIN(is_conj, PyBool_FromLong(formula::is_conj(t)))
PLAIN(is_neg, PyBool_FromLong(formula::is_neg(t)))
PLAIN(is_shared, PyBool_FromLong(t.layout() == Layout::strided &&
                                 shared_block(*t.impl()->storage()) != nullptr))
PLAIN(never, (static_cast<void>(t), Py_NewRef(Py_False)))
PLAIN(get_device, PyLong_FromLong(t.device().index))
PLAIN(untyped_storage, (check_has_storage(t, "untyped_storage"), note_read(t, "untyped_storage"),
                        wrap_storage(t.impl()->storage())))
#undef PLAIN

PyObject* data_ptr(PyObject* self, Args, Py_ssize_t, PyObject*) {
  const Tensor& t = unwrap(self);
  check(t.impl()->storage()->device().type == t.device().type,
        "data_ptr: this tensor has no memory of its own; its class answers for it");
  note_read(t, "data_ptr");
  t.impl()->storage()->expose();
  return PyLong_FromVoidPtr(t.numel() == 0 || t.is_meta() ? nullptr : t.device_bytes());
}

// size(dim=None) and stride(dim=None): all of them, or one.
PyObject* geometry(const char* function, Args args, Py_ssize_t n, PyObject* kwnames, IntSpan values,
                   PyObject* (*all)(IntSpan)) {
  PyObject* given;
  if (n == 1 && !kwnames) {
    given = args[0];
  } else {
    const char* const names[] = {"dim"};
    read_arguments(function, names, 0, args, n, kwnames, &given);
  }
  if (!given || given == Py_None) return all(values);
  if (!is_index(given))
    raise_python(PyExc_TypeError, "%s(): argument 'dim' (position 1) must be int, not %s", function,
                 Py_TYPE(given)->tp_name);
  const auto ndim = static_cast<int64_t>(values.size());
  const int64_t dim = unwrap_int(given);
  // A 0-dim tensor has no size to give, though it counts as 1-dim elsewhere.
  if (ndim == 0)
    raise<IndexError>(function, ": dimension specified as ", dim, " but tensor has no dimensions");
  return PyLong_FromLongLong(values[wrap_dim(dim, ndim, function)]);
}

PyObject* size(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  return geometry("size", args, n, kwnames, unwrap(self).sizes(), wrap_size);
}

PyObject* int_tuple(IntSpan values) {
  Object tuple(must(PyTuple_New(static_cast<Py_ssize_t>(values.size()))));
  for (size_t i = 0; i < values.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), must(PyLong_FromLongLong(values[i])));
  return tuple.release();
}
PyObject* stride(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  return geometry("stride", args, n, kwnames, unwrap(self).strides(), int_tuple);
}

PyObject* is_contiguous(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  const Tensor& t = unwrap(self);
  if (!kwnames && n == 0) return PyBool_FromLong(t.is_contiguous());
  if (n)
    raise_python(PyExc_TypeError, "is_contiguous() takes 0 positional arguments but %zd was given",
                 n);
  const char* const names[] = {"memory_format"};
  PyObject* format;
  read_arguments("is_contiguous", names, 0, args, n, kwnames, &format);
  check(unwrap_memory_format(format) != MemoryFormat::preserve,
        "is_contiguous: preserve memory format is unsupported by the contiguous operator");
  return PyBool_FromLong(t.is_contiguous(unwrap_memory_format(format)));
}

PyObject* dim_order(PyObject* self, Args, Py_ssize_t, PyObject*) {
  const Tensor& t = unwrap(self);
  Dims order;
  for (int64_t d = 0; d < t.dim(); ++d) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return t.strides()[a] > t.strides()[b]; });
  return int_tuple(order);
}

const Tensor& tensor_argument(const char* function, const char* name, PyObject* o) {
  if (!is_tensor(o))
    raise_python(PyExc_TypeError, "%s(): argument '%s' (position 1) must be Tensor, not %s",
                 function, name, Py_TYPE(o)->tp_name);
  return unwrap(o);
}

PyObject* is_same_size(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  const char* const names[] = {"other"};
  PyObject* other;
  read_arguments("is_same_size", names, 1, args, n, kwnames, &other);
  return PyBool_FromLong(
      same(unwrap(self).sizes(), tensor_argument("is_same_size", "other", other).sizes()));
}

PyObject* is_set_to(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  const char* const names[] = {"tensor"};
  PyObject* other;
  read_arguments("is_set_to", names, 1, args, n, kwnames, &other);
  const Tensor &a = unwrap(self), &b = tensor_argument("is_set_to", "tensor", other);
  return PyBool_FromLong(a.impl()->storage() == b.impl()->storage() && a.offset() == b.offset() &&
                         same(a.sizes(), b.sizes()) && same(a.strides(), b.strides()));
}

// ---- other memory and geometry

void check_metadata_change(const Tensor& t, const char* function) {
  check(t.impl()->allow_metadata_change, function,
        " is not allowed on a Tensor created from .data or .detach(): it would not change the "
        "original; use a clone");
}

PyObject* resize(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  Dims sizes;
  PyObject* format = nullptr;
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    if (!is_keyword(name, "memory_format")) unexpected_keyword("resize_", name);
    format = args[n + k];
  }
  if (format && format != Py_None)
    check<NotImplementedError>(unwrap_memory_format(format) == MemoryFormat::contiguous,
                               "resize_: only torch.contiguous_format is supported");
  if (n == 0) raise<TypeError>("resize_() missing 1 required positional arguments: \"size\"");
  if (n == 1 && PySequence_Check(args[0]) && !is_tensor(args[0])) {
    sizes = unwrap_dims(args[0]);
  } else {
    for (Py_ssize_t i = 0; i < n; ++i) sizes.push_back(unwrap_int(args[i]));
  }
  const Tensor& t = unwrap(self);
  check_has_storage(t, "resize_");
  check(!t.requires_grad(), "resize_: cannot resize variables that require grad");
  if (same(t.sizes(), sizes)) return Py_NewRef(self);
  resize(t, sizes);
  bump_version(t);  // what has saved the tensor must not read it as it is now
  return Py_NewRef(self);
}

// Bytes that a geometry reaches in its storage.
int64_t bytes_needed(IntSpan sizes, IntSpan strides, int64_t offset, size_t item) {
  int64_t last = offset;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return 0;
    int64_t step;
    if (__builtin_mul_overflow(sizes[d] - 1, strides[d], &step) ||
        __builtin_add_overflow(last, step, &last))
      raise("set_: Storage size calculation overflowed with sizes=", show(sizes));
  }
  int64_t bytes;
  if (__builtin_add_overflow(last, 1, &last) ||
      __builtin_mul_overflow(last, static_cast<int64_t>(item), &bytes))
    raise("set_: Storage size calculation overflowed with sizes=", show(sizes));
  return bytes;
}

void set_memory(const Tensor& t, Ref<Storage> storage, IntSpan sizes, IntSpan strides,
                int64_t offset) {
  const Rearranging scope;
  check(offset >= 0, "set_: Tensor: invalid storage offset ", offset);
  check(sizes.size() == strides.size(),
        "set_: mismatch in length of strides and shape: ", strides.size(), " and ", sizes.size());
  for (const int64_t s : strides)
    check(s >= 0, "set_: strides must not be negative, but one is ", s);
  check(storage->device() == t.device(),
        "set_: Attempted to set the storage of a tensor on device \"", t.device().str(),
        "\" to a storage on different device \"", storage->device().str(), "\"");
  const int64_t needed = bytes_needed(sizes, strides, offset, t.itemsize());
  if (needed > static_cast<int64_t>(storage->nbytes()))
    storage->resize(static_cast<size_t>(needed));  // as PyTorch: the storage grows
  t.impl()->set_geometry(sizes, strides, offset);  // before the memory: it may refuse
  t.impl()->set_storage(std::move(storage));
  bump_version(t);
}

PyObject* set(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  const char* const names[] = {"source", "storage_offset", "size", "stride"};
  PyObject* given[4];
  read_arguments("set_", names, 0, args, n, kwnames, given);
  const Tensor& t = unwrap(self);
  check(!t.requires_grad() || !GradMode::enabled(),
        "set_: the memory of a tensor that requires grad cannot be exchanged under grad mode");
  check_metadata_change(t, "set_");
  check_has_storage(t, "set_");
  if (!given[0]) {
    const int64_t zero = 0, one = 1;
    set_memory(t, Storage::allocate(0, t.device()), {&zero, 1}, {&one, 1}, 0);
    return Py_NewRef(self);
  }
  const bool from_tensor = is_tensor(given[0]);
  if (!from_tensor && !is_storage(given[0]))
    raise_python(PyExc_TypeError,
                 "set_(): argument 'source' (position 1) must be Tensor or UntypedStorage, not %s",
                 Py_TYPE(given[0])->tp_name);
  if (from_tensor) {
    check_has_storage(unwrap(given[0]), "set_");
    check(unwrap(given[0]).dtype() == t.dtype(), "set_: Could not set tensor of type torch.",
          dtype_name(unwrap(given[0]).dtype()), " to a tensor of type torch.",
          dtype_name(t.dtype()));
  }
  Ref<Storage> storage =
      from_tensor ? unwrap(given[0]).impl()->storage() : unwrap_storage(given[0]);
  if (given[2]) {
    const Dims sizes = unwrap_dims(given[2]);
    const Dims strides = given[3] ? unwrap_dims(given[3]) : contiguous_strides(sizes);
    set_memory(t, std::move(storage), sizes, strides, given[1] ? unwrap_int(given[1]) : 0);
  } else if (from_tensor) {
    const Tensor& source = unwrap(given[0]);
    set_memory(t, std::move(storage), Dims(source.sizes()), Dims(source.strides()),
               source.offset());
  } else {
    const auto size = static_cast<int64_t>(storage->nbytes() / t.itemsize());
    const int64_t one = 1;
    set_memory(t, std::move(storage), {&size, 1}, {&one, 1}, 0);
  }
  return Py_NewRef(self);
}

PyObject* pin_memory(PyObject*, Args, Py_ssize_t, PyObject*) {
  raise<NotImplementedError>(
      "pin_memory: page-locked memory needs an accelerator, and there is none");
}
PyObject* share_memory_method(PyObject* self, Args, Py_ssize_t, PyObject*) {
  const Tensor& t = unwrap(self);
  check_has_storage(t, "share_memory_");
  note_read(t, "share_memory_");
  share_memory(*t.impl()->storage());
  return Py_NewRef(self);
}

const NativeMethod methods[] = {
    {"dim", dim, "()", "The number of dimensions."},
    {"ndimension", dim, "()", "The number of dimensions."},
    {"numel", numel, "()", "The number of elements."},
    {"nelement", numel, "()", "The number of elements."},
    {"element_size", element_size, "()", "Bytes per element."},
    {"storage_offset", storage_offset, "()", "Where in the storage it begins, in elements."},
    {"is_complex", is_complex_method, "()", "Whether the elements are complex."},
    {"is_floating_point", is_floating_point, "()", "Whether the elements are real floats."},
    {"is_signed", is_signed, "()", "Whether the elements can be negative."},
    {"is_conj", is_conj, "()", "Whether it is to be conjugated when read."},
    {"is_neg", is_neg, "()", "Whether it is to be negated when read."},
    {"is_pinned", never, "(device=None)",
     "Whether the memory is page-locked: never on this build."},
    {"is_shared", is_shared, "()", "Whether other processes share the memory."},
    {"is_distributed", never, "()", "False."},
    {"get_device", get_device, "()", "The index of the device; -1 on the CPU."},
    {"data_ptr", data_ptr, "()", "The address of the first element."},
    {"untyped_storage", untyped_storage, "()", "The bytes behind it."},
    {"size", size, "(dim=None)", "The size of all dimensions, or of one."},
    {"stride", stride, "(dim=None)", "The step in memory along all dimensions, or along one."},
    {"is_contiguous", is_contiguous, "(memory_format=torch.contiguous_format)",
     "Whether the elements follow each other in memory in the order of the format."},
    {"dim_order", dim_order, "()", "The dimensions from the outermost in memory to the innermost."},
    {"is_same_size", is_same_size, "(other)", "Whether both have the same shape."},
    {"is_set_to", is_set_to, "(tensor)", "Whether both are the same piece of the same memory."},
    {"resize_", resize, "(*sizes, memory_format=torch.contiguous_format)",
     "Takes another shape in place; new elements are uninitialised."},
    {"set_", set, "(source=None, storage_offset=0, size=None, stride=None)",
     "Takes the memory of another tensor or storage."},
    {"pin_memory", pin_memory, "(device=None)", "Not supported without an accelerator."},
    {"share_memory_", share_memory_method, "()",
     "Moves the memory to where other processes can share it; returns the tensor."},
};

}  // namespace

bool init_tensor_methods(PyObject*) {
  return add_methods(methods, std::size(methods)) && init_tensor_new();
}

}  // namespace flambeau::python
