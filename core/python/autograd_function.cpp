// torch.autograd.Function: a node whose backward is written in Python.
#include <algorithm>
#include <atomic>

#include "core/autograd/arithmetic.h"
#include "core/autograd/engine.h"
#include "core/python/autograd.h"

namespace flambeau::python {
namespace {

struct FunctionObject;

struct FunctionNode final : Node {
  explicit FunctionNode(FunctionObject* ctx) : object(ctx) { twin_ = true; }
  const char* name() const override;
  void apply(const Tensor* grads, Tensor* out) override;
  void release_variables() override {
    for (SavedTensor& slot : saved) slot.reset();
    freed = true;
  }

  FunctionObject* const object;
  std::vector<bool> tensor_inputs;  // for each argument of forward: is it a tensor?
  std::vector<SavedTensor> saved;
  std::atomic<bool> freed{false};

 private:
  Object arguments(const Tensor* grads) const;
  void take_results(PyObject* results, Tensor* out) const;
};

// The ctx that forward and backward get; see Note [Twins].
struct FunctionObject {
  PyObject ob_base;
  Ref<Node> node;
  // Set by Python, null until then.
  PyObject *needs_input_grad, *to_save, *non_differentiable, *dirty_tensors, *saved_for_forward;
  bool materialize_grads;

  FunctionNode& own() const { return static_cast<FunctionNode&>(*node); }
};

PyTypeObject* function_type = nullptr;

FunctionObject& function_of(PyObject* o) { return *reinterpret_cast<FunctionObject*>(o); }
PyObject* object_of(FunctionObject* f) { return reinterpret_cast<PyObject*>(f); }

void share_twin(Node* node, bool shared) {
  if (!Py_IsInitialized()) return;
  const AcquireGil gil;
  PyObject* object = object_of(static_cast<FunctionNode*>(node)->object);
  if (shared)
    Py_INCREF(object);
  else
    Py_DECREF(object);
}

// ---- backward

const char* FunctionNode::name() const { return Py_TYPE(object_of(object))->tp_name; }

Object FunctionNode::arguments(const Tensor* grads) const {
  Object tuple(must_carry(PyTuple_New(static_cast<Py_ssize_t>(num_inputs()))));
  for (size_t i = 0; i < num_inputs(); ++i) {
    Tensor grad = grads[i];
    const InputMeta& meta = input_meta(i);
    if (!grad.defined() && meta.defined && object->materialize_grads)
      grad = arithmetic::zeros(meta.sizes, {meta.dtype, meta.device});
    PyTuple_SET_ITEM(tuple.get(), i, must_carry(wrap(std::move(grad))));
  }
  return tuple;
}

void FunctionNode::apply(const Tensor* grads, Tensor* out) {
  const EnterPython python;
  const Object apply(must_carry(PyObject_GetAttrString(object_of(object), "apply")));
  Object results(must_carry(PyObject_Call(apply.get(), arguments(grads).get(), nullptr)));
  if (!PyTuple_Check(results.get())) results = Object(must_carry(PyTuple_Pack(1, results.get())));
  take_results(results.get(), out);
}

void FunctionNode::take_results(PyObject* results, Tensor* out) const {
  const size_t expected = tensor_inputs.size();
  size_t got = static_cast<size_t>(PyTuple_GET_SIZE(results));
  while (got > expected && PyTuple_GET_ITEM(results, got - 1) == Py_None) --got;
  check(got == expected, "function ", name(),
        " returned an incorrect number of gradients (expected ", expected, ", got ", got, ")");
  size_t edge = 0;
  for (size_t i = 0; i < expected; ++i) {
    PyObject* result = PyTuple_GET_ITEM(results, i);
    const bool none = result == Py_None;
    if (!tensor_inputs[i]) {
      check(none, "function ", name(), " returned a gradient different than None at position ",
            i + 1, ", but the corresponding forward input was not a Variable");
      continue;
    }
    check(none || is_tensor(result), "function ", name(), ": expected Variable or None (got ",
          Py_TYPE(result)->tp_name, ")");
    if (!none) out[edge] = unwrap(result);
    ++edge;
  }
}

// ---- forward

bool contains(const std::vector<const TensorImpl*>& list, const TensorImpl* t) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

// The tensors of a tuple that forward has given to mark_dirty or mark_non_differentiable.
std::vector<const TensorImpl*> marked(PyObject* tuple, const char* function) {
  std::vector<const TensorImpl*> out;
  if (!tuple) return out;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    PyObject* item = PyTuple_GET_ITEM(tuple, i);
    if (!is_tensor(item)) {
      PyErr_Format(PyExc_TypeError, "%s can only take tensors, but argument %zd is of type %s",
                   function, i, Py_TYPE(item)->tp_name);
      throw PythonError();
    }
    out.push_back(unwrap(item).impl());
  }
  return out;
}

bool is_view(const Tensor& t) { return t.impl()->autograd && t.impl()->autograd->is_view; }

Tensor view_as_self(const Tensor& t) {
  const GradMode off(false);
  return arithmetic::view_as(t);
}

// Gives the outputs of one forward their history.
class Outputs {
 public:
  Outputs(FunctionObject& ctx, bool recorded, std::vector<const TensorImpl*> inputs)
      : node_(ctx.node),
        recorded_(recorded),
        inputs_(std::move(inputs)),
        dirty_(marked(ctx.dirty_tensors, "mark_dirty")),
        constant_(marked(ctx.non_differentiable, "mark_non_differentiable")) {
    for (const TensorImpl* t : dirty_) const_cast<TensorImpl*>(t)->bump_version();
  }

