// flambeau.ops.<namespace>.<name>.<overload>: ops as objects, called by exactly their schema.

#include <map>

#include "core/python/call.h"
#include "core/python/free_threading.h"

namespace flambeau::python {
namespace {

struct OpObject {  // one overload
  PyObject_HEAD vectorcallfunc call;
  const Op* op;
  Signature* signature;
  PyObject* dict;
};
struct PacketObject {  // all overloads of a name
  PyObject_HEAD vectorcallfunc call;
  PyObject* ns;
  PyObject* name;
  PyObject* dict;
  std::vector<const Op*>* overloads;  // found after so many `changes` of the table
  size_t changes;
};
PyTypeObject *op_type, *packet_type;

OpObject* as_op(PyObject* o) { return reinterpret_cast<OpObject*>(o); }
PacketObject* as_packet(PyObject* o) { return reinterpret_cast<PacketObject*>(o); }
const char* utf8(PyObject* text) {
  const char* s = PyUnicode_AsUTF8(text);
  if (!s) throw PythonError();
  return s;
}
const char* overload_of(const Op& op) { return *op.overload ? op.overload : "default"; }

// ---- calling one overload

PyObject* call_signature(PyObject* self, Arguments& arguments, PyObject* const* args, Py_ssize_t n,
                         PyObject* kwnames) {
  const Op& op = *as_op(self)->op;
  if (!arguments.overloaded.empty() || torch_function_modes_active())
    if (PyObject* r = call_torch_function(arguments.overloaded, self, args, n, kwnames, op.name))
      return r;
  Results results;
  call_parsed(op, arguments, results);
  return results_to_python(op, results);
}

PyObject* call_op_object(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  const OpObject* o = as_op(self);
  try {
    Arguments arguments;
    if (o->signature->parse(arguments, args, n, kwnames)) [[likely]]
      return call_signature(self, arguments, args, n, kwnames);
    raise(o->signature->mismatch(concat(o->op->ns, "::", o->op->name), args, n, kwnames),
          ". Declaration: ", o->op->schema);
  } catch (...) {
    translate_exception(o->op->name);
    return nullptr;
  }
}

// ---- the table of objects

// Ops of a name in the order of definition; `fits` decides.
template <class F>
std::vector<const Op*> ops_where(F&& fits) {
  std::vector<const Op*> found;
  for (const Op* op : builtin_ops())
    if (fits(*op)) found.push_back(op);
  for (const Op* op : runtime_ops())
    if (fits(*op)) found.push_back(op);
  return found;
}
std::vector<const Op*> overloads_of(const char* ns, const char* name) {
  return ops_where([&](const Op& op) {
    return std::string_view(op.ns) == ns && std::string_view(op.name) == name;
  });
}
// Takes the overloads out of a packet's dictionary, where attribute access has put them.
void forget_overloads(PyObject* dict) {
  if (!dict) return;
  const Object items(must(PyDict_Items(dict)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.get()); ++i) {
    PyObject* const item = PyList_GET_ITEM(items.get(), i);
    if (is_op(PyTuple_GET_ITEM(item, 1))) must(PyDict_DelItem(dict, PyTuple_GET_ITEM(item, 0)));
  }
}
// The packet keeps them, until ops come or go; a list that a caller may be walking stays.
// Packets live as long as the program.
const std::vector<const Op*>& overloads_of(PyObject* packet) {
  PacketObject* p = as_packet(packet);
  const size_t changes = runtime_op_changes();
  if (!p->overloads || p->changes != changes) [[unlikely]] {
    forget_overloads(p->dict);
    p->overloads = new std::vector(overloads_of(utf8(p->ns), utf8(p->name)));
    p->changes = changes;
  }
  return *p->overloads;
}

PyObject* packet_for(const char* ns, const char* name) {
  static PyObject* const packets = PyDict_New();
  const Object key(must(PyUnicode_FromFormat("%s::%s", ns, name)));
  if (PyObject* known = PyDict_GetItemWithError(packets, key.get())) return Py_NewRef(known);
  const Object made(packet_type->tp_alloc(packet_type, 0));
  must(made.get());
  as_packet(made.get())->call = [](PyObject* self, PyObject* const* args, size_t nargsf,
                                   PyObject* kwnames) -> PyObject* {
    const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    return guarded([&]() -> PyObject* {
      std::string why;
      for (const Op* op : overloads_of(self)) {
        const Object overload(wrap_op(*op));
        Arguments arguments;
        if (as_op(overload.get())->signature->parse(arguments, args, n, kwnames))
          return must(call_signature(overload.get(), arguments, args, n, kwnames));
        why += "\n" +
               as_op(overload.get())
                   ->signature->mismatch(concat(op->ns, "::", op->name), args, n, kwnames) +
               ". Declaration: " + op->schema;
      }
      raise("Overloaded torch operator invoked from Python failed to match any schema:", why);
    });
  };
  as_packet(made.get())->ns = must(PyUnicode_FromString(ns));
  as_packet(made.get())->name = must(PyUnicode_FromString(name));
  return Py_NewRef(must(PyDict_SetDefault(packets, key.get(), made.get())));
}

// ---- attributes

PyObject* op_name(PyObject* self, PyObject*) {
  const Op& op = *as_op(self)->op;
  return *op.overload ? PyUnicode_FromFormat("%s::%s.%s", op.ns, op.name, op.overload)
                      : PyUnicode_FromFormat("%s::%s", op.ns, op.name);
}
PyObject* op_str(PyObject* self) {
  const Op& op = *as_op(self)->op;
  return PyUnicode_FromFormat("%s.%s.%s", op.ns, op.name, overload_of(op));
}
PyObject* op_repr(PyObject* self) {
  const Op& op = *as_op(self)->op;
  return PyUnicode_FromFormat("<OpOverload(op='%s.%s', overload='%s')>", op.ns, op.name,
                              overload_of(op));
}
PyObject* get_op_dunder_name(PyObject* self, void*) {
  const Op& op = *as_op(self)->op;
  return PyUnicode_FromFormat("%s.%s", op.name, overload_of(op));
}
PyObject* get_op_module(PyObject* self, void*) {
  return PyUnicode_FromFormat("flambeau.ops.%s", as_op(self)->op->ns);
}
PyObject* get_op_name(PyObject* self, void*) { return PyUnicode_FromString(as_op(self)->op->name); }
PyObject* get_overload(PyObject* self, void*) {
  return PyUnicode_FromString(overload_of(*as_op(self)->op));
}
PyObject* get_namespace(PyObject* self, void*) { return PyUnicode_FromString(as_op(self)->op->ns); }
PyObject* get_packet(PyObject* self, void*) {
  const Op& op = *as_op(self)->op;
  return guarded([&] { return packet_for(op.ns, op.name); });
}
PyObject* get_is_view(PyObject* self, void*) {
  return PyBool_FromLong((as_op(self)->op->tags & tag::view) != 0);
}
PyObject* get_schema(PyObject* self, void*) {
  static PyObject* parse = nullptr;
  return guarded([&] {
    return must(PyObject_CallFunction(imported(parse, "flambeau._schema", "parse"), "s",
                                      as_op(self)->op->schema));
  });
}
struct TagName {
  uint32_t bit;
  const char* name;
};
constexpr TagName kTags[] = {{tag::pointwise, "pointwise"},
                             {tag::inplace_view, "inplace_view"},
                             {tag::random, "nondeterministic_seeded"},
                             {tag::dynamic_shape, "dynamic_output_shape"},
                             {tag::data_dependent, "data_dependent_output"},
                             {tag::reduction, "reduction"},
                             {tag::inplace, "inplace"},
                             {tag::out, "out"},
                             {tag::core, "core"}};
PyObject* get_tags(PyObject* self, void*) {
  static PyObject* tags_of = nullptr;
  return guarded([&] {
    Object list(must(PyList_New(0)));
    for (const TagName& t : kTags)
      if (as_op(self)->op->tags & t.bit) {
        const Object name(must(PyUnicode_FromString(t.name)));
        must(PyList_Append(list.get(), name.get()));
      }
    const Object name(must(op_name(self, nullptr)));
    return must(PyObject_CallFunctionObjArgs(imported(tags_of, "flambeau._tags", "tags_of"),
                                             name.get(), list.get(), nullptr));
  });
}
PyObject* op_reduce(PyObject* self, PyObject*) {
  static PyObject* find = nullptr;
  return guarded([&] {
    const Object name(must(op_name(self, nullptr)));
    return must(Py_BuildValue("O(O)", imported(find, "flambeau._C", "_find_op"), name.get()));
  });
}
PyObject* same(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* packet_overloads(PyObject* self, PyObject*) {
  return guarded([&] {
    Object list(must(PyList_New(0)));
    for (const Op* op : overloads_of(self)) {
      const Object name(must(PyUnicode_FromString(overload_of(*op))));
      must(PyList_Append(list.get(), name.get()));
    }
    return list.release();
  });
}
PyObject* packet_str(PyObject* self) {
  return PyUnicode_FromFormat("%U.%U", as_packet(self)->ns, as_packet(self)->name);
}
PyObject* packet_repr(PyObject* self) {
  return PyUnicode_FromFormat("<OpOverloadPacket(op='%U.%U')>", as_packet(self)->ns,
                              as_packet(self)->name);
}
PyObject* get_packet_name(PyObject* self, void*) { return Py_NewRef(as_packet(self)->name); }
PyObject* get_packet_module(PyObject* self, void*) {
  return PyUnicode_FromFormat("flambeau.ops.%U", as_packet(self)->ns);
}
PyObject* get_qualified_name(PyObject* self, void*) {
  return PyUnicode_FromFormat("%U::%U", as_packet(self)->ns, as_packet(self)->name);
}
// packet.Tensor: an overload, when it is no attribute of another kind. The packet's dictionary
// keeps it, as long as the list of overloads is kept.
PyObject* packet_attribute(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const std::vector<const Op*>& overloads = overloads_of(self);
    PyObject* const plain = PyObject_GenericGetAttr(self, name);
    if (plain || !PyErr_ExceptionMatches(PyExc_AttributeError)) return must(plain);
    PyErr_Clear();
    for (const Op* op : overloads) {
      if (std::string_view(overload_of(*op)) != utf8(name)) continue;
      Object overload(wrap_op(*op));
      must(PyObject_GenericSetAttr(self, name, overload.get()));
      return overload.release();
    }
    raise_python(PyExc_AttributeError, "The underlying op of '%U.%U' has no overload name '%U'",
                 as_packet(self)->ns, as_packet(self)->name, name);
  });
}

PyMethodDef op_methods[] = {{"name", op_name, METH_NOARGS, "ns::name.overload"},
                            {"__reduce__", op_reduce, METH_NOARGS, nullptr},
                            {"__copy__", same, METH_NOARGS, nullptr},
                            {"__deepcopy__", same, METH_O, nullptr},
                            {}};
PyGetSetDef op_getset[] = {
    {"__name__", get_op_dunder_name, nullptr, nullptr, {}},
    {"__qualname__", get_op_dunder_name, nullptr, nullptr, {}},
    {"__module__", get_op_module, nullptr, nullptr, {}},
    {"_opname", get_op_name, nullptr, nullptr, {}},
    {"_overloadname", get_overload, nullptr, nullptr, {}},
    {"namespace", get_namespace, nullptr, "The op's namespace.", {}},
    {"overloadpacket", get_packet, nullptr, "All overloads.", {}},
    {"_overloadpacket", get_packet, nullptr, nullptr, {}},
    {"is_view", get_is_view, nullptr, "Whether it gives a view.", {}},
    {"_schema", get_schema, nullptr, "The schema, parsed.", {}},
    {"tags", get_tags, nullptr, "Properties of the op.", {}},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, {}},
    {}};
