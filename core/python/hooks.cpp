// Hooks that are written in Python: of tensors, of nodes, and around saved tensors.
#include "core/python/autograd.h"
#include "core/python/binding.h"

namespace flambeau::python {

// ---- errors that cross threads

struct CarriedError::Held {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  ~Held() {
    const AcquireGil gil;
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
  }
};

CarriedError::CarriedError() : held(std::make_shared<Held>()) {
  PyErr_Fetch(&held->type, &held->value, &held->traceback);
  PyErr_Restore(Py_XNewRef(held->type), Py_XNewRef(held->value), Py_XNewRef(held->traceback));
}

void CarriedError::restore() const {
  if (PyErr_Occurred()) return;
  PyErr_Restore(Py_XNewRef(held->type), Py_XNewRef(held->value), Py_XNewRef(held->traceback));
}

PyObject* import_attribute(const char* module, const char* name) {
  static PyObject* const cache = PyDict_New();
  const Object key(must(PyUnicode_FromFormat("%s.%s", module, name)));
  if (PyObject* known = PyDict_GetItemWithError(cache, key.get())) return known;
  if (PyErr_Occurred()) throw PythonError();
  const Object imported(must(PyImport_ImportModule(module)));
  const Object value(must(PyObject_GetAttrString(imported.get(), name)));
  if (PyDict_SetItem(cache, key.get(), value.get()) < 0) throw PythonError();
  return value.get();
}

PythonHooks::~PythonHooks() {
  const AcquireGil gil;
  Py_DECREF(dict);
}

Object PythonHooks::snapshot() const {
  // An OrderedDict keeps its order in a structure of its own, so its values() must be asked.
  const Object values(must_carry(PyObject_CallMethod(dict, "values", nullptr)));
  return Object(must_carry(PySequence_Tuple(values.get())));
}

namespace {

// ---- what a hook gives back

std::string hook_name(PyObject* hook) {
  const Object name(PyObject_GetAttrString(hook, "__name__"));
  if (name && PyUnicode_Check(name.get())) return show_python(name.get());
  PyErr_Clear();
  return Py_TYPE(hook)->tp_name;
}

[[noreturn]] void type_error(const std::string& text) {
  PyErr_SetString(PyExc_TypeError, text.c_str());
  throw CarriedError();
}

// A replaced gradient must look like the one it replaces.
const Tensor& checked(const Tensor& before, PyObject* result, PyObject* hook) {
  if (!is_tensor(result))
    type_error(concat("expected Variable, but hook returned '", Py_TYPE(result)->tp_name, "'"));
  const Tensor& after = unwrap(result);
  if (!before.defined()) return after;
  check(before.dtype() == after.dtype(), "hook '", hook_name(hook),
        "' has changed the type of value (was ", dtype_name(before.dtype()), " got ",
        dtype_name(after.dtype()), ")");
  check(before.device() == after.device(), "hook '", hook_name(hook),
        "' has changed the device of value (was ", before.device().str(), " got ",
        after.device().str(), ")");
  check(same(before.sizes(), after.sizes()), "hook '", hook_name(hook),
        "' has changed the size of value (was ", show(before.sizes()), " got ", show(after.sizes()),
        ")");
  return after;
}

Object wrap_gradients(const Tensor* grads, size_t n) {
  Object tuple(must_carry(PyTuple_New(static_cast<Py_ssize_t>(n))));
  for (size_t i = 0; i < n; ++i) PyTuple_SET_ITEM(tuple.get(), i, must_carry(wrap(grads[i])));
  return tuple;
}

// Takes over what a node hook returned: a tuple, or one tensor where there is one gradient.
void take_gradients(PyObject* result, Tensor* grads, size_t n, PyObject* hook) {
  Object tuple = Object::borrow(result);
  if (!PyTuple_Check(result)) {
    if (n != 1 && !PyList_Check(result))
      type_error(concat("hook '", hook_name(hook), "' must return a tuple of gradients, not ",
                        Py_TYPE(result)->tp_name));
    tuple = PyList_Check(result) ? Object(must_carry(PyList_AsTuple(result)))
                                 : Object(must_carry(PyTuple_Pack(1, result)));
  }
  const auto size = static_cast<size_t>(PyTuple_GET_SIZE(tuple.get()));
  check(size == n, "hook '", hook_name(hook), "' has returned an incorrect number of values (got ",
        size, ", but expected ", n, ")");
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = PyTuple_GET_ITEM(tuple.get(), i);
    if (item == Py_None)
      grads[i] = Tensor();
    else
      grads[i] = checked(grads[i], item, hook);
  }
}

struct PythonTensorHooks final : PythonHooks {
  using PythonHooks::PythonHooks;
  void pre(Tensor* grads, size_t) override {
    const EnterPython python;
    const Object hooks = snapshot();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks.get()); ++i) {
      PyObject* hook = PyTuple_GET_ITEM(hooks.get(), i);
      const Object grad(must_carry(wrap(grads[0])));
      const Object result = call(hook, grad);
      if (result.get() != Py_None) grads[0] = checked(grads[0], result.get(), hook);
    }
  }
};