  Object finish(PyObject* raw) {
    const Py_ssize_t n = PyTuple_GET_SIZE(raw);
    Object out(must(PyTuple_New(n)));
    for (Py_ssize_t i = 0; i < n; ++i)
      PyTuple_SET_ITEM(out.get(), i, one(PyTuple_GET_ITEM(raw, i)).release());
    forbid_inplace(out.get());
    for (const TensorImpl* t : dirty_)
      check(contains(returned_, t),
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function.");
    return out;
  }

 private:
  Object one(PyObject* raw) {
    if (!is_tensor(raw)) {
      if (recorded_) node_->add_undefined_input();
      return Object::borrow(raw);
    }
    const Tensor& before = unwrap(raw);
    returned_.push_back(before.impl());
    const bool input = contains(inputs_, before.impl()), dirty = contains(dirty_, before.impl());
    const bool differentiable =
        recorded_ && !contains(constant_, before.impl()) && is_differentiable(before.dtype());
    differentiable_ += differentiable;
    const Tensor after =
        differentiable ? with_history(before, input, dirty) : without_history(before, input, dirty);
    if (!(input && dirty) && is_view(after))
      after.impl()->autograd->creation = Creation::in_custom_function;
    Object object = after.is(before) ? Object::borrow(raw) : Object(must(wrap(after)));
    // A ctx often refers to its output, and the output to the ctx through its grad_fn.
    if (differentiable) track(object.get());
    return object;
  }

  Tensor without_history(const Tensor& t, bool input, bool dirty) {
    if (recorded_) node_->add_input(t);
    if (!needs_grad(t)) return input && !dirty ? view_as_self(t) : t;
    // An input keeps its own requires_grad, so an alias goes out. A view that was made under
    // no_grad requires grad with its base, and stays as it is.
    if (input) return detach(t);
    if (!is_view(t)) detach_(t);
    return t;
  }

  Tensor with_history(const Tensor& t, bool input, bool dirty) {
    if (dirty) {
      check(!t.is_leaf() || !needs_grad(t),
            "a leaf Variable that requires grad has been used in an in-place operation.");
      // What was accumulated belongs to the value before.
      grad_slot(autograd_meta(t)) = Tensor();
      check_inplace(t, true, node_->name());
      rebase_history(t, node_);
      return t;
    }
    const uint32_t output = node_->add_input(t);
    const Tensor out = input ? view_as_self(t) : t;
    set_gradient_edge(out, {node_, output});
    return out;
  }

  // Of several outputs, none that is a view may be modified later.
  void forbid_inplace(PyObject* outputs) {
    if (differentiable_ < 2) return;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i) {
      PyObject* o = PyTuple_GET_ITEM(outputs, i);
      if (is_tensor(o) && is_view(unwrap(o)))
        unwrap(o).impl()->autograd->creation = Creation::multi_output;
    }
  }