PyMemberDef op_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(OpObject, call), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(OpObject, dict), READONLY, nullptr},
    {}};
PyMethodDef packet_methods[] = {
    {"overloads", packet_overloads, METH_NOARGS, "The names of all overloads."},
    {"__copy__", same, METH_NOARGS, nullptr},
    {"__deepcopy__", same, METH_O, nullptr},
    {}};
PyGetSetDef packet_getset[] = {{"__name__", get_packet_name, nullptr, nullptr, {}},
                               {"__qualname__", get_packet_name, nullptr, nullptr, {}},
                               {"__module__", get_packet_module, nullptr, nullptr, {}},
                               {"_qualified_op_name", get_qualified_name, nullptr, nullptr, {}},
                               {"__dict__", PyObject_GenericGetDict, nullptr, nullptr, {}},
                               {}};
PyMemberDef packet_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PacketObject, call), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(PacketObject, dict), READONLY, nullptr},
    {}};

constexpr unsigned kFlags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
                            Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL;
constexpr const char* kOpDoc =
    "One overload of an op, as schema: torch.ops.aten.add.Tensor. Calling it runs the op.";
constexpr const char* kPacketDoc =
    "An op with its overloads as attributes: torch.ops.aten.add. Calling it runs the one that "
    "fits.";
PyType_Slot op_slots[] = {{Py_tp_doc, const_cast<char*>(kOpDoc)},
                          {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                          {Py_tp_str, reinterpret_cast<void*>(op_str)},
                          {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                          {Py_tp_methods, op_methods},
                          {Py_tp_getset, op_getset},
                          {Py_tp_members, op_members},
                          {}};
PyType_Spec op_spec = {"flambeau._ops.OpOverload", sizeof(OpObject), 0, kFlags, op_slots};
PyType_Slot packet_slots[] = {{Py_tp_doc, const_cast<char*>(kPacketDoc)},
                              {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                              {Py_tp_str, reinterpret_cast<void*>(packet_str)},
                              {Py_tp_repr, reinterpret_cast<void*>(packet_repr)},
                              {Py_tp_getattro, reinterpret_cast<void*>(packet_attribute)},
                              {Py_tp_methods, packet_methods},
                              {Py_tp_getset, packet_getset},
                              {Py_tp_members, packet_members},
                              {}};
PyType_Spec packet_spec = {"flambeau._ops.OpOverloadPacket", sizeof(PacketObject), 0, kFlags,
                           packet_slots};

// ---- functions of flambeau._C

// _find_op("aten::add.Tensor"): the overload, or None.
PyObject* find_op_function(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const Op* op = find_op(utf8(name));
    return op ? wrap_op(*op) : Py_NewRef(Py_None);
  });
}
// _find_packet(ns, name): the packet, or None.
PyObject* find_packet(PyObject*, PyObject* args) {
  const char *ns, *name;
  if (!PyArg_ParseTuple(args, "ss", &ns, &name)) return nullptr;
  return guarded([&]() -> PyObject* {
    return overloads_of(ns, name).empty() ? Py_NewRef(Py_None) : packet_for(ns, name);
  });
}
// _op_names(ns): the names of all ops of a namespace; _op_names(None): the namespaces.
PyObject* op_names(PyObject*, PyObject* ns) {
  return guarded([&] {
    Object names(must(PySet_New(nullptr)));
    ops_where([&](const Op& op) {
      if (ns != Py_None && std::string_view(op.ns) != utf8(ns)) return false;
      const Object name(must(PyUnicode_FromString(ns == Py_None ? op.ns : op.name)));
      must(PySet_Add(names.get(), name.get()));
      return false;
    });
    return must(PySequence_List(names.get()));
  });
}
PyMethodDef functions[] = {{"_find_op", find_op_function, METH_O, nullptr},
                           {"_find_packet", find_packet, METH_VARARGS, nullptr},
                           {"_op_names", op_names, METH_O, nullptr},
                           {}};

}  // namespace

PyObject* wrap_op(const Op& op) {
  static std::map<const Op*, PyObject*> made;
  {
    const TableLock lock;
    if (const auto it = made.find(&op); it != made.end()) return Py_NewRef(it->second);
  }
  Object fresh(must(op_type->tp_alloc(op_type, 0)));
  as_op(fresh.get())->call = call_op_object;
  as_op(fresh.get())->op = &op;
  as_op(fresh.get())->signature = new Signature(op, Style::schema);
  const TableLock lock;
  const auto [it, first] = made.try_emplace(&op, fresh.get());
  if (first) return Py_NewRef(fresh.release());  // the table keeps one
  return Py_NewRef(it->second);
}
bool is_op(PyObject* o) { return Py_TYPE(o) == op_type; }
const Op& unwrap_op(PyObject* o) {
  if (is_op(o)) return *as_op(o)->op;
  raise_python(PyExc_TypeError, "expected an op overload, got %.200s", Py_TYPE(o)->tp_name);
}

bool init_op_objects(PyObject* module) {
  op_type = make_type(module, &op_spec, "OpOverload");
  packet_type = make_type(module, &packet_spec, "OpOverloadPacket");
  return op_type && packet_type && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