struct PythonAccumulatedHooks final : PythonHooks {
  using PythonHooks::PythonHooks;
  void accumulated(const Tensor& leaf) override {
    const EnterPython python;
    const Object hooks = snapshot(), tensor(must_carry(wrap(leaf)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks.get()); ++i) {
      const Object result = call(PyTuple_GET_ITEM(hooks.get(), i), tensor);
      check(result.get() == Py_None, "Tensor post accumulate grad hooks should return None.");
    }
  }
};

struct PythonNodePreHooks final : PythonHooks {
  using PythonHooks::PythonHooks;
  void pre(Tensor* grads, size_t n) override {
    const EnterPython python;
    const Object hooks = snapshot();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks.get()); ++i) {
      PyObject* hook = PyTuple_GET_ITEM(hooks.get(), i);
      const Object result = call(hook, wrap_gradients(grads, n));
      if (result.get() != Py_None) take_gradients(result.get(), grads, n, hook);
    }
  }
};

struct PythonNodePostHooks final : PythonHooks {
  using PythonHooks::PythonHooks;
  void post(const Tensor* grads, size_t n, Tensor* out, size_t n_out) override {
    const EnterPython python;
    const Object hooks = snapshot(), arrived = wrap_gradients(grads, n);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks.get()); ++i) {
      PyObject* hook = PyTuple_GET_ITEM(hooks.get(), i);
      const Object result = call(hook, wrap_gradients(out, n_out), arrived);
      if (result.get() != Py_None) take_gradients(result.get(), out, n_out, hook);
    }
  }
};

Object new_ordered_dict() { return call(import_attribute("collections", "OrderedDict")); }

// A handle whose id is the hook's key in the dict.
PyObject* add_hook(PyObject* dict, PyObject* hook) {
  const Object own_dict = Object::borrow(dict);
  Object handle = call(import_attribute("flambeau.utils.hooks", "RemovableHandle"), own_dict);
  const Object id(must(PyObject_GetAttrString(handle.get(), "id")));
  if (PyObject_SetItem(dict, id.get(), hook) < 0) throw PythonError();
  return handle.release();
}

template <class Hooks>
Hooks* find_hooks(const std::vector<Ref<NodeHook>>& list) {
  for (const Ref<NodeHook>& hook : list)
    if (auto* found = dynamic_cast<Hooks*>(hook.get())) return found;
  return nullptr;
}

template <class Hooks>
PyObject* add_node_hook(std::vector<Ref<NodeHook>>& list, PyObject* hook) {
  Hooks* hooks = find_hooks<Hooks>(list);
  if (!hooks) {
    auto made = Ref<Hooks>::adopt(new Hooks(new_ordered_dict().get()));
    hooks = made.get();
    list.push_back(made);
  }
  return add_hook(hooks->dict, hook);
}

}  // namespace

PyObject* register_node_hook(Node& node, PyObject* hook, bool before) {
  NodeHooks& hooks = node.hooks();
  return before ? add_node_hook<PythonNodePreHooks>(hooks.pre, hook)
                : add_node_hook<PythonNodePostHooks>(hooks.post, hook);
}

PyObject* register_node_dict(Node& node, PyObject* dict) {
  node.hooks().post.push_back(Ref<PythonNodePostHooks>::adopt(new PythonNodePostHooks(dict)));
  Py_RETURN_NONE;
}

// ---- hooks of tensors

namespace {

void set_tensor_dict(const Tensor& t, PyObject* dict) {
  auto hooks = Ref<PythonTensorHooks>::adopt(new PythonTensorHooks(dict));
  add_tensor_hook(t, hooks);
  autograd_meta(t).hooks_or_new().python = hooks;
}

PyObject* dict_of(const Tensor& t) {
  const AutogradMeta* meta = t.impl()->autograd.get();
  if (!meta || !meta->hooks || !meta->hooks->python) return nullptr;
  return static_cast<PyObject*>(meta->hooks->python->python());
}

PyObject* register_hook(PyObject* self, PyObject* hook) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    check(needs_grad(t), "cannot register a hook on a tensor that doesn't require gradient");
    grad_fn(t);  // a stale view's hooks belong to its present history
    if (!dict_of(t)) set_tensor_dict(t, new_ordered_dict().get());
    track(self);
    return add_hook(dict_of(t), hook);
  });
}

