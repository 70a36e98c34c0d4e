// Ops that are registered at run time, with implementations in Python. See flambeau/library.py.
#include <deque>

#include "core/dispatch/registrations.h"
#include "core/python/extension.h"
#include "core/python/free_threading.h"
#include "core/python/parse.h"

namespace flambeau::python {
namespace {

// What belongs to an op of Python's.
struct RuntimeOp {
  std::deque<std::string> texts;
  std::vector<Argument> args;
  std::vector<Return> returns;
  std::deque<Owned> defaults;

  const char* keep(std::string text) { return texts.emplace_back(std::move(text)).c_str(); }
};

// ---- calling

class PythonFunction final : public Registered {
 public:
  explicit PythonFunction(PyObject* function) : function_(Py_NewRef(function)) {}
  ~PythonFunction() override { retire(); }
  void call(const Op& op, const Value* values, Results& results) const override {
    const EnterPython python;
    const Object function(static_cast<PyObject*>(this->python()));
    if (!function) return redispatch(op, values, results);
    const PythonArguments arguments = arguments_to_python(op, values);
    const Object result(
        must(PyObject_Call(function.get(), arguments.args.get(), arguments.kwargs.get())));
    results_from_python(op, values, result.get(), results);
  }
  void retire() const override {
    const AcquireGil gil;
    PyObject* function;
    {
      const TieLock lock(this);
      function = std::exchange(function_, nullptr);
    }
    Py_XDECREF(function);
  }
  void* python() const override {
    const TieLock lock(this);
    return Py_XNewRef(function_);
  }

