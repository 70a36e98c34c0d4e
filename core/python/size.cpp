// flambeau.Size: a tuple of ints that stays one under slicing, + and *.
#include "core/python/binding.h"

namespace flambeau::python {

PyTypeObject* size_type;

namespace {

PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    const bool from_items = !kwargs && PyTuple_GET_SIZE(args) == 1;
    const Object items(from_items ? fixed_tuple(PyTuple_GET_ITEM(args, 0)) : Object());
    const Object fixed(from_items ? must(PyTuple_Pack(1, items.get())) : Py_NewRef(args));
    Object self(must(PyTuple_Type.tp_new(type, fixed.get(), kwargs)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self.get()); ++i) {
      PyObject* item = PyTuple_GET_ITEM(self.get(), i);
      if (PyLong_CheckExact(item)) {
        unwrap_int(item);  // it must fit in 64 bits
        continue;
      }
      if (is_symint(item)) continue;
      if (!is_index(item))
        raise_python(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')",
                     i, Py_TYPE(item)->tp_name);
      PyObject* number = must(PyLong_FromLongLong(unwrap_int(item)));
      PyTuple_SET_ITEM(self.get(), i, number);
      Py_DECREF(item);
    }
    return self.release();
  });
}

// A Size with the items of a tuple.
PyObject* as_size(PyObject* tuple) {
  if (!tuple || !PyTuple_CheckExact(tuple)) return tuple;
  const Object source(tuple);
  return PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), tuple);
}

PyObject* repr(PyObject* self) {
  const Object list(PySequence_List(self));
  return list ? PyUnicode_FromFormat("torch.Size(%R)", list.get()) : nullptr;
}

PyObject* concat(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) {
    const PyObject* other = PyTuple_Check(a) ? b : a;
    PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not %.200s) to torch.Size",
                 Py_TYPE(other)->tp_name);
    return nullptr;
  }
  return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
// As a number slot, so that tuple + Size gives a Size too.
PyObject* add(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  return concat(a, b);
}
PyObject* repeat(PyObject* self, Py_ssize_t n) {
  return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(self, n));
}
PyObject* subscript(PyObject* self, PyObject* key) {
  return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(self, key));
}

PyObject* numel(PyObject* self, PyObject*) {
  Object product(PyLong_FromLong(1));
  for (Py_ssize_t i = 0; product && i < PyTuple_GET_SIZE(self); ++i)
    product = Object(PyNumber_Multiply(product.get(), PyTuple_GET_ITEM(self, i)));
  return product.release();
}
PyObject* reduce(PyObject* self, PyObject*) {
  const Object tuple(PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self)));
  if (!tuple) return nullptr;
  // The slice of a subclass is a plain tuple already.
  return Py_BuildValue("O(O)", Py_TYPE(self), tuple.get());
}

PyMethodDef methods[] = {
    {"numel", numel, METH_NOARGS, "The number of elements of a tensor of this size."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {}};
PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("The size of a tensor: a tuple of ints.")},
                       {Py_tp_new, reinterpret_cast<void*>(size_new)},
                       {Py_tp_repr, reinterpret_cast<void*>(repr)},
                       {Py_nb_add, reinterpret_cast<void*>(add)},
                       {Py_sq_concat, reinterpret_cast<void*>(concat)},
                       {Py_sq_repeat, reinterpret_cast<void*>(repeat)},
                       {Py_mp_subscript, reinterpret_cast<void*>(subscript)},
                       {Py_tp_methods, methods},
                       {}};
PyType_Spec spec = {"flambeau.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

PyObject* wrap_size(IntSpan sizes) {
  const auto n = static_cast<Py_ssize_t>(sizes.size());
  PyObject* self = size_type->tp_alloc(size_type, n);
  if (!self) return nullptr;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PyLong_FromLongLong(sizes[i]);
    if (!item) {
      Py_DECREF(self);
      return nullptr;
    }
    PyTuple_SET_ITEM(self, i, item);
  }
  return self;
}

bool init_size(PyObject* module) {
  size_type = make_type(module, &spec, "Size", reinterpret_cast<PyObject*>(&PyTuple_Type));
  return size_type != nullptr;
}

}  // namespace flambeau::python
