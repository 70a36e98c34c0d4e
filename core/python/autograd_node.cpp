// grad_fn objects: one Python type per kind of node, made when the first of its kind is shown.
#include <string>
#include <unordered_map>

#include "core/autograd/accumulate.h"
#include "core/python/autograd.h"
#include "core/python/free_threading.h"

namespace flambeau::python {
namespace {

struct NodeObject {
  PyObject ob_base;
  Ref<Node> node;
  PyObject* weakrefs;
};

PyTypeObject *node_base = nullptr, *saved_type = nullptr, *metadata_type = nullptr;

Node& node_of(PyObject* self) { return *reinterpret_cast<NodeObject*>(self)->node; }

// ---- saved tensors, raw

struct SavedObject {
  PyObject ob_base;
  Ref<Node> node;  // keeps the slot alive
  SavedTensor* slot;
};

SavedObject& saved_of(PyObject* self) { return *reinterpret_cast<SavedObject*>(self); }

PyObject* unpack_slot(const Node* node, const SavedTensor& slot) {
  // What is shown has its history, whatever the mode.
  const GradMode on(true);
  return wrap(slot.unpack(node));
}

void saved_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  saved_of(self).node.~Ref<Node>();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* saved_unpack(PyObject* self, PyObject*) {
  return guarded_backward(
      [&] { return unpack_slot(saved_of(self).node.get(), *saved_of(self).slot); });
}

PyObject* saved_register_hooks(PyObject* self, PyObject* args) {
  return guarded_backward([&] {
    PyObject *pack, *unpack;
    if (!PyArg_ParseTuple(args, "OO:register_hooks", &pack, &unpack)) throw PythonError();
    for (PyObject* f : {pack, unpack}) {
      if (PyCallable_Check(f)) continue;
      PyErr_SetString(PyExc_TypeError,
                      "register_hooks: pack_hook and unpack_hook must be callable");
      throw PythonError();
    }
    saved_of(self).slot->register_hooks(make_saved_hooks(pack, unpack));
    return Py_NewRef(Py_None);
  });
}

PyObject* saved_data(PyObject* self, void*) { return wrap(saved_of(self).slot->raw()); }

PyObject* saved_unpack_hook(PyObject* self, void*) {
  SavedTensorHooks* hooks = saved_of(self).slot->hooks();
  return Py_NewRef(hooks ? static_cast<PyObject*>(hooks->python()) : Py_None);
}

PyMethodDef saved_methods[] = {
    {"unpack", saved_unpack, METH_NOARGS, "unpack() -> Tensor"},
    {"register_hooks", saved_register_hooks, METH_VARARGS,
     "register_hooks(pack_hook, unpack_hook)\n\nPacks the tensor now, and unpacks it at each use."},
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef saved_properties[] = {{"data", saved_data, nullptr, nullptr, nullptr},
                                  {"unpack_hook", saved_unpack_hook, nullptr, nullptr, nullptr},
                                  {nullptr, nullptr, nullptr, nullptr, nullptr}};
constexpr const char* kSavedDoc = "A tensor that a node keeps for its backward pass.";
PyType_Slot saved_slots[] = {{Py_tp_doc, const_cast<char*>(kSavedDoc)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(saved_dealloc)},
                             {Py_tp_methods, saved_methods},
                             {Py_tp_getset, saved_properties},
                             {0, nullptr}};
PyType_Spec saved_spec = {"flambeau.autograd.SavedTensor", sizeof(SavedObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, saved_slots};

// ---- saved fields

struct ShownField {
  std::string name;
  SavedField field;
  bool raw;
};

template <class Range, class Make>
PyObject* tuple_of(Range& range, Make make) {
  Object tuple(must(PyTuple_New(static_cast<Py_ssize_t>(range.size()))));
  Py_ssize_t i = 0;
  for (auto& item : range) PyTuple_SET_ITEM(tuple.get(), i++, must(make(item)));
  return tuple.release();
}

PyObject* show_field(const Ref<Node>& node, const ShownField& shown) {
  using Kind = SavedField::Kind;
  const void* at = shown.field.get(node.get());
  const auto as = [&]<class T>(T*) -> const T& { return *static_cast<const T*>(at); };
  switch (shown.field.kind) {
    case Kind::tensor: {
      auto* slot = const_cast<SavedTensor*>(static_cast<const SavedTensor*>(at));
      return shown.raw ? wrap_saved(node, slot) : unpack_slot(node.get(), *slot);
    }
    case Kind::tensors: {
      auto* slots = const_cast<SavedTensors*>(static_cast<const SavedTensors*>(at));
      return tuple_of(slots->list(), [&](SavedTensor& slot) {
        return shown.raw ? wrap_saved(node, &slot) : unpack_slot(node.get(), slot);
      });
    }
    case Kind::integer:
      return PyLong_FromLongLong(as(static_cast<int64_t*>(nullptr)));
    case Kind::optional_integer: {
      const auto& value = as(static_cast<std::optional<int64_t>*>(nullptr));
      return value ? PyLong_FromLongLong(*value) : Py_NewRef(Py_None);
    }
    case Kind::floating:
      return PyFloat_FromDouble(as(static_cast<double*>(nullptr)));
    case Kind::boolean:
      return PyBool_FromLong(as(static_cast<bool*>(nullptr)));
    case Kind::scalar:
      return wrap(as(static_cast<Scalar*>(nullptr)));
    case Kind::dims:
      return tuple_of(as(static_cast<Dims*>(nullptr)),
                      [](int64_t v) { return PyLong_FromLongLong(v); });
    case Kind::dtype:
      return wrap(as(static_cast<DType*>(nullptr)));
    case Kind::string: {
      const auto& text = as(static_cast<std::string*>(nullptr));
      return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    }
  }
  Py_RETURN_NONE;
}

PyObject* get_saved(PyObject* self, void* shown) {
  return guarded_backward([&] {
    return show_field(reinterpret_cast<NodeObject*>(self)->node,
                      *static_cast<const ShownField*>(shown));
  });
}

// ---- methods of all nodes

// The nodes that stand for no op have their C++ names in PyTorch, and programs ask for them.
PyObject* node_name(PyObject* self, PyObject*) {
  const std::string_view name = node_of(self).name();
  const bool internal = name == "AccumulateGrad" || name == "CopySlices" || name == "CopyBackwards";
  return PyUnicode_FromFormat("%s%s", internal ? "torch::autograd::" : "", name.data());
}

PyObject* node_sequence_nr(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(node_of(self).sequence_nr);
}

PyObject* node_set_sequence_nr(PyObject* self, PyObject* value) {
  const unsigned long long nr = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred()) return nullptr;
  node_of(self).sequence_nr = nr;
  Py_RETURN_NONE;
}

PyObject* node_register_hook(PyObject* self, PyObject* hook) {
  return guarded([&] { return register_node_hook(node_of(self), hook, false); });
}

PyObject* node_register_prehook(PyObject* self, PyObject* hook) {
  return guarded([&] { return register_node_hook(node_of(self), hook, true); });
}

PyObject* node_register_hook_dict(PyObject* self, PyObject* dict) {
  return guarded([&] { return register_node_dict(node_of(self), dict); });
}

PyObject* node_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
    PyErr_Format(PyExc_TypeError, "%s takes no keyword arguments", node_of(self).name());
    return nullptr;
  }
  return guarded_backward([&] { return call_node(node_of(self), args); });
}

PyObject* node_repr(PyObject* self) {
  return PyUnicode_FromFormat("<%s object at %p>", node_of(self).name(), self);
}

PyObject* node_next_functions(PyObject* self, void*) {
  return guarded([&] { return next_functions(node_of(self)); });
}
PyObject* node_metadata(PyObject* self, void*) {
  return guarded([&] { return metadata_of(node_of(self)); });
}
PyObject* node_input_metadata(PyObject* self, void*) {
  return guarded([&] { return input_metadata(node_of(self)); });
}
PyObject* node_requires_grad(PyObject*, void*) { Py_RETURN_TRUE; }

PyObject* node_variable(PyObject* self, void*) {
  if (const auto* leaf = dynamic_cast<AccumulateGrad*>(&node_of(self))) return wrap(leaf->variable);
  PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'",
               node_of(self).name());
  return nullptr;
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Node& node = node_of(self);
  const NodeHooks* hooks = node.use_count() == 1 ? node.hooks_if_any() : nullptr;
  if (!hooks) return 0;
  for (const auto* list : {&hooks->pre, &hooks->post})
    for (const Ref<NodeHook>& hook : *list)
      if (hook->python() && hook->use_count() == 1)
        Py_VISIT(static_cast<PyObject*>(hook->python()));
  return 0;
}

