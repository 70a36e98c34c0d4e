// Boxed calls as Python sees them: arguments without their defaults, results by the schema.
#include "core/python/parse.h"

namespace flambeau::python {
namespace {

template <class Span, class F>
bool same_items(Span a, Span b, F&& same) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

bool same_scalar(const Scalar& a, const Scalar& b) {
  return a.kind() == b.kind() && a.to_complex() == b.to_complex();
}

bool same_value(const Value& v, const Value& d) {
  if (v.tag != d.tag) return false;
  switch (v.tag) {
    case Value::Tag::none:
      return true;
    case Value::Tag::integer:
      return v.integer_ == d.integer_;
    case Value::Tag::floating:
      return v.floating_ == d.floating_;
    case Value::Tag::boolean:
      return v.boolean_ == d.boolean_;
    case Value::Tag::scalar:
      return same_scalar(*v.scalar_, *d.scalar_);
    case Value::Tag::string:
      return v.string() == d.string();
    case Value::Tag::dtype:
      return v.dtype_ == d.dtype_;
    case Value::Tag::device:
      return v.device_ == d.device_;
    case Value::Tag::layout:
      return v.layout_ == d.layout_;
    case Value::Tag::memory_format:
      return v.memory_format_ == d.memory_format_;
    case Value::Tag::integers:
      return same_items(v.integers(), d.integers(), std::equal_to<>());
    case Value::Tag::floatings:
      return same_items(v.floatings(), d.floatings(), std::equal_to<>());
    case Value::Tag::booleans:
      return same_items(v.booleans(), d.booleans(), std::equal_to<>());
    case Value::Tag::scalars:
      return same_items(v.scalars(), d.scalars(), same_scalar);
    case Value::Tag::strings:
      return same_items(v.strings(), d.strings(), std::equal_to<>());
    case Value::Tag::values:
      return same_items(v.values(), d.values(), same_value);
    default:
      return false;
  }
}

// Whether the call may leave out its i-th result: a mask that says which ones are wanted.
bool may_lack(const Op& op, const Value* args, size_t i) {
  for (size_t a = 0; a < op.nargs; ++a)
    if (op.args[a].type == Type::boolean && op.args[a].list &&
        args[a].tag == Value::Tag::booleans && args[a].booleans().size() == op.nreturns)
      return !args[a].booleans()[i];
  return false;
}

bool is_default(const Value& v, const Argument& a) {
  return a.has_default && same_value(v, a.default_value);
}

Tensor tensor_from(const Op& op, PyObject* o, bool may_lack = false) {
  if (o == Py_None && may_lack) return {};
  if (!is_tensor(o))
    raise_python(PyExc_TypeError, "%s::%s: expected a Tensor as result, got %.200s", op.ns, op.name,
                 Py_TYPE(o)->tp_name);
  return unwrap(o);
}

// What stands for several tensors. A tensor is a sequence too, of its rows, but it is one result.
FixedItems several_from(const Op& op, PyObject* value, const char* wanted) {
  if (!PyTuple_Check(value) && !PyList_Check(value))
    raise_python(PyExc_TypeError, "%s::%s: expected a tuple or list of %s as result, got %.200s",
                 op.ns, op.name, wanted, Py_TYPE(value)->tp_name);
  return FixedItems(value, "expected a tuple or list as result");
}

// What Python gave for one return of the schema.
Owned value_from(const Op& op, const Return& r, PyObject* value, bool may_lack = false) {
  if (value == Py_None && r.optional) return Owned();
  if (r.type == Type::tensor && !r.list) return tensor_from(op, value, may_lack);
  if (r.type != Type::tensor) {
    const Argument like = {.name = *r.name ? r.name : "result", .type = r.type, .list = r.list};
    return own_value(like, value);
  }
  const FixedItems items = several_from(op, value, "Tensors");
  TensorVec tensors;
  for (PyObject* item : items) tensors.push_back(tensor_from(op, item));
  return tensors;
}

// Numbers that stand for tensors are numbers again.
PyObject* argument_to_python(const Value& v) {
  if (v.tag == Value::Tag::tensor && v.tensor().impl()->wrapped_number)
    return wrap(v.tensor().value());
  return box_to_python(v);
}

}  // namespace

PythonArguments arguments_to_python(const Op& op, const Value* values) {
  size_t positional = 0;
  for (size_t i = 0; i < op.nargs; ++i)
    if (!op.args[i].keyword_only && !is_default(values[i], op.args[i])) positional = i + 1;
  PythonArguments out{Object(must(PyTuple_New(static_cast<Py_ssize_t>(positional)))),
                      Object(must(PyDict_New()))};
  for (size_t i = 0; i < op.nargs; ++i) {
    const bool keyword_only = op.args[i].keyword_only;
    if (keyword_only ? is_default(values[i], op.args[i]) : i >= positional) continue;
    Object value(must(argument_to_python(values[i])));
    if (keyword_only)
      must(PyDict_SetItemString(out.kwargs.get(), op.args[i].name, value.get()));
    else
      PyTuple_SET_ITEM(out.args.get(), static_cast<Py_ssize_t>(i), value.release());
  }
  return out;
}

void results_from_python(const Op& op, const Value* args, PyObject* value, Results& results) {
  if (op.nreturns == 0) return;
  if (op.nreturns == 1) return results.add(value_from(op, op.returns[0], value));
  const FixedItems items = several_from(op, value, "results");
  const size_t n = items.size();
  check<TypeError>(n == op.nreturns, op.ns, "::", op.name, ": expected ",
                   static_cast<int>(op.nreturns), " results, got ", n);
  for (size_t i = 0; i < n; ++i)
    results.add(value_from(op, op.returns[i], items[i], may_lack(op, args, i)));
}

}  // namespace flambeau::python
