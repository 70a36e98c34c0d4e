// __torch_dispatch__: subclasses and modes answer for ops, below autograd.
#include <utility>

#include "core/dispatch/registrations.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

PyObject *attribute_name, *disabled_function;

// ---- modes: the thread's stack of them

PyObject* push_mode(PyObject*, PyObject* mode) {
  return guarded([&] {
    push_object(thread_state.dispatch_modes, mode);
    thread_state.refresh(Key::python_dispatch, thread_state.dispatch_modes);
    return Py_NewRef(Py_None);
  });
}
PyObject* pop_mode(PyObject*, PyObject*) {
  return guarded([] {
    check(bool(thread_state.dispatch_modes), "there is no torch dispatch mode to leave");
    PyObject* mode = pop_object(thread_state.dispatch_modes);
    thread_state.refresh(Key::python_dispatch, thread_state.dispatch_modes);
    return mode;
  });
}
PyObject* count_modes(PyObject*, PyObject*) {
  return PyLong_FromUnsignedLong(thread_state.dispatch_modes.size());
}
PyObject* mode_at(PyObject*, PyObject* index) {
  return guarded([&] { return object_at(thread_state.dispatch_modes, unwrap_int(index)); });
}

// The top mode off the stack while it answers, so that what it calls goes to those below.
class WithoutTopMode {
 public:
  WithoutTopMode()
      : all_(thread_state.dispatch_modes.exchange(
            Ref<const Frame>(thread_state.dispatch_modes.top()->below()))) {
    thread_state.refresh(Key::python_dispatch, thread_state.dispatch_modes);
  }
  ~WithoutTopMode() {
    thread_state.dispatch_modes.exchange(std::move(all_));
    thread_state.refresh(Key::python_dispatch, thread_state.dispatch_modes);
  }
  PyObject* mode() const { return object_of(*all_); }

 private:
  Ref<const Frame> all_;
};

// ---- one call

// What Python runs is a program like any other: autograd is on again, for tensors inside that want
// it. The layers outside of autograd have done their part.
constexpr KeySet kProgram = below(Key::autograd) | kAutograd;

void add_tensor(Overloaded& who, std::vector<Object>& held, const Tensor& t) {
  if (!(t.keys() & kPythonDispatch)) return;
  held.emplace_back(wrap(Tensor(t)));
  if (overrides_torch_dispatch(Py_TYPE(held.back().get()))) who.add(held.back().get());
}

PyObject* rules = nullptr;  // (op, class) -> what answers in place of the class; null while none is

// What a program registered for this op and the class of `who`, or null.
Object rule_for(PyObject* who, PyObject* function) {
  PyObject* type = PyType_Check(who) ? who : reinterpret_cast<PyObject*>(Py_TYPE(who));
  const Object key(must(PyTuple_Pack(2, function, type)));
  PyObject* rule = PyDict_GetItemWithError(rules, key.get());
  if (!rule && PyErr_Occurred()) throw PythonError();
  return Object::borrow(rule);
}

Object ask(PyObject* who, PyObject* function, PyObject* types, const PythonArguments& arguments) {
  if (rules)
    if (const Object rule = rule_for(who, function))
      return Object(
          must(PyObject_CallFunctionObjArgs(rule.get(), who, function, types, arguments.args.get(),
                                            arguments.kwargs.get(), nullptr)));
  const Object method(must(PyObject_GetAttr(who, attribute_name)));
  return Object(must(PyObject_CallFunctionObjArgs(
      method.get(), function, types, arguments.args.get(), arguments.kwargs.get(), nullptr)));
}