  const Ref<Node> node_;
  const bool recorded_;
  const std::vector<const TensorImpl*> inputs_, dirty_, constant_;
  std::vector<const TensorImpl*> returned_;
  int differentiable_ = 0;
};

void save_tensors(FunctionObject& ctx) {
  if (!ctx.to_save) return;
  FunctionNode& node = ctx.own();
  const auto n = static_cast<size_t>(PyTuple_GET_SIZE(ctx.to_save));
  node.saved.resize(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = PyTuple_GET_ITEM(ctx.to_save, i);
    if (item == Py_None) continue;
    if (!is_tensor(item)) {
      PyErr_Format(PyExc_TypeError,
                   "save_for_backward can only save variables, but argument %zu is of type %s", i,
                   Py_TYPE(item)->tp_name);
      throw PythonError();
    }
    const Tensor& t = unwrap(item);
    node.saved[i].save(t, grad_fn(t).get() == &node);
  }
}

Object run_forward(PyObject* cls, PyObject* ctx, PyObject* const* args, size_t n, bool setup) {
  const GradMode off(false);
  const Object forward(must(PyObject_GetAttrString(cls, "forward")));
  std::vector<PyObject*> all = {ctx};
  all.insert(all.end(), args, args + n);
  PyObject* const* given = setup ? all.data() + 1 : all.data();
  Object output(must(PyObject_Vectorcall(forward.get(), given, setup ? n : n + 1, nullptr)));
  if (!setup) return output;
  Object inputs(must(PyTuple_New(static_cast<Py_ssize_t>(n))));
  for (size_t i = 0; i < n; ++i) PyTuple_SET_ITEM(inputs.get(), i, Py_NewRef(args[i]));
  const Object setup_context(must(PyObject_GetAttrString(cls, "setup_context")));
  call(setup_context.get(), Object::borrow(ctx), inputs, output);
  return output;
}

// apply(setup, *args): `setup` tells the two styles of forward apart.
PyObject* function_apply(PyObject* cls, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    if (nargs < 1 || !PyBool_Check(args[0])) {
      PyErr_SetString(PyExc_TypeError,
                      "_apply: the first argument tells whether there is a setup_context");
      throw PythonError();
    }
    const bool setup = *args++ == Py_True;
    const auto n = static_cast<size_t>(nargs - 1);
    const Object backward_cls(must(PyObject_GetAttrString(cls, "_backward_cls")));
    const Object object(must(PyObject_CallNoArgs(backward_cls.get())));
    if (!PyObject_TypeCheck(object.get(), function_type)) {
      PyErr_SetString(PyExc_TypeError, "_backward_cls must derive from _FunctionBase");
      throw PythonError();
    }
    FunctionObject& ctx = function_of(object.get());
    FunctionNode& node = ctx.own();
    std::vector<const TensorImpl*> inputs;
    bool any = false;
    Object needs(must(PyTuple_New(static_cast<Py_ssize_t>(n))));
    for (size_t i = 0; i < n; ++i) {
      const bool tensor = is_tensor(args[i]), requires_grad = tensor && needs_grad(unwrap(args[i]));
      node.tensor_inputs.push_back(tensor);
      if (tensor) inputs.push_back(unwrap(args[i]).impl());
      any |= requires_grad;
      PyTuple_SET_ITEM(needs.get(), i, PyBool_FromLong(requires_grad));
    }
    Py_XSETREF(ctx.needs_input_grad, needs.release());
    const bool recorded = any && GradMode::enabled();
    begin_node(node);
    if (recorded)
      for (size_t i = 0; i < n; ++i)
        if (node.tensor_inputs[i]) collect_edges(node, unwrap(args[i]));
    Object output = run_forward(cls, object.get(), args, n, setup);
    const bool single = !PyTuple_Check(output.get());
    if (single) output = Object(must(PyTuple_Pack(1, output.get())));
    Object results = Outputs(ctx, recorded, std::move(inputs)).finish(output.get());
    if (recorded) save_tensors(ctx);
    Py_CLEAR(ctx.to_save);
    Py_CLEAR(ctx.dirty_tensors);
    Py_CLEAR(ctx.non_differentiable);
    return single ? Py_NewRef(PyTuple_GET_ITEM(results.get(), 0)) : results.release();
  });
}

