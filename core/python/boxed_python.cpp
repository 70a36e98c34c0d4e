// Boxed calls as Python sees them: arguments without their defaults, results by the schema.
#include "core/python/parse.h"

namespace flambeau::python {
namespace {

template <class Span>
bool same_items(Span a, Span b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool same_scalar(const Scalar& a, const Scalar& b) {
  return a.kind() == b.kind() && a.to_complex() == b.to_complex();
}

bool is_default(const Value& v, const Argument& a) {
  if (!a.has_default) return false;
  const Value& d = a.default_value;
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
      return same_items(v.integers(), d.integers());
    case Value::Tag::floatings:
      return same_items(v.floatings(), d.floatings());
    case Value::Tag::booleans:
      return same_items(v.booleans(), d.booleans());
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

Tensor tensor_from(const Op& op, PyObject* o, bool may_lack = false) {
  if (o == Py_None && may_lack) return {};
  if (!is_tensor(o))
    raise_python(PyExc_TypeError, "%s::%s: expected a Tensor as result, got %.200s", op.ns, op.name,
                 Py_TYPE(o)->tp_name);
  return unwrap(o);
}

void take_one(const Op& op, PyObject* value, Results& results) {
  const Return& r = op.returns[0];
  if (r.list) {
    const FixedItems items(value, "expected a list of Tensors as result");
    results.kind = Results::Kind::list;
    for (PyObject* item : items) results.list.push_back(tensor_from(op, item));
    return;
  }
  if (r.type == Type::tensor) {
    results.kind = Results::Kind::tensors;
    results.size = 1;
    results.tensors[0] = tensor_from(op, value);
    return;
  }
  results.scalar = unwrap_scalar(value);
  results.kind = r.type == Type::integer    ? Results::Kind::integer
                 : r.type == Type::floating ? Results::Kind::floating
                 : r.type == Type::boolean  ? Results::Kind::boolean
                                            : Results::Kind::scalar;
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
  if (op.nreturns == 1) return take_one(op, value, results);
  const FixedItems items(value, "expected a tuple of results");
  const size_t n = items.size();
  check<TypeError>(n == op.nreturns && n <= Results::kMax, op.ns, "::", op.name, ": expected ",
                   static_cast<int>(op.nreturns), " results, got ", n);
  results.kind = Results::Kind::tensors;
  results.size = static_cast<int>(n);
  for (size_t i = 0; i < n; ++i)
    results.tensors[i] = tensor_from(op, items[i], may_lack(op, args, i));
}

}  // namespace flambeau::python
