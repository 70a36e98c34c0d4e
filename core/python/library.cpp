// Ops that are registered at run time, with implementations in Python. See flambeau/library.py.
#include <cstring>
#include <deque>

#include "core/python/parse.h"

namespace flambeau::python {
namespace {

// What belongs to an op of Python's: its texts, and a function per kind of implementation.
struct RuntimeOp {
  std::deque<std::string> texts;
  std::vector<Argument> args;
  std::vector<Return> returns;
  std::deque<Scalar> scalars;
  std::deque<std::vector<int64_t>> lists;
  PyObject* implementations = nullptr;  // dict: "CPU", "Meta", "CompositeExplicit", "Autograd"

  const char* keep(std::string text) { return texts.emplace_back(std::move(text)).c_str(); }
};

RuntimeOp& runtime_of(const Op& op) { return *static_cast<RuntimeOp*>(op.runtime); }

// ---- calling

KeySet keys_of_arguments(const Op& op, const Value* values) {
  KeySet keys = 0;
  for (size_t i = 0; i < op.nargs; ++i) {
    if (values[i].tag == Value::Tag::tensor) keys |= keys_of(values[i].tensor());
    if (values[i].tag == Value::Tag::tensors) keys |= keys_of(values[i].tensors());
  }
  return keys;
}

bool on_meta(const Op& op, const Value* values) {
  for (size_t i = 0; i < op.nargs; ++i) {
    if (values[i].tag == Value::Tag::tensor && values[i].tensor().is_meta()) return true;
    if (values[i].tag == Value::Tag::device && values[i].device_.is_meta()) return true;
    if (values[i].tag == Value::Tag::tensors)
      for (const Tensor& t : values[i].tensors())
        if (t.defined() && t.is_meta()) return true;
  }
  return false;
}

PyObject* implementation(const Op& op, const char* kind) {
  return PyDict_GetItemString(runtime_of(op).implementations, kind);
}

void call_python(const Op& op, PyObject* function, const Value* values, Results& results) {
  const PythonArguments arguments = arguments_to_python(op, values);
  const Object result(must(PyObject_Call(function, arguments.args.get(), arguments.kwargs.get())));
  results_from_python(op, result.get(), results);
}

void bump_mutated(const Op& op, const Value* values) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (op.args[i].mutated && values[i].tag == Value::Tag::tensor) bump_version(values[i].tensor());
}

void call_kernel(const Op& op, const Value* values, Results& results) {
  const EnterPython python;
  const char* device = on_meta(op, values) ? "Meta" : "CPU";
  PyObject* function = implementation(op, device);
  if (!function) function = implementation(op, "CompositeExplicit");
  if (!function)
    raise<NotImplementedError>(op.ns, "::", op.name, ": there is no implementation for '", device,
                               "': register one with flambeau.library");
  call_python(op, function, values, results);
  bump_mutated(op, values);
}

// The entry of all ops of Python's: as the generated ones, one branch on the active keys.
void call_runtime(const Op& op, const Value* values, Results& results) {
  const KeySet keys =
      (thread_state.included | keys_of_arguments(op, values)) & ~thread_state.excluded & op.mask;
  if (keys) return slow(op, keys, values, results);
  call_kernel(op, values, results);
}

void call_autograd(const Op& op, const Value* values, Results& results) {
  const EnterPython python;
  call_python(op, static_cast<PyObject*>(override_context(op, Key::autograd)), values, results);
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

// A default as a boxed value whose memory belongs to the op.
Value default_value(RuntimeOp& runtime, const Argument& a, PyObject* o) {
  if (o == Py_None) return Value();
  if (a.list) {
    auto& list = runtime.lists.emplace_back();
    check<NotImplementedError>(a.type == Type::integer,
                               "define: only lists of ints can have a default");
    const Dims dims = unwrap_dims(o);
    list.assign(dims.begin(), dims.end());
    return boxing::box(IntSpan(list));
  }
  switch (a.type) {
    case Type::integer:
      return boxing::box(unwrap_int(o));
    case Type::floating:
      return boxing::box(unwrap_scalar(o).to_double());
    case Type::boolean:
      return boxing::box(o == Py_True);
    case Type::scalar:
      return boxing::box(runtime.scalars.emplace_back(unwrap_scalar(o)));
    case Type::string:
      return boxing::box(std::string_view(runtime.keep(show_python(o))));
    case Type::dtype:
      return boxing::box(unwrap_dtype(o));
    case Type::memory_format:
      return boxing::box(unwrap_memory_format(o));
    default:
      raise<NotImplementedError>("define: argument '", a.name, "' cannot have this default");
  }
}

// (name, type, optional, list, list_size, keyword_only, out, mutated, alias, has_default, default)
Argument read_argument(RuntimeOp& runtime, PyObject* row) {
  const char *name, *type, *alias;
  int optional, list, list_size, keyword_only, out, mutated, has_default;
  PyObject* value;
  if (!PyArg_ParseTuple(row, "ssppipppspO:argument", &name, &type, &optional, &list, &list_size,
                        &keyword_only, &out, &mutated, &alias, &has_default, &value))
    throw PythonError();
  Argument a;
  a.name = runtime.keep(name);
  a.type = type_named(type);
  a.optional = optional;
  a.list = list;
  a.list_size = static_cast<int8_t>(list_size);
  a.keyword_only = keyword_only;
  a.out = out;
  a.mutated = mutated;
  a.alias = *alias;
  a.has_default = has_default;
  if (has_default) a.default_value = default_value(runtime, a, value);
  return a;
}

// (type, list, mutated, alias, name)
Return read_return(RuntimeOp& runtime, PyObject* row) {
  const char *type, *alias, *name;
  int list, mutated;
  if (!PyArg_ParseTuple(row, "sppss:return", &type, &list, &mutated, &alias, &name))
    throw PythonError();
  return {type_named(type), list != 0, mutated != 0, *alias, runtime.keep(name)};
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
    // Ops live for ever, and so does what belongs to them.
    auto* runtime = new RuntimeOp();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(arguments); ++i)
      runtime->args.push_back(read_argument(*runtime, PyList_GET_ITEM(arguments, i)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(returns); ++i)
      runtime->returns.push_back(read_return(*runtime, PyList_GET_ITEM(returns, i)));
    runtime->implementations = must(PyDict_New());
    Op op = {};
    op.ns = runtime->keep(ns);
    op.name = runtime->keep(name);
    op.overload = runtime->keep(overload);
    op.schema = runtime->keep(schema);
    op.args = runtime->args.data();
    op.nargs = static_cast<uint8_t>(runtime->args.size());
    op.returns = runtime->returns.data();
    op.nreturns = static_cast<uint8_t>(runtime->returns.size());
    op.mask = bit(Key::count) - 1;
    op.tags = tags;
    op.call = call_runtime;
    op.runtime = runtime;
    return wrap_op(register_op(op));
  });
}