int node_clear(PyObject* self) {
  Node& node = node_of(self);
  if (node.use_count() > 1 || !node.hooks_if_any()) return 0;
  const auto pre = std::move(node.hooks().pre), post = std::move(node.hooks().post);
  return 0;
}

void node_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  auto* object = reinterpret_cast<NodeObject*>(self);
  if (object->weakrefs) PyObject_ClearWeakRefs(self);
  PyTypeObject* type = Py_TYPE(self);
  {
    const TieLock lock(object->node.get());
    if (object->node->py_object == self) object->node->py_object = nullptr;
  }
  object->node.~Ref<Node>();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "name() -> str"},
    {"_sequence_nr", node_sequence_nr, METH_NOARGS, nullptr},
    {"_set_sequence_nr", node_set_sequence_nr, METH_O, nullptr},
    {"register_hook", node_register_hook, METH_O,
     "register_hook(hook) -> RemovableHandle\n\nCalls hook(grad_inputs, grad_outputs) after the "
     "node has run; a tuple that it returns takes the place of grad_inputs."},
    {"register_prehook", node_register_prehook, METH_O,
     "register_prehook(hook) -> RemovableHandle\n\nCalls hook(grad_outputs) before the node runs; "
     "a tuple that it returns takes their place."},
    {"_register_hook_dict", node_register_hook_dict, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef node_properties[] = {
    {"next_functions", node_next_functions, nullptr, "Where the gradients go: (node, input).",
     nullptr},
    {"metadata", node_metadata, nullptr, "A dict for whatever belongs to the node.", nullptr},
    {"_input_metadata", node_input_metadata, nullptr, nullptr, nullptr},
    {"requires_grad", node_requires_grad, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef node_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(NodeObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyType_Slot node_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                            {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                            {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                            {Py_tp_call, reinterpret_cast<void*>(node_call)},
                            {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                            {Py_tp_methods, node_methods},
                            {Py_tp_getset, node_properties},
                            {Py_tp_members, node_members},
                            {0, nullptr}};
constexpr unsigned long kNodeFlags =
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;
PyType_Spec node_spec = {"flambeau._C._NodeBase", sizeof(NodeObject), 0,
                         kNodeFlags | Py_TPFLAGS_BASETYPE, node_slots};

// The attributes of a kind of node; they live as long as its type, which is for ever.
PyGetSetDef* kind_properties(const Node& node) {
  size_t n;
  const SavedField* fields = node.saved_fields(&n);
  auto* out = new std::vector<PyGetSetDef>();
  if (node.sequence_nr == UINT64_MAX && dynamic_cast<const AccumulateGrad*>(&node))
    out->push_back({"variable", node_variable, nullptr, nullptr, nullptr});
  for (size_t i = 0; i < n; ++i) {
    const bool tensors =
        fields[i].kind == SavedField::Kind::tensor || fields[i].kind == SavedField::Kind::tensors;
    for (const bool raw : {false, true}) {
      if (raw && !tensors) continue;
      auto* shown =
          new ShownField{concat(raw ? "_raw_saved_" : "_saved_", fields[i].name), fields[i], raw};
      out->push_back({shown->name.c_str(), get_saved, nullptr, nullptr, shown});
    }
  }
  out->push_back({nullptr, nullptr, nullptr, nullptr, nullptr});
  return out->data();
}

PyTypeObject* type_of(const Node& node) {
  static auto* const types = new std::unordered_map<std::string, PyTypeObject*>();
  {
    const TableLock lock;
    if (const auto it = types->find(node.name()); it != types->end()) return it->second;
  }
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {Py_tp_getset, kind_properties(node)},
                         {0, nullptr}};
  // Python keeps the pointer to the name.
  const auto* full_name = new std::string(concat("builtins.", node.name()));
  PyType_Spec spec = {full_name->c_str(), sizeof(NodeObject), 0, kNodeFlags, slots};
  const Object bases(must(PyTuple_Pack(1, node_base)));
  auto* type = reinterpret_cast<PyTypeObject*>(must(PyType_FromSpecWithBases(&spec, bases.get())));
  const TableLock lock;
  return types->try_emplace(node.name(), type).first->second;  // a type that is too late stays
}

}  // namespace

PyObject* wrap(const Ref<Node>& node) {
  if (!node) Py_RETURN_NONE;
  if (PyObject* twin = twin_of(*node)) return Py_NewRef(twin);
  PyTypeObject* type = type_of(*node);
  const TieLock lock(node.get());
  auto* known = static_cast<PyObject*>(node->py_object);
  if (known && try_new_ref(known)) return known;
  PyObject* self = must(type->tp_alloc(type, 0));
  new (&reinterpret_cast<NodeObject*>(self)->node) Ref<Node>(node);
  allow_try(self);
  node->py_object = self;
  return self;
}

Node* unwrap_node(PyObject* o) {
  if (PyObject_TypeCheck(o, node_base)) return &node_of(o);
  if (Node* node = node_of_function(o)) return node;
  PyErr_Format(PyExc_TypeError, "expected a node of the autograd graph, got %s",
               Py_TYPE(o)->tp_name);
  return nullptr;
}

PyObject* wrap_saved(const Ref<Node>& node, SavedTensor* slot) {
  PyObject* self = must(saved_type->tp_alloc(saved_type, 0));
  new (&saved_of(self).node) Ref<Node>(node);
  saved_of(self).slot = slot;
  return self;
}

PyObject* next_functions(const Node& node) {
  const auto n = static_cast<Py_ssize_t>(node.num_edges());
  Object tuple(must(PyTuple_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i) {
    const Edge& edge = node.edge(static_cast<size_t>(i));
    const Object next(must(wrap(edge.node)));
    PyTuple_SET_ITEM(tuple.get(), i, must(Py_BuildValue("(OI)", next.get(), edge.input)));
  }
  return tuple.release();
}

PyObject* input_metadata(const Node& node) {
  const auto n = static_cast<Py_ssize_t>(node.num_inputs());
  Object tuple(must(PyTuple_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i) {
    const InputMeta& meta = node.input_meta(static_cast<size_t>(i));
    Object item(must(PyStructSequence_New(metadata_type)));
    PyStructSequence_SetItem(item.get(), 0, must(wrap(meta.dtype)));
    PyStructSequence_SetItem(item.get(), 1, must(wrap(meta.device)));
    PyStructSequence_SetItem(item.get(), 2, must(wrap_size(meta.sizes)));
    PyTuple_SET_ITEM(tuple.get(), i, item.release());
  }
  return tuple.release();
}

PyObject* call_node(Node& node, PyObject* args) {
  const auto n = static_cast<size_t>(PyTuple_GET_SIZE(args));
  check(n == node.num_inputs(), node.name(), ": expected ", node.num_inputs(),
        " gradients, one per output of the forward, got ", n);
  std::vector<Tensor> grads(n), out(node.num_edges());
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = PyTuple_GET_ITEM(args, i);
    if (is_tensor(item)) {
      grads[i] = unwrap(item);
    } else if (item != Py_None) {
      PyErr_Format(PyExc_TypeError, "%s: gradient %zu must be a Tensor or None, not %s",
                   node.name(), i, Py_TYPE(item)->tp_name);
      throw PythonError();
    }
  }
  const Ref<Node> alive(&node);
  NodeHooks* hooks = node.hooks_if_any();
  if (hooks)
    for (const Ref<NodeHook>& hook : std::vector(hooks->pre)) hook->pre(grads.data(), n);
  node.apply(grads.data(), out.data());
  if (hooks)
    for (const Ref<NodeHook>& hook : std::vector(hooks->post))
      hook->post(grads.data(), n, out.data(), out.size());
  if (out.size() == 1) return wrap(out[0]);
  return tuple_of(out, [](Tensor& t) { return wrap(t); });
}

bool init_nodes(PyObject* module) {
  static PyStructSequence_Field fields[] = {
      {"dtype", nullptr}, {"device", nullptr}, {"shape", nullptr}, {nullptr, nullptr}};
  static PyStructSequence_Desc desc = {"flambeau._C._InputMetadata", nullptr, fields, 3};
  node_base = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&node_spec));
  saved_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&saved_spec));
  metadata_type = PyStructSequence_NewType(&desc);
  return node_base && saved_type && metadata_type &&
         PyModule_AddObjectRef(module, "_NodeBase", reinterpret_cast<PyObject*>(node_base)) == 0 &&
         PyModule_AddObjectRef(module, "_SavedTensor", reinterpret_cast<PyObject*>(saved_type)) ==
             0;
}

}  // namespace flambeau::python
