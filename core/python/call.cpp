// The trampoline between Python and all ops. See docs/call.md.
#include "core/python/call.h"

#include <algorithm>

#include "core/dispatch/registrations.h"

namespace flambeau::python {
namespace {

PyTypeObject *function_type, *method_type;

bool is_method(PyObject* o) { return Py_TYPE(o) == method_type; }

Style style_of(FunctionObject* f) {
  return f->name->where == PythonName::Where::function ? Style::function : Style::method;
}

// ---- calling

// Factories have no tensor to be measured by, but a size.
int64_t factory_work(const Op& op, const Arguments& arguments) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (arguments.values[i].tag == Value::Tag::integers) {
      int64_t product = 1;
      for (const int64_t s : arguments.values[i].integers())
        if (__builtin_mul_overflow(product, s, &product)) return 0;
      return product;
    }
  return 0;
}

bool worth_releasing(int64_t work) {
  // Layers in Python would take the lock right back.
  return work >= kReleaseAbove && !(thread_state.included & ~thread_state.excluded & ~kDefer) &&
         !thread_state.saved_tensor_hooks && !others_rearrange();
}

void invoke(const Op& op, const Value* values, int64_t work, Results& results) {
  if (worth_releasing(work)) {
    const ReleaseGil released;
    op.call(op, values, results);
  } else {
    op.call(op, values, results);
  }
}

// A part of run_op, which every call of a function passes.
[[gnu::always_inline]] inline void call_now(const Op& op, Arguments& arguments, Results& results) {
  if (arguments.symbolic) [[unlikely]]
    call_symbolic(op, arguments.values, results);
  else
    invoke(op, arguments.values,
           op.tags & tag::factory ? factory_work(op, arguments) : arguments.work, results);
}

PyObject* dispatch(FunctionObject* f, const Signature& s, Arguments& arguments,
                   PyObject* const* args, Py_ssize_t n, PyObject* kwnames,
                   const char* public_name) {
  if (arguments.overloaded.empty() && !torch_function_modes_active()) [[likely]]
    return run_op(s.op(), arguments);
  Object function = Object::borrow(reinterpret_cast<PyObject*>(f));
  if (public_name)
    function =
        Object(must(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), public_name)));
  if (PyObject* r = call_torch_function(arguments.overloaded, function.get(), args, n, kwnames,
                                        f->name->name))
    return r;
  return run_op(s.op(), arguments);  // all overriding is switched off
}

// out=None means the same as no out=: the arguments without it.
struct WithoutOut {
  Object kwnames;
  std::vector<PyObject*> args;
  bool found = false;

  WithoutOut(PyObject* const* given, Py_ssize_t n, PyObject* names) {
    static PyObject* const out = interned("out");
    const Py_ssize_t at = find_keyword_of(names, out);
    if (at < 0 || given[n + at] != Py_None) return;
    found = true;
    const Py_ssize_t nkw = PyTuple_GET_SIZE(names);
    args.assign(given, given + n + nkw);
    args.erase(args.begin() + n + at);
    kwnames = Object(must(PyTuple_New(nkw - 1)));
    for (Py_ssize_t k = 0, to = 0; k < nkw; ++k)
      if (k != at) PyTuple_SET_ITEM(kwnames.get(), to++, Py_NewRef(PyTuple_GET_ITEM(names, k)));
  }
};

PyObject* call_function(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  FunctionObject* f = as_function(self);
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  if (is_method(self) && (n == 0 || !is_tensor(args[0]))) [[unlikely]] {
    PyErr_Format(PyExc_TypeError,
                 "descriptor '%s' for 'Tensor' objects doesn't apply to a '%s' object",
                 f->name->name, n ? Py_TYPE(args[0])->tp_name : "nothing");
    return nullptr;
  }
  PyObject* result = call_fitting(f, args, n, kwnames, nullptr);
  if (result || PyErr_Occurred()) [[likely]]
    return result;
  return guarded([&]() -> PyObject* {
    const auto takes_out = [](const Signature* s) { return s->takes_out(); };
    if (kwnames && std::ranges::any_of(signatures_of(f), takes_out)) {
      const WithoutOut rest(args, n, kwnames);
      if (rest.found) {
        PyObject* names = PyTuple_GET_SIZE(rest.kwnames.get()) ? rest.kwnames.get() : nullptr;
        return call_function(self, rest.args.data(), static_cast<size_t>(n), names);
      }
    }
    const std::span<Signature* const> tried = signatures_of(f);
    raise_mismatch(f->name->name, {const_cast<const Signature* const*>(tried.data()), tried.size()},
                   is_method(self), args, n, kwnames);
  });
}

