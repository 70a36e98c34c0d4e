// __torch_function__: subclasses, duck types and modes answer for whole calls of the public API.
// The parser finds who overrides while it looks at the arguments; exact tensors cost nothing.
#include "core/python/binding.h"

namespace flambeau::python {

namespace {

PyObject *attribute_name, *disabled_function;

// The __torch_function__ of a type, borrowed; nullptr when it has none that counts.
PyObject* override_of(PyTypeObject* type) {
  PyObject* attribute = type_attribute(type, attribute_name);
  return attribute == disabled_function ? nullptr : attribute;
}

bool is_plain_python(PyTypeObject* type) {
  return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type ||
         type == &PyTuple_Type || type == &PyList_Type || type == Py_TYPE(Py_None) ||
         type == &PyBool_Type || type == &PyDict_Type || type == &PySlice_Type ||
         type == &PyComplex_Type || type == &PyBytes_Type || type == dtype_type ||
         type == size_type || type == device_type;
}

// ---- modes: the thread's stack of them

PyObject* push_mode(PyObject*, PyObject* mode) {
  return guarded([&] {
    push_object(thread_state.function_modes, mode);
    return Py_NewRef(Py_None);
  });
}
PyObject* pop_mode(PyObject*, PyObject*) {
  return guarded([&] {
    check(bool(thread_state.function_modes), "there is no torch function mode to leave");
    return pop_object(thread_state.function_modes);
  });
}
PyObject* count_modes(PyObject*, PyObject*) {
  return PyLong_FromUnsignedLong(thread_state.function_modes.size());
}
PyObject* mode_at(PyObject*, PyObject* index) {
  return guarded([&] { return object_at(thread_state.function_modes, unwrap_int(index)); });
}

// The top mode off the stack while it answers, so that what it calls goes to those below.
class WithoutTopMode {
 public:
  WithoutTopMode()
      : all_(thread_state.function_modes.exchange(
            Ref<const Frame>(thread_state.function_modes.top()->below()))) {}
  ~WithoutTopMode() { thread_state.function_modes.exchange(std::move(all_)); }
  PyObject* mode() const { return object_of(*all_); }

 private:
  Ref<const Frame> all_;
};

// ---- one call

struct Call {
  PyObject *function, *types, *args, *kwargs;
};

PyObject* ask(PyObject* who, const Call& call) {
  const Object method(must(PyObject_GetAttr(who, attribute_name)));
  return must(PyObject_CallFunctionObjArgs(method.get(), call.function, call.types, call.args,
                                           call.kwargs, nullptr));
}

Object types_of(std::span<PyObject* const> objects) {
  Object types(must(PyTuple_New(static_cast<Py_ssize_t>(objects.size()))));
  for (size_t i = 0; i < objects.size(); ++i)
    PyTuple_SET_ITEM(types.get(), static_cast<Py_ssize_t>(i),
                     Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(objects[i]))));
  return types;
}

std::string show_types(std::span<PyObject* const> objects) {
  std::string text;
  for (PyObject* o : objects) text += (text.empty() ? "" : ", ") + std::string(Py_TYPE(o)->tp_name);
  return text;
}

// Modes from the top, then the objects in order; the first that does not decline.
PyObject* ask_all(std::span<PyObject* const> who, const Call& call, const char* name) {
  if (thread_state.function_modes) {
    const WithoutTopMode without;
    Object result(ask(without.mode(), call));
    if (result.get() != Py_NotImplemented) return result.release();
  }
  for (PyObject* o : who) {
    Object result(ask(o, call));
    if (result.get() != Py_NotImplemented) return result.release();
  }
  raise_python(PyExc_TypeError,
               "Multiple dispatch failed for '%s'; all __torch_function__ handlers returned "
               "NotImplemented:\n\n  - types that were asked: %s",
               name, show_types(who).c_str());
}

// ---- with DisableTorchFunctionSubclass(): / with DisableTorchFunction():

struct GuardObject {
  PyObject_HEAD TorchFunction before;
};
template <TorchFunction state>
PyObject* enter_guard(PyObject* self, PyObject*) {
  reinterpret_cast<GuardObject*>(self)->before = thread_state.torch_function;
  thread_state.torch_function = std::max(thread_state.torch_function, state);
  return Py_NewRef(self);
}
PyObject* leave_guard(PyObject* self, PyObject*) {
  thread_state.torch_function = reinterpret_cast<GuardObject*>(self)->before;
  Py_RETURN_NONE;
}
template <TorchFunction state>
PyMethodDef guard_methods[] = {{"__enter__", enter_guard<state>, METH_NOARGS, nullptr},
                               {"__exit__", leave_guard, METH_VARARGS, nullptr},
                               {}};
template <TorchFunction state>
constexpr const char* kGuardDoc =
    state == TorchFunction::all_off
        ? "A context in which neither subclasses nor modes have __torch_function__ called."
        : "A context in which subclasses do not have __torch_function__ called.";