Object answer(const Op& op, const Value* values) {
  Overloaded who;
  std::vector<Object> held;
  for_each_tensor(op, values, [&](size_t, const Tensor& t) { add_tensor(who, held, t); });
  const std::span<PyObject* const> objects = who.objects();
  const Object types(must(PyTuple_New(static_cast<Py_ssize_t>(objects.size()))));
  for (size_t i = 0; i < objects.size(); ++i)
    PyTuple_SET_ITEM(types.get(), static_cast<Py_ssize_t>(i),
                     Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(objects[i]))));
  const Object function(wrap_op(op));
  const PythonArguments arguments = arguments_to_python(op, values);
  const Reinclude program(kProgram);
  if (thread_state.dispatch_modes) {
    const WithoutTopMode without;
    Object result = ask(without.mode(), function.get(), types.get(), arguments);
    if (result.get() != Py_NotImplemented) return result;
  }
  for (PyObject* o : objects) {
    // It is the class that answers, as for any class method.
    Object result =
        ask(reinterpret_cast<PyObject*>(Py_TYPE(o)), function.get(), types.get(), arguments);
    if (result.get() != Py_NotImplemented) return result;
  }
  raise_python(PyExc_TypeError,
               "Multiple dispatch failed for '%s.%s'; all __torch_dispatch__ handlers returned "
               "NotImplemented",
               op.ns, op.name);
}

// What an op writes to is what it gives back, whatever the handler returned.
void keep_identity(const Op& op, const Value* values, Results& results) {
  for (size_t r = 0; r < results.size() && r < op.nreturns; ++r) {
    if (!op.returns[r].mutated) continue;
    for (size_t i = 0; i < op.nargs; ++i)
      if (op.args[i].mutated && op.args[i].alias == op.returns[r].alias && !values[i].is_none())
        results[r] = Owned(values[i]);
  }
}

// What is written to while a class or a mode answers, and how often it had been before.
class Written {
 public:
  Written(const Op& op, const Value* values) {
    for_each_tensor(op, values, [&](size_t i, const Tensor& t) {
      if (op.args[i].mutated && t.impl()->counts_versions())
        before_.emplace_back(&t, t.impl()->version());
    });
  }
  // Also where the class wrote to a tensor of its own, this is a version of the program's tensor.
  void count() const {
    for (const auto& [t, version] : before_)
      if (t->impl()->version() == version) t->impl()->bump_version();
  }

 private:
  std::vector<std::pair<const Tensor*, uint32_t>> before_;
};

// Whether somebody counts on how often a tensor was written to: it was, or shares its count, or was
// saved for a gradient, or takes part in one. The references are the answer's and Python's own.
bool is_counted_on(TensorImpl& t) {
  if (t.autograd || t.use_count() > 2) return true;
  const bool inference = std::exchange(t.inference, true);
  const bool has_counter = t.counts_versions();  // of a tensor of inference mode: if it has one
  t.inference = inference;
  return has_counter;
}

// A view is written to when what it shows is, whatever the class made of it. What was there before
// the call keeps its own count: others, that it means something to, would not hear of writes.
void share_version(const Tensor& of, const Tensor& view) {
  TensorImpl &from = *of.impl(), &to = *view.impl();
  if (&from != &to && from.counts_versions() && to.counts_versions() && !is_counted_on(to))
    to.share_version(from);
}

void share_versions(const Op& op, const Value* values, Results& results) {
  for (size_t r = 0; r < results.size() && r < op.nreturns; ++r) {
    if (!op.returns[r].alias || op.returns[r].mutated) continue;
    for_each_tensor(op, values, [&](size_t i, const Tensor& of) {
      if (op.args[i].list || op.args[i].alias != op.returns[r].alias) return;
      if (results[r].is_tensor() && results[r].tensor().defined())
        share_version(of, results[r].tensor());
      if (results[r].tag() == Value::Tag::tensors)
        for (const Tensor& t : results[r].tensors()) share_version(of, t);
    });
  }
}

void handle(const Op& op, const Value* values, Results& results) {
  const EnterPython python;
  const Written written(op, values);
  const Object result = answer(op, values);
  results_from_python(op, values, result.get(), results);
  keep_identity(op, values, results);
  written.count();
  share_versions(op, values, results);
}

// _set_torch_dispatch_rules(dict): looked at before __torch_dispatch__ from now on.
PyObject* set_rules(PyObject*, PyObject* given) {
  return guarded([&] {
    check<TypeError>(PyDict_Check(given), "_set_torch_dispatch_rules: expected a dict");
    Py_XSETREF(rules, Py_NewRef(given));
    return Py_NewRef(Py_None);
  });
}