// ---- the ctx as a Python object

PyObject* function_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  FunctionObject& f = function_of(self);
  f.materialize_grads = true;
  new (&f.node) Ref<Node>(Ref<Node>::adopt(new FunctionNode(&f)));
  return self;
}

int function_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  FunctionObject& f = function_of(self);
  for (PyObject* o :
       {f.needs_input_grad, f.to_save, f.non_differentiable, f.dirty_tensors, f.saved_for_forward})
    Py_VISIT(o);
  const NodeHooks* hooks = f.node->use_count() == 1 ? f.node->hooks_if_any() : nullptr;
  if (!hooks) return 0;
  for (const auto* list : {&hooks->pre, &hooks->post})
    for (const Ref<NodeHook>& hook : *list)
      if (hook->python() && hook->use_count() == 1)
        Py_VISIT(static_cast<PyObject*>(hook->python()));
  return 0;
}

int function_clear(PyObject* self) {
  FunctionObject& f = function_of(self);
  Py_CLEAR(f.needs_input_grad);
  Py_CLEAR(f.to_save);
  Py_CLEAR(f.non_differentiable);
  Py_CLEAR(f.dirty_tensors);
  Py_CLEAR(f.saved_for_forward);
  if (f.node->use_count() == 1 && f.node->hooks_if_any()) {
    const auto pre = std::move(f.node->hooks().pre), post = std::move(f.node->hooks().post);
  }
  return 0;
}

void function_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  function_clear(self);
  function_of(self).node.~Ref<Node>();
  type->tp_free(self);
  Py_DECREF(type);
}

template <PyObject* FunctionObject::* Field>
PyObject* get_field(PyObject* self, void*) {
  PyObject* value = function_of(self).*Field;
  return Py_NewRef(value ? value : Py_None);
}

template <PyObject* FunctionObject::* Field>
int set_field(PyObject* self, PyObject* value, void*) {
  if (value && value != Py_None && !PyTuple_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s: expected a tuple, not %s", Py_TYPE(self)->tp_name,
                 Py_TYPE(value)->tp_name);
    return -1;
  }
  Py_XSETREF(function_of(self).*Field, value == Py_None ? nullptr : Py_XNewRef(value));
  return 0;
}

PyObject* get_materialize(PyObject* self, void*) {
  return PyBool_FromLong(function_of(self).materialize_grads);
}
int set_materialize(PyObject* self, PyObject* value, void*) {
  if (!value || !PyBool_Check(value)) {
    PyErr_Format(PyExc_TypeError, "set_materialize_grads expects a bool, got %s",
                 value ? Py_TYPE(value)->tp_name : "nothing");
    return -1;
  }
  function_of(self).materialize_grads = value == Py_True;
  return 0;
}

template <class Make>
PyObject* saved_tuple(PyObject* self, Make make) {
  return guarded_backward([&] {
    FunctionNode& node = function_of(self).own();
    check(!node.freed, kFreedGraph);
    Object tuple(must(PyTuple_New(static_cast<Py_ssize_t>(node.saved.size()))));
    for (size_t i = 0; i < node.saved.size(); ++i)
      PyTuple_SET_ITEM(tuple.get(), i, must(make(node.saved[i])));
    return tuple.release();
  });
}

PyObject* get_saved_tensors(PyObject* self, void*) {
  return saved_tuple(self, [&](SavedTensor& slot) {
    const Node* node = function_of(self).node.get();
    return wrap(slot.unpack(node));
  });
}

PyObject* get_saved_variables(PyObject* self, void*) {
  if (PyErr_WarnEx(PyExc_DeprecationWarning, "'saved_variables' is deprecated; use 'saved_tensors'",
                   1) < 0)
    return nullptr;
  return get_saved_tensors(self, nullptr);
}