 private:
  mutable PyObject* function_;  // null once it was taken away
};

// The entry of all ops of Python's: as the generated ones, one branch on the active keys. Kernels
// are among the registrations.
void call_runtime(const Op& op, const Value* values, Results& results) {
  const KeySet active = active_keys(op, values) & concerned_layers(op, values);
  const KeySet keys = settled(op, active | kRegistered);
  if (keys) return slow(op, keys, values, results);
  raise<NotImplementedError>(op.ns, "::", op.name, ": there is no implementation for '",
                             dispatch_key_name(device_of_call(op, values)),
                             "': register one with flambeau.library");
}

// ---- registering

Type type_named(std::string_view name) {
  constexpr std::pair<std::string_view, Type> kTypes[] = {
      {"Tensor", Type::tensor},      {"int", Type::integer},
      {"float", Type::floating},     {"bool", Type::boolean},
      {"Scalar", Type::scalar},      {"str", Type::string},
      {"ScalarType", Type::dtype},   {"Device", Type::device},
      {"Layout", Type::layout},      {"MemoryFormat", Type::memory_format},
      {"Generator", Type::generator}};
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  raise<ValueError>("define: unknown type '", name, "' in the schema");
}

// The number in a schema, as an op keeps it.
template <class T>
T counted(const char* schema, const char* what, int64_t given, int64_t most) {
  check(given <= most, "define: ", schema, ": at most ", most, " ", what, ", got ", given);
  return static_cast<T>(given);
}

// (name, type, optional, optional_items, list, list_size, keyword_only, out, mutated, alias,
// has_default, default)
Argument read_argument(RuntimeOp& runtime, const char* schema, PyObject* row) {
  const char *name, *type, *alias;
  int optional, optional_items, list, list_size, keyword_only, out, mutated, has_default;
  PyObject* value;
  if (!PyArg_ParseTuple(row, "sspppipppspO:argument", &name, &type, &optional, &optional_items,
                        &list, &list_size, &keyword_only, &out, &mutated, &alias, &has_default,
                        &value))
    throw PythonError();
  Argument a;
  a.name = runtime.keep(name);
  a.type = type_named(type);
  a.optional = optional;
  a.optional_items = optional_items;
  a.list = list;
  a.list_size = counted<int8_t>(schema, "elements of a list from one number", list_size, INT8_MAX);
  a.keyword_only = keyword_only;
  a.out = out;
  a.mutated = mutated;
  a.alias = *alias;
  a.has_default = has_default;
  if (has_default && value != Py_None)
    a.default_value = runtime.defaults.emplace_back(own_value(a, value)).view();
  return a;
}

// (type, list, mutated, alias, name, optional)
Return read_return(RuntimeOp& runtime, PyObject* row) {
  const char *type, *alias, *name;
  int list, mutated, optional;
  if (!PyArg_ParseTuple(row, "sppssp:return", &type, &list, &mutated, &alias, &name, &optional))
    throw PythonError();
  return {type_named(type), list != 0, mutated != 0, *alias, runtime.keep(name), optional != 0};
}

// _register_op(ns, name, overload, schema, arguments, returns, tags)
PyObject* register_op_function(PyObject*, PyObject* args) {
  const char *ns, *name, *overload, *schema;
  PyObject *arguments, *returns;
  unsigned int tags;
  if (!PyArg_ParseTuple(args, "ssssO!O!I:_register_op", &ns, &name, &overload, &schema,
                        &PyList_Type, &arguments, &PyList_Type, &returns, &tags))
    return nullptr;
  return guarded([&] {
    auto runtime = std::make_unique<RuntimeOp>();
    Op op = {};
    op.nargs = counted<uint8_t>(schema, "arguments", PyList_GET_SIZE(arguments), kMaxOpArgs);
    op.nreturns = counted<uint8_t>(schema, "results", PyList_GET_SIZE(returns), UINT8_MAX);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(arguments); ++i)
      runtime->args.push_back(read_argument(*runtime, schema, PyList_GET_ITEM(arguments, i)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(returns); ++i)
      runtime->returns.push_back(read_return(*runtime, PyList_GET_ITEM(returns, i)));
    op.ns = runtime->keep(ns);
    op.name = runtime->keep(name);
    op.overload = runtime->keep(overload);
    op.schema = runtime->keep(schema);
    op.args = runtime->args.data();
    op.returns = runtime->returns.data();
    op.mask = kAllKeys;
    op.tags = tags;
    op.call = call_runtime;
    op.runtime = runtime.get();
    const Op& made = register_op(op);
    runtime.release();  // ops live for ever, and so does what belongs to them
    return wrap_op(made);
  });
}

// A registration as Python holds it: a capsule that names what was registered.
constexpr const char* kCapsule = "flambeau.registration";

// _register(op, key, function): what runs at a dispatch key; gives what _unregister takes.
PyObject* register_function(PyObject*, PyObject* args) {
  PyObject *object, *function;
  const char* key;
  if (!PyArg_ParseTuple(args, "OsO:_register", &object, &key, &function)) return nullptr;
  return guarded([&] {
    const Op& op = unwrap_op(object);
    const std::optional<Place> place = Place::named(key);
    check(place.has_value(), "could not parse dispatch key: ", key);
    auto* made = new PythonFunction(function);
    add_registration(op, *place, Ref<const Registered>::adopt(made));
    return must(Py_BuildValue("ON", object, PyCapsule_New(made, kCapsule, nullptr)));
  });
}

// _unregister((op, capsule)): the registration before it counts again.
PyObject* unregister_function(PyObject*, PyObject* pair) {
  return guarded([&] {
    PyObject *object, *capsule;
    if (!PyArg_ParseTuple(pair, "OO:_unregister", &object, &capsule)) throw PythonError();
    void* made = PyCapsule_GetPointer(capsule, kCapsule);
    if (!made) throw PythonError();
    remove_registration(unwrap_op(object), static_cast<const Registered*>(made));
    return Py_NewRef(Py_None);
  });
}

// _registered(op, key): the function that counts there, or None.
PyObject* registered_function(PyObject*, PyObject* args) {
  PyObject* object;
  const char* key;
  if (!PyArg_ParseTuple(args, "Os:_registered", &object, &key)) return nullptr;
  return guarded([&] {
    const std::optional<Place> place = Place::named(key);
    check(place.has_value(), "could not parse dispatch key: ", key);
    const Ref<const Registered> found = registration_at(unwrap_op(object), *place);
    auto* function = found ? static_cast<PyObject*>(found->python()) : nullptr;
    return function ? function : Py_NewRef(Py_None);
  });
}

// _remove_op(op): of those that _register_op made; its name is free again.
PyObject* remove_op_function(PyObject*, PyObject* object) {
  return guarded([&] {
    const Op& op = unwrap_op(object);
    check(op.runtime != nullptr, "only ops that were defined at run time can be removed");
    remove_op(op);
    return Py_NewRef(Py_None);
  });
}

// _storage_key(tensor): the same for tensors that share memory; 0 for those without any.
PyObject* storage_key(PyObject*, PyObject* object) {
  return guarded([&] {
    check<TypeError>(is_tensor(object), "_storage_key: expected a Tensor");
    return must(PyLong_FromVoidPtr(unwrap(object).impl()->storage().get()));
  });
}

// _is_composite(op): whether it is the sum of other ops.
PyObject* is_composite_function(PyObject*, PyObject* object) {
  return guarded([&] { return PyBool_FromLong(is_implicit(unwrap_op(object))); });
}

PyMethodDef functions[] = {{"_register_op", register_op_function, METH_VARARGS, nullptr},
                           {"_register", register_function, METH_VARARGS, nullptr},
                           {"_storage_key", storage_key, METH_O, nullptr},
                           {"_remove_op", remove_op_function, METH_O, nullptr},
                           {"_is_composite", is_composite_function, METH_O, nullptr},
                           {"_unregister", unregister_function, METH_O, nullptr},
                           {"_registered", registered_function, METH_VARARGS, nullptr},
                           {}};

}  // namespace

bool init_library(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 && init_extension(module);
}

bool init_layers(PyObject* module) {
  return init_op_objects(module) && init_torch_function(module) && init_torch_dispatch(module) &&
         init_recorder(module) && init_profile(module) && init_transforms(module) &&
         init_library(module) && init_rules(module) && init_symbolic(module) &&
         init_thread_state(module);
}

}  // namespace flambeau::python