// __torch_dispatch__ of classes that do not override it: the op on the tensors as they are.
PyObject* disabled_torch_dispatch(PyObject*, PyObject* const* args, Py_ssize_t n,
                                  PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"func", "types", "args", "kwargs"};
    PyObject* given[4];
    read_arguments("_disabled_torch_dispatch_impl", kNames, 2, args, n, kwnames, given);
    const Exclude off(kPythonDispatch);
    return call_with("_disabled_torch_dispatch_impl", given[0], given[2], given[3]);
  });
}

// with _DisableTorchDispatch(): / with _AutoDispatchBelowAutograd():
struct GuardObject {
  PyObject_HEAD KeySet excluded;
  bool below_autograd;
};
template <KeySet keys>
PyObject* enter_guard(PyObject* self, PyObject*) {
  auto* guard = reinterpret_cast<GuardObject*>(self);
  guard->excluded = thread_state.excluded;
  guard->below_autograd = thread_state.below_autograd;
  thread_state.excluded |= keys;
  if (keys & kAutograd) thread_state.below_autograd = true;
  return Py_NewRef(self);
}
PyObject* leave_guard(PyObject* self, PyObject*) {
  const auto* guard = reinterpret_cast<GuardObject*>(self);
  thread_state.excluded = guard->excluded;
  thread_state.below_autograd = guard->below_autograd;
  Py_RETURN_NONE;
}
template <KeySet keys>
PyMethodDef guard_methods[] = {{"__enter__", enter_guard<keys>, METH_NOARGS, nullptr},
                               {"__exit__", leave_guard, METH_VARARGS, nullptr},
                               {}};
template <KeySet keys>
PyType_Slot guard_slots[] = {{Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                             {Py_tp_methods, guard_methods<keys>},
                             {}};
PyType_Spec dispatch_guard = {"flambeau._C._DisableTorchDispatch", sizeof(GuardObject), 0,
                              Py_TPFLAGS_DEFAULT, guard_slots<kPythonDispatch>};
PyType_Spec autograd_guard = {"flambeau._C._AutoDispatchBelowAutograd", sizeof(GuardObject), 0,
                              Py_TPFLAGS_DEFAULT, guard_slots<kAutograd>};

PyMethodDef functions[] = {
    {"_push_on_torch_dispatch_stack", push_mode, METH_O, nullptr},
    {"_pop_torch_dispatch_stack", pop_mode, METH_NOARGS, nullptr},
    {"_len_torch_dispatch_stack", count_modes, METH_NOARGS, nullptr},
    {"_get_dispatch_stack_at", mode_at, METH_O, nullptr},
    {"_set_torch_dispatch_rules", set_rules, METH_O, nullptr},
    {"_disabled_torch_dispatch_impl", c_function(disabled_torch_dispatch),
     METH_FASTCALL | METH_KEYWORDS, "As __torch_dispatch__ of a class: do not override."},
    {}};

}  // namespace

Object ask_class(PyTypeObject* type, const Op& op, const Value* values) {
  const Object types(must(PyTuple_Pack(1, type)));
  const Object function(wrap_op(op));
  const Reinclude program(kProgram);
  return ask(reinterpret_cast<PyObject*>(type), function.get(), types.get(),
             arguments_to_python(op, values));
}

bool overrides_torch_dispatch(PyTypeObject* type) {
  if (type == tensor_type) return false;
  PyObject* attribute = type_attribute(type, attribute_name);
  return attribute && attribute != disabled_function;
}

bool init_torch_dispatch(PyObject* module) {
  attribute_name = PyUnicode_InternFromString("__torch_dispatch__");
  if (!attribute_name || PyModule_AddFunctions(module, functions) < 0) return false;
  disabled_function = PyObject_GetAttrString(module, "_disabled_torch_dispatch_impl");
  set_handler(Key::python_dispatch, handle);
  return disabled_function &&
         PyObject_SetAttr(reinterpret_cast<PyObject*>(tensor_type), attribute_name,
                          disabled_function) == 0 &&
         make_type(module, &dispatch_guard, "_DisableTorchDispatch") &&
         make_type(module, &autograd_guard, "_AutoDispatchBelowAutograd");
}

}  // namespace flambeau::python