// In place on a list, which is given back.
PyObject* call_on_list(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  static PyObject* const name = interned("self");
  PyObject* result = call_function(self, args, nargsf, kwnames);
  if (result != Py_None) return result;
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  const Py_ssize_t at = n ? 0 : find_keyword_of(kwnames, name);
  return at < 0 ? result : Py_NewRef(args[n ? 0 : at]);
}
bool changes_list(const PythonName& name) {
  const Op& op = *builtin_ops()[name.ops[0]];
  return op.nreturns == 0 && (op.tags & tag::composite_implicit) && op.nargs && op.args[0].list &&
         op.args[0].mutated;
}

// ---- attributes of function objects

PyObject* get_name(PyObject* self, void*) {
  return PyUnicode_FromString(as_function(self)->name->name);
}
PyObject* get_qualname(PyObject* self, void*) {
  const PythonName& name = *as_function(self)->name;
  return is_method(self) ? PyUnicode_FromFormat("Tensor.%s", name.name)
                         : PyUnicode_FromString(name.name);
}
PyObject* get_module(PyObject* self, void*) {
  const char* module = as_function(self)->name->module;
  if (is_method(self) || !*module) return PyUnicode_FromString("flambeau");
  return PyUnicode_FromFormat(*module == '_' ? "flambeau._C.%s" : "flambeau.%s", module);
}
PyObject* get_doc(PyObject* self, void*) {
  FunctionObject* f = as_function(self);
  return guarded([&] {
    static PyObject* doc = nullptr;
    if (PyObject* known = published(f->doc)) return Py_NewRef(known);
    PyObject* made =
        must(PyObject_CallFunction(imported(doc, "flambeau.ops", "doc"), "s", f->name->name));
    return Py_NewRef(publish_first(f->doc, made, Py_DecRef));
  });
}
PyObject* get_signature(PyObject* self, void*) {
  return guarded([&] {
    std::string text = is_method(self) ? "($self" : "(";
    bool starred = false;
    const auto parameters = signatures_of(as_function(self))[0]->parameters();
    for (const Parameter& p : parameters.subspan(is_method(self) ? 1 : 0)) {  // without self
      const bool keyword_only = !p.argument || p.argument->keyword_only;
      if (keyword_only && !starred) text += text.size() > 1 ? ", *" : "*";
      starred |= keyword_only;
      text += (text.size() > 1 ? ", " : "") + show_python(p.name);
      if (!p.required) text += "=None";
    }
    return PyUnicode_FromString((text + ")").c_str());
  });
}
PyObject* get_objclass(PyObject* self, void*) {
  if (is_method(self)) return Py_NewRef(reinterpret_cast<PyObject*>(tensor_type));
  PyErr_SetString(PyExc_AttributeError, "__objclass__");
  return nullptr;
}

PyObject* repr(PyObject* self) {
  const char* name = as_function(self)->name->name;
  return is_method(self) ? PyUnicode_FromFormat("<method '%s' of 'Tensor' objects>", name)
                         : PyUnicode_FromFormat("<built-in function %s>", name);
}

// Pickled by reference.
PyObject* reduce(PyObject* self, PyObject*) {
  if (!is_method(self)) return get_name(self, nullptr);
  static PyObject* getattr = nullptr;
  return guarded([&] {
    return must(Py_BuildValue("O(Os)", imported(getattr, "builtins", "getattr"), tensor_type,
                              as_function(self)->name->name));
  });
}
PyObject* same(PyObject* self, PyObject*) { return Py_NewRef(self); }

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
PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                         {"__copy__", same, METH_NOARGS, nullptr},
                         {"__deepcopy__", same, METH_O, nullptr},
                         {}};
PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(FunctionObject, call), READONLY, nullptr}, {}};

constexpr unsigned kFlags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
                            Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL;
PyType_Slot function_slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_repr, reinterpret_cast<void*>(repr)},
                                {Py_tp_getset, getset},
                                {Py_tp_methods, methods},
                                {Py_tp_members, members},
                                {}};
PyType_Slot method_slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                              {Py_tp_repr, reinterpret_cast<void*>(repr)},
                              {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
                              {Py_tp_getset, getset},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {}};
PyType_Spec function_spec = {"flambeau._C.function", sizeof(FunctionObject), 0, kFlags,
                             function_slots};
PyType_Spec method_spec = {"flambeau._C.method", sizeof(FunctionObject), 0,
                           kFlags | Py_TPFLAGS_METHOD_DESCRIPTOR, method_slots};

// ---- properties that are ops (x.T, x.real)

PyObject* get_op_property(PyObject* self, void* function) {
  PyObject* f = static_cast<PyObject*>(function);
  if (may_override(self)) {
    PyObject* r =
        guarded([&] { return torch_function_on(self, as_function(f)->name->name, &self, 1); });
    if (r || PyErr_Occurred()) return r;
  }
  return call_function(f, &self, 1, nullptr);
}

