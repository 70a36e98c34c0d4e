// Grad and inference mode: the functions, and the context managers' cheap part.
#include "core/python/autograd.h"

namespace flambeau::python {
namespace {

bool truth(PyObject* o) {
  if (!PyBool_Check(o)) {
    PyErr_Format(PyExc_TypeError, "enabled must be a bool (got %s)", Py_TYPE(o)->tp_name);
    throw PythonError();
  }
  return o == Py_True;
}

// ---- guards: no_grad and its like derive from these types

enum class Kind : uint8_t { no_grad, enable_grad, set_grad, inference };

struct Guard {
  PyObject ob_base;
  Kind kind;
  bool mode, entered, grad_before, inference_before;
};
Guard& guard_of(PyObject* o) { return *reinterpret_cast<Guard*>(o); }

void set_modes(bool grad, bool inference) {
  thread_state.inference_mode = inference;
  GradMode::set(grad);
}

void apply(Guard& g) {
  g.grad_before = thread_state.grad_mode;
  g.inference_before = thread_state.inference_mode;
  switch (g.kind) {
    case Kind::no_grad:
      return GradMode::set(false);
    case Kind::enable_grad:
      return GradMode::set(true);
    case Kind::set_grad:
      return GradMode::set(g.mode);
    case Kind::inference:
      return set_modes(!g.mode, g.mode);
  }
}

PyObject* enter(PyObject* self, PyObject*) {
  Guard& g = guard_of(self);
  if (g.kind == Kind::set_grad)
    GradMode::set(g.mode);  // what was before, the constructor has noted
  else
    apply(g);
  Py_RETURN_NONE;
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) {
  const Guard& g = guard_of(self);
  if (g.kind == Kind::inference)
    set_modes(g.grad_before, g.inference_before);
  else
    GradMode::set(g.grad_before);
  Py_RETURN_NONE;
}

// no_grad(f) and inference_mode(f): a decorator without parentheses.
PyObject* decorate(PyTypeObject* type, PyObject* f) {
  const Object made(PyObject_CallNoArgs(reinterpret_cast<PyObject*>(type)));
  return made ? PyObject_CallOneArg(made.get(), f) : nullptr;
}

PyObject* make(PyTypeObject* type, Kind kind, bool mode) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  Guard& g = guard_of(self);
  g.kind = kind;
  g.mode = mode;
  g.grad_before = thread_state.grad_mode;
  return self;
}

template <Kind kind>
PyObject* make_plain(PyTypeObject* type, PyObject* args, PyObject*) {
  if (PyTuple_GET_SIZE(args) == 0) return make(type, kind, kind != Kind::no_grad);
  PyObject* f = PyTuple_GET_ITEM(args, 0);
  if (PyTuple_GET_SIZE(args) == 1 && PyCallable_Check(f)) return decorate(type, f);
  PyErr_Format(PyExc_TypeError, "%s takes no arguments but, as a decorator, a function",
               type->tp_name);
  return nullptr;
}

PyObject* make_set_grad(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"mode", nullptr};
  return guarded([&]() -> PyObject* {
    PyObject* mode;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &mode))
      throw PythonError();
    PyObject* self = must(make(type, Kind::set_grad, truth(mode)));
    GradMode::set(guard_of(self).mode);
    return self;
  });
}

PyObject* make_inference(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"mode", nullptr};
  return guarded([&]() -> PyObject* {
    PyObject* mode = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(names), &mode))
      throw PythonError();
    if (!PyBool_Check(mode) && PyCallable_Check(mode)) return decorate(type, mode);
    return make(type, Kind::inference, truth(mode));
  });
}

// The arguments belong to the constructor.
int accept_arguments(PyObject*, PyObject*, PyObject*) { return 0; }