PyObject* register_post_accumulate_grad_hook(PyObject* self, PyObject* hook) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    check(needs_grad(t), "cannot register a hook on a tensor that doesn't require gradient");
    check(!grad_fn(t), "post accumulate grad hooks cannot be registered on non-leaf tensors");
    Ref<NodeHook>& slot = autograd_meta(t).hooks_or_new().post_accumulate;
    track(self);
    if (!slot)
      slot =
          Ref<PythonAccumulatedHooks>::adopt(new PythonAccumulatedHooks(new_ordered_dict().get()));
    return add_hook(static_cast<PyObject*>(slot->python()), hook);
  });
}

PyObject* get_backward_hooks(PyObject* self, void*) {
  PyObject* dict = dict_of(unwrap(self));
  return Py_NewRef(dict ? dict : Py_None);
}

int set_backward_hooks(PyObject* self, PyObject* value, void*) {
  return guarded_int([&] {
    const Tensor& t = unwrap(self);
    if (AutogradMeta* meta = t.impl()->autograd.get(); meta && meta->hooks) {
      meta->hooks->python = nullptr;
      meta->hooks->pre.clear();
    }
    if (!value || value == Py_None) return 0;
    // Unpickling sets the dict before requires_grad, so a tensor without gradient may have one.
    auto hooks = Ref<PythonTensorHooks>::adopt(new PythonTensorHooks(value));
    TensorHooks& all = autograd_meta(t).hooks_or_new();
    if (needs_grad(t))
      add_tensor_hook(t, hooks);
    else
      all.pre.push_back(hooks);
    all.python = hooks;
    track(self);
    return 0;
  });
}

PyObject* get_accumulated_hooks(PyObject* self, void*) {
  const AutogradMeta* meta = unwrap(self).impl()->autograd.get();
  if (!meta || !meta->hooks || !meta->hooks->post_accumulate) Py_RETURN_NONE;
  return Py_NewRef(static_cast<PyObject*>(meta->hooks->post_accumulate->python()));
}

int set_accumulated_hooks(PyObject* self, PyObject* value, void*) {
  return guarded_int([&] {
    Ref<NodeHook>& slot = autograd_meta(unwrap(self)).hooks_or_new().post_accumulate;
    slot =
        value && value != Py_None
            ? Ref<NodeHook>(Ref<PythonAccumulatedHooks>::adopt(new PythonAccumulatedHooks(value)))
            : Ref<NodeHook>();
    track(self);
    return 0;
  });
}