// _implement_op(op, kind, function): what runs for 'CPU', 'Meta', 'CompositeExplicit', 'Autograd'.
PyObject* implement_op(PyObject*, PyObject* args) {
  PyObject *object, *function;
  const char* kind;
  if (!PyArg_ParseTuple(args, "OsO:_implement_op", &object, &kind, &function)) return nullptr;
  return guarded([&] {
    const Op& op = unwrap_op(object);
    if (std::strcmp(kind, "Autograd") == 0) {
      set_override(op, Key::autograd, call_autograd, Py_NewRef(function));
    } else {
      if (!op.runtime)
        raise<NotImplementedError>("impl: the kernels of built-in ops cannot be replaced (",
                                   op.schema, "); an 'Autograd' rule can");
      must(PyDict_SetItemString(runtime_of(op).implementations, kind, function));
    }
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {{"_register_op", register_op_function, METH_VARARGS, nullptr},
                           {"_implement_op", implement_op, METH_VARARGS, nullptr},
                           {}};

}  // namespace

bool init_library(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

bool init_layers(PyObject* module) {
  return init_op_objects(module) && init_torch_function(module) && init_torch_dispatch(module) &&
         init_recorder(module) && init_transforms(module) && init_library(module) &&
         init_rules(module);
}

}  // namespace flambeau::python