// Writing through a view: x.real = y.
int set_op_property(PyObject* self, PyObject* value, void* function) {
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "a tensor's parts cannot be deleted");
    return -1;
  }
  const Object view(get_op_property(self, function));
  if (!view) return -1;
  const Object done(PyObject_CallMethod(view.get(), "copy_", "O", value));
  return done ? 0 : -1;
}

// Kept for ever, as the type is.
bool add_op_property(const PythonName& name, PyObject* function) {
  static std::vector<std::unique_ptr<PyGetSetDef>> defs;
  defs.push_back(std::make_unique<PyGetSetDef>(PyGetSetDef{
      name.name, get_op_property, name.where == PythonName::Where::part ? set_op_property : nullptr,
      name.doc, function}));
  const Object descriptor(PyDescr_NewGetSet(tensor_type, defs.back().get()));
  return descriptor && PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), name.name,
                                              descriptor.get()) == 0;
}

// ---- modules of functions

// flambeau._C._VariableFunctions for the functions of flambeau itself, _C._nn, _C._linalg, ...
PyObject* function_module(PyObject* module, const char* name) {
  const std::string attribute = !*name         ? "_VariableFunctions"
                                : *name == '_' ? name
                                               : concat("_", name);
  if (PyObject* known = PyDict_GetItemString(PyModule_GetDict(module), attribute.c_str()))
    return known;
  const std::string full = "flambeau._C." + attribute;
  const Object made(must(PyModule_New(full.c_str())));
  must(PyModule_AddObjectRef(module, attribute.c_str(), made.get()));
  must(PyDict_SetItemString(PyImport_GetModuleDict(), full.c_str(), made.get()));
  return made.get();
}

bool add_name(PyObject* module, const PythonName& name) {
  if (name.slot) {
    set_operator(name);
    return true;
  }
  const Object function(must(make_function(name)));
  switch (name.where) {
    case PythonName::Where::function:
      must(PyModule_AddObjectRef(function_module(module, name.module), name.name, function.get()));
      return true;
    case PythonName::Where::property:
    case PythonName::Where::part:
      return add_op_property(name, Py_NewRef(function.get()));
    case PythonName::Where::method:
      // A method that is written by hand takes more forms than the schema says.
      if (PyDict_GetItemString(tensor_type->tp_dict, name.name)) return true;
      return PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), name.name,
                                    function.get()) == 0;
  }
  return false;
}

}  // namespace

Signature** prepare(FunctionObject* f) {
  const size_t n = f->name->nops;
  auto made = std::make_unique<Signature*[]>(n);
  for (size_t i = 0; i < n; ++i)
    made[i] = new Signature(*builtin_ops()[f->name->ops[i]], style_of(f));
  // One that comes too late stays: others of its kind live for ever.
  return publish_first(f->signatures, made.release(), [](Signature**) {});
}

void call_parsed(const Op& op, Arguments& arguments, Results& results) {
  call_now(op, arguments, results);
}

PyObject* run_op(const Op& op, Arguments& arguments) {
  Results results;
  call_now(op, arguments, results);
  if (arguments.requires_grad) [[unlikely]]
    results.tensor().set_requires_grad(true);
  return wrap_results(op, results);
}

PyObject* call_fitting(FunctionObject* f, PyObject* const* args, Py_ssize_t n, PyObject* kwnames,
                       const char* public_name) {
  try {
    Arguments arguments;
    for (const Signature* s : signatures_of(f)) {
      if (s->parse(arguments, args, n, kwnames))
        return dispatch(f, *s, arguments, args, n, kwnames, public_name);
      arguments.reset();
    }
  } catch (...) {
    translate_exception(f->name->name);
  }
  return nullptr;
}

PyObject* make_function(const PythonName& name) {
  const bool method = name.where != PythonName::Where::function;
  auto* f = PyObject_New(FunctionObject, method ? method_type : function_type);
  if (!f) return nullptr;
  f->call = changes_list(name) ? call_on_list : call_function;
  f->name = &name;
  f->signatures = nullptr;
  f->doc = nullptr;
  return reinterpret_cast<PyObject*>(f);
}

PyObject* call_op(const Op& op, const Value* args) {
  Results results;
  invoke(op, args, elements_of_call(op, args), results);
  return wrap_results(op, results);
}

bool init_call(PyObject* module) {
  function_type = make_type(module, &function_spec, nullptr);
  method_type = make_type(module, &method_spec, nullptr);
  if (!function_type || !method_type) return false;
  try {
    function_module(module, "");
    for (const PythonName& name : python_names())
      if (!add_name(module, name)) return false;
  } catch (...) {
    translate_exception();
    return false;
  }
  return add_operator_functions(module) && init_results(module);
}

}  // namespace flambeau::python