template <TorchFunction state>
PyType_Slot guard_slots[] = {{Py_tp_doc, const_cast<char*>(kGuardDoc<state>)},
                             {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                             {Py_tp_methods, guard_methods<state>},
                             {}};
PyType_Spec subclass_guard = {"flambeau._C.DisableTorchFunctionSubclass", sizeof(GuardObject), 0,
                              Py_TPFLAGS_DEFAULT, guard_slots<TorchFunction::subclasses_off>};
PyType_Spec all_guard = {"flambeau._C.DisableTorchFunction", sizeof(GuardObject), 0,
                         Py_TPFLAGS_DEFAULT, guard_slots<TorchFunction::all_off>};

// ---- what Python's own functions of the API ask

PyObject* is_enabled(PyObject*, PyObject*) {
  return PyBool_FromLong(thread_state.torch_function == TorchFunction::enabled);
}
bool any_overrides(std::span<PyObject* const> objects) {
  if (torch_function_modes_active() && thread_state.torch_function != TorchFunction::all_off)
    return true;
  for (PyObject* o : objects)
    if (!is_exact_tensor(o) && overrides_torch_function(o)) return true;
  return false;
}
PyObject* has_torch_function(PyObject*, PyObject* objects) {
  return guarded([&] {
    const FixedItems items(objects, "expected a sequence of arguments");
    return PyBool_FromLong(any_overrides({items.begin(), items.size()}));
  });
}
PyObject* has_torch_function_variadic(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return PyBool_FromLong(any_overrides({args, static_cast<size_t>(n)}));
}
PyObject* has_torch_function_unary(PyObject*, PyObject* o) {
  return PyBool_FromLong(any_overrides({&o, 1}));
}

// _overloaded_args(objects): those that override, each type once, subclasses first.
PyObject* overloaded_args(PyObject*, PyObject* objects) {
  return guarded([&] {
    const FixedItems items(objects, "expected a sequence of arguments");
    Overloaded found;
    for (PyObject* o : items)
      if (overrides_torch_function(o)) found.add(o);
    Object out(must(PyList_New(0)));
    for (PyObject* o : found.objects()) must(PyList_Append(out.get(), o));
    return out.release();
  });
}

PyMethodDef functions[] = {{"_push_on_torch_function_stack", push_mode, METH_O, nullptr},
                           {"_pop_torch_function_stack", pop_mode, METH_NOARGS, nullptr},
                           {"_len_torch_function_stack", count_modes, METH_NOARGS, nullptr},
                           {"_get_function_stack_at", mode_at, METH_O, nullptr},
                           {"_is_torch_function_enabled", is_enabled, METH_NOARGS, nullptr},
                           {"_has_torch_function", has_torch_function, METH_O, nullptr},
                           {"_has_torch_function_unary", has_torch_function_unary, METH_O, nullptr},
                           {"_has_torch_function_variadic", c_function(has_torch_function_variadic),
                            METH_FASTCALL, nullptr},
                           {"_overloaded_args", overloaded_args, METH_O, nullptr},
                           {}};
}  // namespace

bool overrides_torch_function(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (thread_state.torch_function != TorchFunction::enabled || type == tensor_type) return false;
  return !is_plain_python(type) && !PyType_Check(o) && override_of(type);
}

void Overloaded::add(PyObject* o) {
  size_t at = n_;
  for (size_t i = 0; i < n_; ++i) {
    if (Py_TYPE(objects_[i]) == Py_TYPE(o)) return;
    if (at == n_ && PyType_IsSubtype(Py_TYPE(o), Py_TYPE(objects_[i]))) at = i;
  }
  check(n_ < kMax, "__torch_function__: more than ", kMax, " types in one call");
  for (size_t i = n_; i > at; --i) objects_[i] = objects_[i - 1];
  objects_[at] = Py_NewRef(o);
  ++n_;
}

void Overloaded::release() {
  while (n_) Py_DECREF(objects_[--n_]);
}

PyObject* call_torch_function(const Overloaded& who, PyObject* function, PyObject* const* args,
                              Py_ssize_t n, PyObject* kwnames, const char* name) {
  if (thread_state.torch_function == TorchFunction::all_off) return nullptr;
  const Object positional(must(PyTuple_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i) PyTuple_SET_ITEM(positional.get(), i, Py_NewRef(args[i]));
  const Object keywords(must(PyDict_New()));
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k)
    must(PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(kwnames, k), args[n + k]));
  const Object types = types_of(who.objects());
  return ask_all(who.objects(), {function, types.get(), positional.get(), keywords.get()}, name);
}

PyObject* torch_function_on(PyObject* self, const char* attribute, PyObject* const* args,
                            Py_ssize_t n) {
  Overloaded who;
  for (Py_ssize_t i = 0; i < n; ++i)
    if (overrides_torch_function(args[i])) who.add(args[i]);
  const bool modes_on =
      torch_function_modes_active() && thread_state.torch_function != TorchFunction::all_off;
  if (who.empty() && !modes_on) return nullptr;
  Object function(
      must(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), attribute)));
  if (Py_TYPE(function.get()) == &PyGetSetDescr_Type)
    function = Object(must(PyObject_GetAttrString(function.get(), n == 1 ? "__get__" : "__set__")));
  return call_torch_function(who, function.get(), args, n, nullptr, attribute);
}

bool init_torch_function(PyObject* module) {
  attribute_name = PyUnicode_InternFromString("__torch_function__");
  if (!attribute_name || PyModule_AddFunctions(module, functions) < 0) return false;
  if (!init_default_torch_function(module)) return false;
  disabled_function = PyObject_GetAttrString(module, "_disabled_torch_function_impl");
  return disabled_function && make_type(module, &subclass_guard, "DisableTorchFunctionSubclass") &&
         make_type(module, &all_guard, "DisableTorchFunction");
}

}  // namespace flambeau::python
