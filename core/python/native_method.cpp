// Methods and properties of Tensor that are not ops, with __torch_function__ in front of them.

#include "core/python/binding.h"

namespace flambeau::python {
namespace {

struct MethodObject {
  PyObject_HEAD vectorcallfunc call;
  const NativeMethod* method;
};

const NativeMethod& method_of(PyObject* o) { return *reinterpret_cast<MethodObject*>(o)->method; }

PyObject* call_method(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  const NativeMethod& m = method_of(self);
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  try {
    if (n == 0 || !is_tensor(args[0]))
      raise_python(PyExc_TypeError,
                   "descriptor '%s' for 'Tensor' objects doesn't apply to a '%s' object", m.name,
                   n ? Py_TYPE(args[0])->tp_name : "nothing");
    if (may_override(args[0])) {
      Overloaded who;
      if (overrides_torch_function(args[0])) who.add(args[0]);
      if (!who.empty() || torch_function_modes_active())
        if (PyObject* r = call_torch_function(who, self, args, n, kwnames, m.name)) return r;
      if (PyObject* r = geometry_from_class(args[0], m.name, args + 1, n - 1, kwnames)) return r;
    }
    if (m.signature[1] == ')' && (n > 1 || kwnames)) [[unlikely]]
      raise_python(PyExc_TypeError, "Tensor.%s() takes no %sarguments (%zd given)", m.name,
                   n > 1 ? "" : "keyword ", n - 1 + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
    return must(m.body(args[0], args + 1, n - 1, kwnames));
  } catch (...) {
    translate_exception(m.name);
    return nullptr;
  }
}

PyObject* get_name(PyObject* self, void*) { return PyUnicode_FromString(method_of(self).name); }
PyObject* get_qualname(PyObject* self, void*) {
  return PyUnicode_FromFormat("Tensor.%s", method_of(self).name);
}
PyObject* get_module(PyObject*, void*) { return PyUnicode_FromString("flambeau"); }
// A method without a text of its own may stand in for one that is written in Python.
PyObject* get_doc(PyObject* self, void*) {
  if (const char* doc = method_of(self).doc) return PyUnicode_FromString(doc);
  return guarded([&] {
    const Object module(must(PyImport_ImportModule("flambeau._tensor")));
    PyObject* const type = reinterpret_cast<PyObject*>(tensor_type);
    const Object loaded(must(PyObject_GetAttrString(type, method_of(self).name)));
    if (loaded.get() == self) return Py_NewRef(Py_None);
    return must(PyObject_GetAttrString(loaded.get(), "__doc__"));
  });
}
PyObject* get_signature(PyObject* self, void*) {
  const char* signature = method_of(self).signature;
  return PyUnicode_FromFormat(signature[1] == ')' ? "($self%s" : "($self, %s", signature + 1);
}
PyObject* get_objclass(PyObject*, void*) {
  return Py_NewRef(reinterpret_cast<PyObject*>(tensor_type));
}
PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<method '%s' of 'Tensor' objects>", method_of(self).name);
}
PyObject* reduce(PyObject* self, PyObject*) {
  static PyObject* getattr = nullptr;
  return guarded([&] {
    return must(Py_BuildValue("O(Os)", imported(getattr, "builtins", "getattr"), tensor_type,
                              method_of(self).name));
  });
}
PyObject* bind_method(PyObject* self, PyObject* instance, PyObject*) {
  return instance ? PyMethod_New(self, instance) : Py_NewRef(self);
}

PyGetSetDef getset[] = {{"__name__", get_name, nullptr, nullptr, {}},
                        {"__qualname__", get_qualname, nullptr, nullptr, {}},
                        {"__module__", get_module, nullptr, nullptr, {}},
                        {"__doc__", get_doc, nullptr, nullptr, {}},
                        {"__text_signature__", get_signature, nullptr, nullptr, {}},
                        {"__objclass__", get_objclass, nullptr, nullptr, {}},
                        {}};
PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {}};
PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(MethodObject, call), READONLY, nullptr}, {}};
PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_repr, reinterpret_cast<void*>(repr)},
                       {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {}};
PyType_Spec spec = {"flambeau._C.native_method", sizeof(MethodObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_METHOD_DESCRIPTOR,
                    slots};

// ---- properties

PyObject* get_property(PyObject* self, void* closure) {
  const auto& p = *static_cast<const Property*>(closure);
  return guarded([&]() -> PyObject* {
    if (may_override(self)) {
      if (PyObject* r = torch_function_on(self, p.name, &self, 1)) return r;
      if (PyObject* r = geometry_from_class(self, p.name, nullptr, 0, nullptr)) return r;
    }
    return must(p.get(self));
  });
}

int set_property(PyObject* self, PyObject* value, void* closure) {
  const auto& p = *static_cast<const Property*>(closure);
  return guarded_int([&] {
    if (value && may_override(self)) {
      PyObject* const args[] = {self, value};
      if (const Object r(torch_function_on(self, p.name, args, 2)); r) return 0;
    }
    return must(p.set(self, value));
  });
}

bool add_descriptor(const char* name, PyObject* descriptor) {
  const Object owned(descriptor);
  return owned &&
         PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), name, owned.get()) == 0;
}

}  // namespace

bool add_methods(const NativeMethod* list, size_t n) {
  static PyTypeObject* type = nullptr;
  if (!type) type = make_type(nullptr, &spec, nullptr);
  if (!type) return false;
  for (size_t i = 0; i < n; ++i) {
    auto* m = PyObject_New(MethodObject, type);
    if (!m) return false;
    m->call = call_method;
    m->method = &list[i];
    if (!add_descriptor(list[i].name, reinterpret_cast<PyObject*>(m))) return false;
  }
  return true;
}

bool add_properties(const Property* list, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const Property& p = list[i];
    // A descriptor keeps the address of its definition, so it is never freed.
    auto* def = new PyGetSetDef{p.name, get_property, p.set ? set_property : nullptr, p.doc,
                                const_cast<Property*>(&p)};
    if (!add_descriptor(p.name, PyDescr_NewGetSet(tensor_type, def))) return false;
  }
  return true;
}

}  // namespace flambeau::python
