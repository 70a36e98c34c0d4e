// Sizes that are symbols: arguments that no typed entry takes, and tensors whose class answers for
// their geometry. See docs/call.md.
#include <cstring>

#include "core/autograd/node.h"
#include "core/python/binding.h"

namespace flambeau::python {

PyTypeObject* symint_type;

namespace {

struct PythonSymInt final : SymInt {
  explicit PythonSymInt(PyObject* o) : object(Py_NewRef(o)) {}
  ~PythonSymInt() override {
    const AcquireGil gil;
    Py_DECREF(object);
  }
  void* python() const override { return object; }
  PyObject* object;
};

// ---- questions about the geometry of a tensor

// PyTorch's ops of these questions; no layer but __torch_dispatch__ sees them.
template <class F>
void give(const Op& op, const Value* args, Results& results, F&& value) {
  if (const KeySet keys = active_keys(op, args)) return slow(op, keys, args, results);
  results.add(value(args[0].tensor()));
}

void sym_size(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [](const Tensor& t) { return Owned(boxing::box(t.sizes())); });
}
void sym_stride(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [](const Tensor& t) { return Owned(boxing::box(t.strides())); });
}
void sym_numel(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [](const Tensor& t) { return Owned(t.numel()); });
}
void sym_storage_offset(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [](const Tensor& t) { return Owned(t.offset()); });
}
void dim(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [](const Tensor& t) { return Owned(t.dim()); });
}
void is_contiguous(const Op& op, const Value* args, Results& results) {
  give(op, args, results, [&](const Tensor& t) {
    return Owned(op.nargs == 1 ? t.is_contiguous() : t.is_contiguous(args[1].memory_format_));
  });
}

constexpr Argument kArguments[] = {{.name = "self", .type = Type::tensor},
                                   {.name = "memory_format", .type = Type::memory_format}};
constexpr Return kInteger = {Type::integer, false, false, 0, "", false};
constexpr Return kIntegers = {Type::integer, true, false, 0, "", false};
constexpr Return kTruth = {Type::boolean, false, false, 0, "", false};

Op question(const char* name, const char* schema, const Return& returns, Boxed call,
            const char* overload = "") {
  const bool format = *overload != 0;
  return {"aten",   name, overload,        schema, kArguments, static_cast<uint8_t>(format ? 2 : 1),
          &returns, 1,    kPythonDispatch, 0,      call};
}

struct Question {
  const char* python;  // the method or property
  const Op* op;
};
std::vector<Question> questions;

void add_questions() {
  const auto add = [](Op op, std::initializer_list<const char*> names) {
    const Op& added = register_op(op);
    for (const char* name : names) questions.push_back({name, &added});
  };
  add(question("sym_size", "aten::sym_size(Tensor self) -> SymInt[]", kIntegers, sym_size),
      {"shape", "size"});
  add(question("sym_stride", "aten::sym_stride(Tensor self) -> SymInt[]", kIntegers, sym_stride),
      {"stride"});
  add(question("sym_numel", "aten::sym_numel(Tensor self) -> SymInt", kInteger, sym_numel),
      {"numel", "nelement"});
  add(question("sym_storage_offset", "aten::sym_storage_offset(Tensor self) -> SymInt", kInteger,
               sym_storage_offset),
      {"storage_offset"});
  add(question("dim", "aten::dim(Tensor self) -> int", kInteger, dim),
      {"dim", "ndim", "ndimension"});
  add(question("is_contiguous", "aten::is_contiguous(Tensor self) -> bool", kTruth, is_contiguous),
      {"is_contiguous"});
  add(question("is_contiguous",
               "aten::is_contiguous.memory_format(Tensor self, MemoryFormat memory_format) -> bool",
               kTruth, is_contiguous, "memory_format"),
      {});
}

// The answer as the method gives it: a Size, a tuple, or one item of it.
PyObject* as_asked(const char* name, PyObject* answer, PyObject* at) {
  const bool size = std::strcmp(name, "size") == 0 || std::strcmp(name, "shape") == 0;
  if (!size && std::strcmp(name, "stride") != 0) return Py_NewRef(answer);
  const Object tuple(must(PySequence_Tuple(answer)));
  if (at && at != Py_None) return must(PyObject_GetItem(tuple.get(), at));
  if (!size) return Py_NewRef(tuple.get());
  return must(PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), tuple.get()));
}

