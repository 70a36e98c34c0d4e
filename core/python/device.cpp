// flambeau.device.
#include "core/python/binding.h"

namespace flambeau::python {

PyTypeObject* device_type;

namespace {

struct DeviceObject {
  PyObject_HEAD Device device;
};

Device device_of(PyObject* o) { return reinterpret_cast<DeviceObject*>(o)->device; }

int8_t device_index(PyObject* o) {
  const int64_t index = unwrap_int(o);
  check(index >= 0, "Device index must not be negative");
  check(index <= 127, "Device index must be at most 127, not ", index);
  return static_cast<int8_t>(index);
}

Device parse_text(PyObject* text) {
  Py_ssize_t size;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, &size);
  if (!utf8) throw PythonError();
  return Device::parse({utf8, static_cast<size_t>(size)});
}

PyObject* device_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"type", "index", nullptr};
    PyObject *kind = nullptr, *index = nullptr;
    // device(device=...) is the other spelling of the one-argument form.
    PyObject* other = kwargs ? PyDict_GetItemString(kwargs, "device") : nullptr;
    if (other && PyTuple_GET_SIZE(args) == 0 && PyDict_GET_SIZE(kwargs) == 1)
      kind = other;
    else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:device", const_cast<char**>(kNames),
                                          &kind, &index))
      throw PythonError();
    Device device;
    if (index && index != Py_None) {
      if (!PyUnicode_Check(kind))
        raise_python(PyExc_TypeError, "device(): argument 'type' (position 1) must be str, not %s",
                     Py_TYPE(kind)->tp_name);
      device = parse_text(kind);
      check(device.index < 0,
            "type (string) must not include an index because index was passed "
            "explicitly: ",
            device.str());
      device.index = device_index(index);
    } else {
      device = unwrap_device(kind);
    }
    PyObject* self = must(type->tp_alloc(type, 0));
    reinterpret_cast<DeviceObject*>(self)->device = device;
    return self;
  });
}

PyObject* repr(PyObject* self) {
  const Device d = device_of(self);
  if (d.index < 0) return PyUnicode_FromFormat("device(type='%s')", device_type_name(d.type));
  return PyUnicode_FromFormat("device(type='%s', index=%d)", device_type_name(d.type),
                              static_cast<int>(d.index));
}
PyObject* str(PyObject* self) {
  return guarded([&] { return PyUnicode_FromString(device_of(self).str().c_str()); });
}
PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (!is_device(a) || !is_device(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((device_of(a) == device_of(b)) == (op == Py_EQ));
}
Py_hash_t hash(PyObject* self) {
  const Device d = device_of(self);
  return static_cast<Py_hash_t>(d.type) << 16 | static_cast<uint8_t>(d.index);
}
PyObject* get_type(PyObject* self, void*) {
  return PyUnicode_FromString(device_type_name(device_of(self).type));
}
PyObject* get_index(PyObject* self, void*) {
  const Device d = device_of(self);
  return d.index < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(d.index);
}
PyObject* reduce(PyObject* self, PyObject*) {
  const Device d = device_of(self);
  auto* type = reinterpret_cast<PyObject*>(device_type);
  if (d.index < 0) return Py_BuildValue("O(s)", type, device_type_name(d.type));
  return Py_BuildValue("O(si)", type, device_type_name(d.type), static_cast<int>(d.index));
}

// `with device:` is a function mode that fills in `device=`; the mode itself is Python.
PyObject* enter(PyObject* self, PyObject*) {
  return guarded([&] {
    static PyObject* function = nullptr;
    return must(PyObject_CallOneArg(imported(function, "flambeau.utils._device", "_enter"), self));
  });
}
PyObject* leave(PyObject*, PyObject*) {
  return guarded([&] {
    static PyObject* function = nullptr;
    return must(PyObject_CallNoArgs(imported(function, "flambeau.utils._device", "_exit")));
  });
}

PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                         {"__enter__", enter, METH_NOARGS, "Tensors are made on this device."},
                         {"__exit__", leave, METH_VARARGS, nullptr},
                         {}};
PyGetSetDef properties[] = {
    {"type", get_type, nullptr, "The kind of device: 'cpu', 'meta', ...", {}},
    {"index", get_index, nullptr, "Which one of its kind, or None for the current one.", {}},
    {}};
PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("device(type, index=None): where a tensor's memory is.")},
    {Py_tp_new, reinterpret_cast<void*>(device_new)},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_str, reinterpret_cast<void*>(str)},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
    {Py_tp_hash, reinterpret_cast<void*>(hash)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {}};
PyType_Spec spec = {"flambeau.device", sizeof(DeviceObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

constexpr int kIndices = 129;  // -1 to 127
PyObject* made[kDeviceTypes][kIndices];

}  // namespace

PyObject* wrap(Device device) {
  // A device is asked for often and there are few: each is made once.
  PyObject*& slot = made[static_cast<int>(device.type)][device.index + 1];
  if (!slot) {
    auto* o = PyObject_New(DeviceObject, device_type);
    if (!o) return nullptr;
    o->device = device;
    slot = reinterpret_cast<PyObject*>(o);
  }
  return Py_NewRef(slot);
}

Device unwrap_device(PyObject* o) {
  if (is_device(o)) return device_of(o);
  if (PyUnicode_Check(o)) return parse_text(o);
  if (is_index(o)) {
    const int8_t index = device_index(o);
    raise("Cannot access accelerator device when none is available: device index ",
          static_cast<int>(index), " names an accelerator; write 'cpu' or 'meta'");
  }
  raise_python(PyExc_TypeError, "expected a torch.device, str or int, got %.200s",
               Py_TYPE(o)->tp_name);
}

bool init_device(PyObject* module) {
  device_type = make_type(module, &spec, "device");
  return device_type != nullptr;
}

}  // namespace flambeau::python