PyObject* get_raw_saved(PyObject* self, void*) {
  return saved_tuple(self,
                     [&](SavedTensor& slot) { return wrap_saved(function_of(self).node, &slot); });
}

PyObject* get_next_functions(PyObject* self, void*) {
  return guarded([&] { return next_functions(*function_of(self).node); });
}
PyObject* get_metadata(PyObject* self, void*) {
  return guarded([&] { return metadata_of(*function_of(self).node); });
}
PyObject* get_input_metadata(PyObject* self, void*) {
  return guarded([&] { return input_metadata(*function_of(self).node); });
}
PyObject* get_requires_grad(PyObject*, void*) { Py_RETURN_TRUE; }

PyObject* function_name(PyObject* self, PyObject*) {
  return PyUnicode_FromString(function_of(self).node->name());
}
PyObject* function_sequence_nr(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(function_of(self).node->sequence_nr);
}
PyObject* function_register_hook(PyObject* self, PyObject* hook) {
  return guarded([&] { return register_node_hook(*function_of(self).node, hook, false); });
}
PyObject* function_register_prehook(PyObject* self, PyObject* hook) {
  return guarded([&] { return register_node_hook(*function_of(self).node, hook, true); });
}
PyObject* function_register_hook_dict(PyObject* self, PyObject* dict) {
  return guarded([&] { return register_node_dict(*function_of(self).node, dict); });
}

PyMethodDef function_methods[] = {
    {"_apply", c_function(function_apply), METH_FASTCALL | METH_CLASS, nullptr},
    {"name", function_name, METH_NOARGS, "name() -> str"},
    {"_sequence_nr", function_sequence_nr, METH_NOARGS, nullptr},
    {"register_hook", function_register_hook, METH_O,
     "register_hook(hook) -> RemovableHandle\n\nCalls hook(grad_inputs, grad_outputs) after "
     "backward has run."},
    {"register_prehook", function_register_prehook, METH_O,
     "register_prehook(hook) -> RemovableHandle\n\nCalls hook(grad_outputs) before backward runs."},
    {"_register_hook_dict", function_register_hook_dict, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};

#define FIELD(name) \
  {#name, get_field<&FunctionObject::name>, set_field<&FunctionObject::name>, nullptr, nullptr}
PyGetSetDef function_properties[] = {
    FIELD(needs_input_grad),
    FIELD(to_save),
    FIELD(non_differentiable),
    FIELD(dirty_tensors),
    FIELD(saved_for_forward),
    {"materialize_grads", get_materialize, set_materialize, nullptr, nullptr},
    {"saved_tensors", get_saved_tensors, nullptr,
     "What save_for_backward was given, checked for changes in place.", nullptr},
    {"saved_variables", get_saved_variables, nullptr, nullptr, nullptr},
    {"_raw_saved_tensors", get_raw_saved, nullptr, nullptr, nullptr},
    {"next_functions", get_next_functions, nullptr, nullptr, nullptr},
    {"metadata", get_metadata, nullptr, nullptr, nullptr},
    {"_input_metadata", get_input_metadata, nullptr, nullptr, nullptr},
    {"requires_grad", get_requires_grad, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
#undef FIELD

PyType_Slot function_slots[] = {{Py_tp_new, reinterpret_cast<void*>(function_new)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(function_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(function_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(function_clear)},
                                {Py_tp_methods, function_methods},
                                {Py_tp_getset, function_properties},
                                {0, nullptr}};
PyType_Spec function_spec = {"flambeau._C._FunctionBase", sizeof(FunctionObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                             function_slots};

}  // namespace

PyObject* twin_of(const Node& node) {
  return node.has_twin() ? object_of(static_cast<const FunctionNode&>(node).object) : nullptr;
}

Node* node_of_function(PyObject* o) {
  return PyObject_TypeCheck(o, function_type) ? function_of(o).node.get() : nullptr;
}

bool init_function(PyObject* module) {
  Node::twin_shared = share_twin;
  function_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&function_spec));
  return function_type && PyModule_AddObjectRef(module, "_FunctionBase",
                                                reinterpret_cast<PyObject*>(function_type)) == 0;
}

}  // namespace flambeau::python