// ---- compositions, as they stand in Python

// NotImplemented where the op is none that is written in Python.
Object run_body(const Op& op, const Value* values) {
  static PyObject* cached = nullptr;
  PyObject* const run = imported(cached, "flambeau._symint", "run_body");
  const PythonArguments arguments = arguments_to_python(op, values);
  const Object name(must(*op.overload ? PyUnicode_FromFormat("%s.%s", op.name, op.overload)
                                      : PyUnicode_FromString(op.name)));
  return Object(must(PyObject_CallFunctionObjArgs(run, name.get(), arguments.args.get(),
                                                  arguments.kwargs.get(), nullptr)));
}

constexpr uint32_t kParts = tag::composite_implicit | tag::composite_explicit;

// Tensors whose class answers for sizes: what reads sizes is run where it can ask.
void handle(const Op& op, const Value* values, Results& results) {
  {
    const EnterPython python;
    const Object made = run_body(op, values);
    if (made.get() != Py_NotImplemented)
      return results_from_python(op, values, made.get(), results);
  }
  const Exclude off(bit(Key::symbolic));
  redispatch(op, values, results);
}

PyObject* set_symint_type(PyObject*, PyObject* type) {
  return guarded([&] {
    check<TypeError>(PyType_Check(type), "_set_symint_type: expected a type");
    symint_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(type));
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {{"_set_symint_type", set_symint_type, METH_O, nullptr}, {}};

}  // namespace

Ref<SymInt> symbol_of(PyObject* symint) { return Ref<SymInt>::adopt(new PythonSymInt(symint)); }

PyObject* geometry_from_class(PyObject* self, const char* name, PyObject* const* args, Py_ssize_t n,
                              PyObject* kwnames) {
  const Tensor& t = unwrap(self);
  if (!(t.keys() & bit(Key::symbolic)) || (thread_state.excluded & kPythonDispatch)) return nullptr;
  const Py_ssize_t given = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  PyObject* const argument = given ? args[0] : nullptr;
  for (const Question& q : questions) {
    if (std::strcmp(q.python, name) != 0) continue;
    if (given > 1) return nullptr;  // the method says what is wrong
    const Op* op = q.op;
    Value values[] = {boxing::box(t), Value()};
    if (argument && std::strcmp(name, "is_contiguous") == 0) {
      op = find_op("is_contiguous.memory_format");
      values[1] = boxing::box(unwrap_memory_format(argument));
    }
    const Object answer = ask_class(Py_TYPE(self), *op, values);
    if (answer.get() == Py_NotImplemented || answer.get() == Py_None) return nullptr;
    return as_asked(name, answer.get(), argument);
  }
  return nullptr;
}

void call_symbolic(const Op& op, const Value* values, Results& results) {
  const KeySet keys = active_keys(op, values);
  if (!(op.tags & tag::composite_implicit) && (keys & kPythonDispatch)) {
    for (size_t i = 0; (keys & kAutograd) && GradMode::enabled() && i < op.nargs; ++i)
      check<NotImplementedError>(
          values[i].tag != Value::Tag::tensor || !values[i].tensor().requires_grad(), op.name,
          ": sizes that are symbols are not recorded for gradients: call it under "
          "torch.no_grad(), or take the gradient of what is captured");
    return slow(op, kPythonDispatch, values, results);
  }
  if (op.tags & kParts) {
    const Object made = run_body(op, values);
    if (made.get() != Py_NotImplemented)
      return results_from_python(op, values, made.get(), results);
  }
  raise<NotImplementedError>(op.name,
                             ": a size that is a symbol needs a tensor or a mode with "
                             "__torch_dispatch__ to answer for the "
                             "op; give it as an int");
}

bool init_symbolic(PyObject* module) {
  set_handler(Key::symbolic, handle);
  add_questions();
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