PyMethodDef tensor_methods[] = {
    {"register_hook", register_hook, METH_O,
     "register_hook(hook) -> RemovableHandle\n\nCalls hook(grad) whenever a gradient with respect "
     "to the tensor is computed; a tensor that it returns takes the gradient's place."},
    {"register_post_accumulate_grad_hook", register_post_accumulate_grad_hook, METH_O,
     "register_post_accumulate_grad_hook(hook) -> RemovableHandle\n\nCalls hook(param) after the "
     "gradient of a leaf has been accumulated into its grad."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef tensor_properties[] = {
    {"_backward_hooks", get_backward_hooks, set_backward_hooks, nullptr, nullptr},
    {"_post_accumulate_grad_hooks", get_accumulated_hooks, set_accumulated_hooks, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace

bool init_tensor_hooks(PyObject*) {
  for (PyMethodDef* m = tensor_methods; m->ml_name; ++m) {
    const Object f(PyDescr_NewMethod(tensor_type, m));
    if (!f || PyDict_SetItemString(tensor_type->tp_dict, m->ml_name, f.get()) < 0) return false;
  }
  for (PyGetSetDef* p = tensor_properties; p->name; ++p) {
    const Object f(PyDescr_NewGetSet(tensor_type, p));
    if (!f || PyDict_SetItemString(tensor_type->tp_dict, p->name, f.get()) < 0) return false;
  }
  PyType_Modified(tensor_type);
  return true;
}

// ---- the garbage collector's view: a tensor owns its hooks when nobody else refers to them

int traverse_hooks(const Tensor& t, visitproc visit, void* arg) {
  if (!t.defined() || t.impl()->use_count() > 1) return 0;
  const AutogradMeta* meta = t.impl()->autograd.get();
  if (!meta) return 0;
  const Node* fn = meta->grad_fn.get();
  if (fn && fn->use_count() == 2)
    if (PyObject* twin = twin_of(*fn)) Py_VISIT(twin);
  if (!meta->hooks) return 0;
  const TensorHooks& hooks = *meta->hooks;
  // Held by the tensor and by the list that it is called from.
  if (hooks.python && hooks.python->use_count() == 2 && (!fn || fn->use_count() == 1))
    Py_VISIT(static_cast<PyObject*>(hooks.python->python()));
  if (hooks.post_accumulate && hooks.post_accumulate->use_count() == 1)
    Py_VISIT(static_cast<PyObject*>(hooks.post_accumulate->python()));
  return 0;
}

void clear_hooks(const Tensor& t) {
  if (!t.defined() || t.impl()->use_count() > 1) return;
  AutogradMeta* meta = t.impl()->autograd.get();
  if (!meta) return;
  // Moved out first: what a hook's closure refers to may come back to this tensor.
  const std::unique_ptr<TensorHooks> hooks = std::move(meta->hooks);
  if (hooks && hooks->retained) meta->grad = hooks->retained->grad;
  const Ref<Node> fn = std::move(meta->grad_fn);
  refresh_requires_grad(*t.impl());
}

bool has_python_hooks(const Tensor& t) {
  const AutogradMeta* meta = t.defined() ? t.impl()->autograd.get() : nullptr;
  if (!meta) return false;
  if (meta->grad_fn && twin_of(*meta->grad_fn)) return true;
  return meta->hooks && (meta->hooks->python || meta->hooks->post_accumulate);
}

// ---- hooks around saved tensors

namespace {

struct PythonSavedHooks final : SavedTensorHooks {
  PythonSavedHooks(PyObject* pack, PyObject* unpack)
      : pack_(Py_NewRef(pack)), unpack_(Py_NewRef(unpack)) {}
  ~PythonSavedHooks() override {
    const AcquireGil gil;
    Py_DECREF(pack_);
    Py_DECREF(unpack_);
    Py_XDECREF(packed_);
  }
  void pack(const Tensor& t) override {
    const EnterPython python;
    const Object tensor(must_carry(wrap(t)));
    packed_ = call(pack_, tensor).release();
  }
  Tensor unpack() override {
    const EnterPython python;
    const Object packed = Object::borrow(packed_);
    const Object result = call(unpack_, packed);
    if (!is_tensor(result.get()))
      type_error(
          concat("Output of saved tensor unpack_hook expected to be a Tensor but got result "
                 "of type ",
                 Py_TYPE(result.get())->tp_name));
    return unwrap(result.get());
  }
  void* python() const override { return unpack_; }

 private:
  PyObject *const pack_, *const unpack_;
  PyObject* packed_ = nullptr;
};

thread_local std::unique_ptr<std::string> disabled_message;

PyObject* push_saved_hooks(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *pack, *unpack;
    if (!PyArg_ParseTuple(args, "OO", &pack, &unpack)) throw PythonError();
    if (disabled_message) raise(*disabled_message);
    push_object(thread_state.saved_tensor_hooks, pack, unpack);
    return Py_NewRef(Py_None);
  });
}

PyObject* pop_saved_hooks(PyObject*, PyObject*) {
  return guarded([&] {
    check(bool(thread_state.saved_tensor_hooks), "there are no saved tensor hooks to remove");
    const Object pack(pop_object(thread_state.saved_tensor_hooks));
    return Py_NewRef(Py_None);
  });
}

PyObject* disable_saved_hooks(PyObject*, PyObject* message) {
  return guarded([&] {
    const char* text = PyUnicode_AsUTF8(message);
    if (!text) throw PythonError();
    check(!thread_state.saved_tensor_hooks, text);
    disabled_message = std::make_unique<std::string>(text);
    return Py_NewRef(Py_None);
  });
}

PyObject* enable_saved_hooks(PyObject*, PyObject*) {
  disabled_message = nullptr;
  Py_RETURN_NONE;
}

PyObject* saved_hooks_disabled(PyObject*, PyObject*) {
  if (!disabled_message) Py_RETURN_NONE;
  return PyUnicode_FromString(disabled_message->c_str());
}

PyObject* saved_hooks_on(PyObject*, PyObject*) {
  return PyBool_FromLong(bool(thread_state.saved_tensor_hooks));
}

PyMethodDef saved_functions[] = {
    {"_push_saved_tensors_default_hooks", push_saved_hooks, METH_VARARGS, nullptr},
    {"_pop_saved_tensors_default_hooks", pop_saved_hooks, METH_NOARGS, nullptr},
    {"_saved_tensors_hooks_disable", disable_saved_hooks, METH_O, nullptr},
    {"_saved_tensors_hooks_enable", enable_saved_hooks, METH_NOARGS, nullptr},
    {"_saved_tensors_hooks_get_disabled_error_message", saved_hooks_disabled, METH_NOARGS, nullptr},
    {"_saved_tensors_hooks_is_enabled", saved_hooks_on, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

// ---- anomaly mode

struct PythonAnomaly final : Anomaly {
  PythonAnomaly() {
    const AcquireGil gil;
    dict = must(PyDict_New());
  }
  ~PythonAnomaly() override {
    const AcquireGil gil;
    Py_DECREF(dict);
  }
  void store_stack() override {
    const AcquireGil gil;
    const Object lines = call(import_attribute("traceback", "format_stack"));
    if (PyDict_SetItemString(dict, "traceback_", lines.get()) < 0) throw CarriedError();
  }
  void set_parent(Node* parent) override {
    if (!parent) return;
    const AcquireGil gil;
    const Object object(must_carry(wrap(Ref<Node>(parent))));
    if (PyDict_SetItemString(dict, "parent_", object.get()) < 0) throw CarriedError();
  }
  void report(const char* node_name) override;
  std::string where() override;
  void* python() const override { return dict; }

  PyObject* dict;
};

std::string joined(PyObject* lines) {
  const Object empty(must(PyUnicode_FromString(""))),
      text(must(PyUnicode_Join(empty.get(), lines)));
  const char* utf8 = PyUnicode_AsUTF8(text.get());
  if (!utf8) throw PythonError();
  return utf8;
}

// A warning that became an error must not hide the error that is being reported.
void warn_only(const std::string& text) {
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 0) < 0) PyErr_Clear();
}

void report_from(PyObject* metadata, const char* node_name, bool first) {
  PyObject* lines = PyDict_GetItemString(metadata, "traceback_");
  const char* what = first ? "Error detected in " : "Previous calculation was induced by ";
  if (!lines) {
    warn_only(concat(what, node_name,
                     ". No forward pass information available. Enable detect anomaly "
                     "during forward pass for more information."));
    return;
  }
  warn_only(concat(what, node_name, ". Traceback of forward call that ",
                   first ? "caused the error" : "induced the previous calculation", ":\n",
                   joined(lines)));
}

void PythonAnomaly::report(const char* node_name) {
  const AcquireGil gil;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  try {
    report_from(dict, node_name, true);
    PyObject* parent = PyDict_GetItemString(dict, "parent_");
    while (parent) {
      const Object name(must(PyObject_CallMethod(parent, "name", nullptr)));
      const Object metadata(must(PyObject_GetAttrString(parent, "metadata")));
      report_from(metadata.get(), show_python(name.get()).c_str(), false);
      parent = PyDict_GetItemString(metadata.get(), "parent_");
    }
  } catch (const PythonError&) {
    PyErr_Clear();
  }
  PyErr_Restore(type, value, traceback);
}

std::string PythonAnomaly::where() {
  const AcquireGil gil;
  PyObject* const lines = PyDict_GetItemString(dict, "traceback_");
  if (!lines) return {};
  try {
    PyObject* const function = import_attribute("flambeau.autograd.anomaly_mode", "_forward_place");
    return show_python(Object(must(PyObject_CallOneArg(function, lines))).get());
  } catch (const PythonError&) {
    PyErr_Clear();
    return {};
  }
}

}  // namespace

std::unique_ptr<SavedTensorHooks> make_saved_hooks(PyObject* pack, PyObject* unpack) {
  return std::make_unique<PythonSavedHooks>(pack, unpack);
}

PyObject* metadata_of(Node& node) {
  if (!node.anomaly) node.anomaly = std::make_unique<PythonAnomaly>();
  return Py_NewRef(static_cast<PyObject*>(node.anomaly->python()));
}

bool init_saved_hooks(PyObject* module) {
  default_saved_tensor_hooks = [] {
    const AcquireGil gil;
    const Frame& top = *thread_state.saved_tensor_hooks.top();
    return make_saved_hooks(object_of(top), second_of(top));
  };
  make_anomaly = []() -> std::unique_ptr<Anomaly> { return std::make_unique<PythonAnomaly>(); };
  return PyModule_AddFunctions(module, saved_functions) == 0;
}

}  // namespace flambeau::python
