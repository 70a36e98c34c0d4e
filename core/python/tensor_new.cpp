// Tensor(...): the old constructor, which programs still use, and tensor.new(...).
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

// flambeau.tensor(data, dtype=...), which knows all kinds of data.
Tensor tensor_of(PyObject* data, DType dtype) {
  static PyObject* function = nullptr;
  const Object kwargs(must(PyDict_New())), args(must(PyTuple_Pack(1, data)));
  const Object wrapped(must(wrap(dtype)));
  must(PyDict_SetItemString(kwargs.get(), "dtype", wrapped.get()));
  const Object made(
      must(PyObject_Call(imported(function, "flambeau._C", "tensor"), args.get(), kwargs.get())));
  return unwrap(made.get());
}

bool all_ints(PyObject* const* args, Py_ssize_t n) {
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!is_index(args[i]) || (is_tensor(args[i]) && n == 1)) return false;
  return true;
}

// A plain handle on the same memory, detached as the old constructor has it.
Tensor alias_of(const Tensor& t) { return detach(t); }

Tensor legacy_tensor(PyObject* const* args, Py_ssize_t n, TensorOptions options) {
  if (n == 0) {
    const int64_t zero = 0;
    return empty({&zero, 1}, options);
  }
  if (n == 1 && is_size(args[0])) return empty(unwrap_dims(args[0]), options);
  if (all_ints(args, n)) {
    Dims sizes;
    for (Py_ssize_t i = 0; i < n; ++i) sizes.push_back(unwrap_int(args[i]));
    return empty(sizes, options);
  }
  if (n > 1)
    raise_python(PyExc_TypeError,
                 "new(): sizes must be ints; data must be given as one sequence, not as %zd "
                 "arguments",
                 n);
  PyObject* data = args[0];
  if (is_tensor(data)) return alias_of(unwrap(data));
  if (is_storage(data)) {
    const Ref<Storage>& storage = unwrap_storage(data);
    const auto size = static_cast<int64_t>(storage->nbytes() / itemsize(options.dtype));
    auto* impl = new TensorImpl(storage, options.dtype, storage->device());
    Tensor t = Tensor::adopt(impl);
    impl->begin_contiguous({&size, 1});
    return t;
  }
  if (PyUnicode_Check(data) || PyBytes_Check(data))
    raise_python(PyExc_TypeError, "new(): invalid data type '%s'", Py_TYPE(data)->tp_name);
  if (!PySequence_Check(data))
    raise_python(PyExc_TypeError, "new(): data must be a sequence (got %s)",
                 Py_TYPE(data)->tp_name);
  return tensor_of(data, options.dtype);
}

void check_device_argument(PyObject* device, Device expected) {
  if (!device || device == Py_None) return;
  const Device given = unwrap_device(device);
  check(given.type == expected.type, "legacy constructor expects device type: ", expected.str(),
        " but device type: ", given.str(), " was passed");
}

// The arguments without device=, the only keyword there is.
PyObject* device_keyword(const char* function, PyObject* kwargs) {
  if (!kwargs || PyDict_GET_SIZE(kwargs) == 0) return nullptr;
  PyObject* device = PyDict_GetItemString(kwargs, "device");
  PyObject* data = PyDict_GetItemString(kwargs, "data");
  if (PyDict_GET_SIZE(kwargs) != (device != nullptr) + (data != nullptr))
    raise_python(PyExc_TypeError, "%s() got an unexpected keyword argument; it takes data, device",
                 function);
  return device;
}

PyObject* new_method(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const Tensor& like = unwrap(self);
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    if (!is_keyword(name, "device")) unexpected_keyword("new", name);
    check_device_argument(args[n + k], like.device());
  }
  return wrap(legacy_tensor(args, n, like.options()));
}

PyObject* new_tensor_method(PyObject* self, PyObject* const* args, Py_ssize_t n,
                            PyObject* kwnames) {
  static const char* const kNames[] = {"data", "dtype", "device", "requires_grad", "pin_memory"};
  PyObject* given[5];
  read_arguments("new_tensor", kNames, 1, args, n, kwnames, given, 1);
  static PyObject* function = nullptr;
  const Tensor& like = unwrap(self);
  const Object kwargs(must(PyDict_New())), positional(must(PyTuple_Pack(1, given[0])));
  const Object dtype(must(wrap(like.dtype()))), device(must(wrap(like.device())));
  const auto give = [&](const char* name, PyObject* value) {
    if (value) must(PyDict_SetItemString(kwargs.get(), name, value));
  };
  const auto or_own = [](PyObject* v, const Object& own) {
    return v && v != Py_None ? v : own.get();
  };
  give("dtype", or_own(given[1], dtype));
  give("device", or_own(given[2], device));
  give("requires_grad", given[3]);
  give("pin_memory", given[4]);
  return PyObject_Call(imported(function, "flambeau._C", "tensor"), positional.get(), kwargs.get());
}

const NativeMethod methods[] = {
    {"new", new_method, "(*args, device=None)",
     "A tensor of this one's dtype: of a size, or with the elements of a sequence."},
    {"new_tensor", new_tensor_method, "(data, *, dtype=None, device=None, requires_grad=False)",
     "A tensor with a copy of data, by default of this one's dtype and device."},
};

}  // namespace

PyObject* legacy_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject* device = device_keyword("Tensor", kwargs);
    PyObject* data = kwargs ? PyDict_GetItemString(kwargs, "data") : nullptr;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject* const* items = PySequence_Fast_ITEMS(args);
    if (data && n == 0) {
      items = &data;
      n = 1;
    }
    check_device_argument(device, Device{});
    if (n == 1 && type == tensor_type && is_exact_tensor(items[0]))
      return wrap(alias_of(unwrap(items[0])));
    Tensor made = legacy_tensor(items, n, {default_dtype()});
    if (type == tensor_type) return wrap(std::move(made));
    // The data's own object stays what it is; the subclass gets a handle of its own.
    if (made.impl()->py_object.load()) made = detach(made);
    return wrap_as(type, std::move(made));
  });
}

bool init_tensor_new() { return add_methods(methods, std::size(methods)); }

}  // namespace flambeau::python