PyObject* get_prev(PyObject* self, void*) { return PyBool_FromLong(guard_of(self).grad_before); }
PyObject* get_mode(PyObject* self, void*) { return PyBool_FromLong(guard_of(self).mode); }

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef guard_methods[] = {{"__enter__", enter, METH_NOARGS, nullptr},
                               {"__exit__", c_function(leave), METH_FASTCALL, nullptr},
                               {nullptr, nullptr, 0, nullptr}};
PyGetSetDef guard_properties[] = {
    {"prev", get_prev, nullptr, "Grad mode as it was before.", nullptr},
    {"mode", get_mode, nullptr, "The mode that this sets.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

bool add_guard(PyObject* module, const char* name, newfunc construct) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(construct)},
                         {Py_tp_init, reinterpret_cast<void*>(accept_arguments)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                         {Py_tp_methods, guard_methods},
                         {Py_tp_getset, guard_properties},
                         {0, nullptr}};
  const auto* full_name = new std::string(concat("flambeau._C.", name));
  PyType_Spec spec = {full_name->c_str(), sizeof(Guard), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return add_to(module, name, PyType_FromSpec(&spec));
}

// ---- plain functions

template <bool ThreadState::* Flag>
PyObject* get_flag(PyObject*, PyObject*) {
  return PyBool_FromLong(thread_state.*Flag);
}
template <bool ThreadState::* Flag>
PyObject* set_flag(PyObject*, PyObject* value) {
  return guarded([&] {
    thread_state.*Flag = truth(value);
    return Py_NewRef(Py_None);
  });
}

PyObject* set_grad_enabled(PyObject*, PyObject* value) {
  return guarded([&] {
    GradMode::set(truth(value));
    return Py_NewRef(Py_None);
  });
}

PyObject* set_anomaly(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"mode", "check_nan", nullptr};
  int mode, check_nan = 1;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "p|p", const_cast<char**>(names), &mode,
                                   &check_nan))
    return nullptr;
  thread_state.anomaly_mode = mode;
  thread_state.anomaly_check_nan = check_nan;
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"is_grad_enabled", get_flag<&ThreadState::grad_mode>, METH_NOARGS,
     "is_grad_enabled() -> bool\n\nTrue when operations are recorded for backward."},
    {"is_inference_mode_enabled", get_flag<&ThreadState::inference_mode>, METH_NOARGS,
     "is_inference_mode_enabled() -> bool\n\nTrue inside of inference_mode."},
    {"_set_grad_enabled", set_grad_enabled, METH_O, nullptr},
    {"_is_multithreading_enabled", get_flag<&ThreadState::multithreading>, METH_NOARGS,
     "_is_multithreading_enabled() -> bool\n\nWhether backward passes may use several threads."},
    {"_set_multithreading_enabled", set_flag<&ThreadState::multithreading>, METH_O, nullptr},
    {"_is_view_replay_enabled", get_flag<&ThreadState::view_replay>, METH_NOARGS,
     "_is_view_replay_enabled() -> bool\n\nWhether views are made again by the ops that made "
     "them."},
    {"_set_view_replay_enabled", set_flag<&ThreadState::view_replay>, METH_O, nullptr},
    {"is_anomaly_enabled", get_flag<&ThreadState::anomaly_mode>, METH_NOARGS,
     "is_anomaly_enabled() -> bool"},
    {"is_anomaly_check_nan_enabled", get_flag<&ThreadState::anomaly_check_nan>, METH_NOARGS,
     "is_anomaly_check_nan_enabled() -> bool"},
    {"set_anomaly_enabled", c_function(set_anomaly), METH_VARARGS | METH_KEYWORDS,
     "set_anomaly_enabled(mode, check_nan=True)"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool init_grad_mode(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 &&
         add_guard(module, "_NoGrad", make_plain<Kind::no_grad>) &&
         add_guard(module, "_EnableGrad", make_plain<Kind::enable_grad>) &&
         add_guard(module, "_SetGrad", make_set_grad) &&
         add_guard(module, "_InferenceGuard", make_inference);
}

}  // namespace flambeau::python
