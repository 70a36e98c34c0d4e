#include "core/python/parse.h"

#include "core/python/free_threading.h"
#include "core/python/numbers.h"

namespace flambeau::python {

// ---- Arguments

void Arguments::release() {
  for (size_t i = 0; i < n_tensors_; ++i) tensors_[i].~Tensor();
  n_tensors_ = 0;
  while (spilled_) {
    Spill* block = spilled_;
    spilled_ = block->next;
    auto* held = static_cast<Tensor*>(block->data());
    for (size_t i = 0; i < block->tensors; ++i) held[i].~Tensor();
    auto* symbols = static_cast<Ref<SymInt>*>(block->data());
    for (size_t i = 0; i < block->symbols; ++i) symbols[i].~Ref<SymInt>();
    std::free(block);
  }
}

void* Arguments::spill(size_t bytes, size_t tensors, size_t symbols) {
  static_assert(sizeof(Spill) <= 16);
  auto* block = static_cast<Spill*>(std::malloc(16 + bytes));
  if (!block) throw std::bad_alloc();
  *block = {spilled_, static_cast<uint32_t>(tensors), static_cast<uint32_t>(symbols)};
  spilled_ = block;
  return block->data();
}

const Scalar& Arguments::add_scalar(const Scalar& s) {
  if (n_scalars_ == kScalars) return *new (spill(sizeof(Scalar), 0)) Scalar(s);
  return *new (&scalars_[n_scalars_++]) Scalar(s);
}

Tensor* Arguments::tensors(size_t n) {
  Tensor* made;
  if (n_tensors_ + n <= kTensors) {
    made = tensors_ + n_tensors_;
    n_tensors_ += n;
  } else {
    made = static_cast<Tensor*>(spill(n * sizeof(Tensor), n));
  }
  for (size_t i = 0; i < n; ++i) new (made + i) Tensor();
  return made;
}

const Tensor& Arguments::add_tensor(Tensor t) { return *tensors(1) = std::move(t); }

Value Arguments::add_symbol(PyObject* symint) {
  symbolic = true;
  return boxing::box(**new (spill(sizeof(Ref<SymInt>), 0, 1)) Ref<SymInt>(symbol_of(symint)));
}

template <class T>
T* Arguments::room(size_t n) {
  const size_t words = (n * sizeof(T) + 7) / 8;
  if (n_ints_ + words > kInts || alignof(T) > alignof(int64_t))
    return static_cast<T*>(spill(n * sizeof(T), 0));
  int64_t* at = ints_ + n_ints_;
  n_ints_ += words;
  return reinterpret_cast<T*>(at);
}

// ---- Signature

namespace {

struct AliasNames {
  const char* name;
  const char* aliases[4];
};
constexpr AliasNames kNumpyNames[] = {
    {"dim", {"axis"}},
    {"keepdim", {"keepdims"}},
    {"input", {"x", "a", "x1"}},
    {"other", {"x2"}},
};

PyObject* const* numpy_names(const char* name) {
  static PyObject* interned_names[std::size(kNumpyNames)][4];
  static PyObject* const none[] = {nullptr};
  const TableLock lock;
  for (size_t i = 0; i < std::size(kNumpyNames); ++i) {
    if (std::string_view(kNumpyNames[i].name) != name) continue;
    PyObject** row = interned_names[i];
    for (int a = 0; !row[0] || (kNumpyNames[i].aliases[a] && !row[a]); ++a)
      row[a] = interned(kNumpyNames[i].aliases[a]);
    return row;
  }
  return none;
}

Parameter::Kind kind_of(const Argument& a) {
  using Kind = Parameter::Kind;
  if (a.optional_items && a.type != Type::tensor) return Kind::values;
  switch (a.type) {
    case Type::tensor:
      return a.list ? Kind::tensors : Kind::tensor;
    case Type::integer:
      return a.list ? Kind::integers : Kind::integer;
    case Type::floating:
      return a.list ? Kind::floatings : Kind::floating;
    case Type::boolean:
      return a.list ? Kind::booleans : Kind::boolean;
    case Type::scalar:
      return a.list ? Kind::scalars : Kind::scalar;
    case Type::string:
      return a.list ? Kind::strings : Kind::string;
    case Type::dtype:
      return a.list ? Kind::values : Kind::dtype;
    case Type::device:
      return a.list ? Kind::values : Kind::device;
    case Type::layout:
      return a.list ? Kind::values : Kind::layout;
    case Type::memory_format:
      return a.list ? Kind::values : Kind::memory_format;
    case Type::generator:
      return a.list ? Kind::values : Kind::generator;
    case Type::none:
      break;
  }
  throw Error("an argument without a type");
}

size_t self_index(const Op& op) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (std::string_view(op.args[i].name) == "self") return i;
  return 0;
}

}  // namespace

Signature::Signature(const Op& op, Style style)
    : op_(&op), style_(style), parameters_(op.nargs + 1u) {
  check(op.nargs <= kMaxOpArgs, op.name, ": an op has at most ", kMaxOpArgs, " arguments");
  const bool merge_outs = style != Style::schema && (op.tags & tag::out);
  // Of a method, `self` comes first wherever the schema has it: x.where(mask, y).
  const size_t self = style == Style::method ? self_index(op) : 0;
  for (size_t at = 0; at < op.nargs; ++at) {
    const size_t i = at > self ? at : at ? at - 1 : self;
    const Argument& a = op.args[i];
    Parameter p = {
        .argument = &a,
        .kind = kind_of(a),
        .required = !a.has_default,
        // A dispatch mode gets numbers as numbers, and hands them on. Implementations
        // of ops that a program defines are promised tensors.
        .number_ok = a.number_ok || (style == Style::schema && !a.mutated && !op.runtime),
        .value = static_cast<uint8_t>(i),
        .count = 1};
    if (merge_outs && a.out) {
      if (takes_out_) {  // one tuple stands for all
        ++parameters_[n_ - 1].count;
        continue;
      }
      takes_out_ = true;
      p.kind = Parameter::Kind::outs;
      p.name = interned("out");
    } else {
      const bool renamed =
          style == Style::function && !a.list && std::string_view(a.name) == "self";
      const char* name = renamed ? "input" : a.name;
      p.name = interned(name);
      p.aliases = numpy_names(style == Style::schema ? "" : name);
    }
    if (!p.aliases) p.aliases = numpy_names("");
    if (!a.keyword_only) positional_ = n_ + 1;
    parameters_[n_++] = p;
  }
  const size_t first = style == Style::method ? 1 : 0;
  varargs_ = style != Style::schema && positional_ == first + 1 &&
             parameters_[first].kind == Parameter::Kind::integers;
  // `to` takes a factory's options, but makes no leaf.
  if ((op.tags & tag::factory) && style != Style::schema && !(op.nargs && op.args[0].alias))
    parameters_[n_++] = {.name = interned("requires_grad"),
                         .aliases = numpy_names(""),
                         .kind = Parameter::Kind::requires_grad};
}

// ---- taking one argument

namespace {

bool takes_none(const Parameter& p) {
  const Argument& a = *p.argument;
  return a.optional || (a.has_default && a.default_value.is_none());
}

// Where a list of ints is empty when it is left out, None leaves it out too.
bool leaves_out(const Parameter& p) {
  const Argument& a = *p.argument;
  return p.kind == Parameter::Kind::integers && a.has_default &&
         a.default_value.tag == Value::Tag::integers && a.default_value.integers().empty();
}

bool take_tensor(Arguments& out, PyObject* o, Value& v) {
  const Tensor& t = unwrap(o);
  v = boxing::box(t);
  out.work += t.numel();
  return true;
}

// A Python number as a tensor. The last one of each kind is used again, with another value, when
// nothing has kept it: `a + 1` in a loop allocates one tensor.
Tensor number_tensor(const Scalar& number) {
  constexpr size_t kKinds = static_cast<size_t>(Scalar::Kind::complex) + 1;
  static thread_local Tensor last[kKinds];
  Tensor& t = last[static_cast<size_t>(number.kind())];
  if (t.defined()) {
    const TensorImpl& impl = *t.impl();
    if (impl.use_count() == 1 && impl.storage()->use_count() == 1 && !impl.autograd &&
        impl.version() == 0 && !impl.inference && impl.storage()->ready() &&
        !impl.py_object.load(std::memory_order_relaxed)) {
      number.store(t.bytes(), t.dtype());
      return t;
    }
  }
  return t = wrapped_number(number);
}

// What is no exact tensor, but may stand for one.
bool take_other_tensor(Arguments& out, const Parameter& p, PyObject* o, Value& v) {
  const bool plain_number = PyFloat_CheckExact(o) || PyLong_CheckExact(o);
  if (!plain_number && is_tensor(o)) {
    if (overrides_torch_function(o)) out.overloaded.add(o);
    return take_tensor(out, o, v);
  }
  if (p.number_ok && (plain_number || (is_number(o) && !is_symbol(o)))) {
    v = boxing::box(out.add_tensor(number_tensor(unwrap_scalar(o))));
    return true;
  }
  if (!overrides_torch_function(o)) return false;
  out.overloaded.add(o);
  v = Value();
  return true;
}

bool is_sequence(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }

// The items of a list or tuple that is an argument. Where reading an item may run code of Python's,
// which could change the list, a copy of it is read.
class ListItems {
 public:
  explicit ListItems(PyObject* o) : from_(o) {
    if (PyTuple_Check(o)) return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); ++i)
      if (PyObject* item = PyList_GET_ITEM(o, i); !is_inert(item)) {
        copy_ = Object(must(PyList_AsTuple(o)));
        from_ = copy_.get();
        return;
      }
  }
  size_t size() const { return static_cast<size_t>(PySequence_Fast_GET_SIZE(from_)); }
  PyObject* operator[](size_t i) const { return PySequence_Fast_ITEMS(from_)[i]; }
  PyObject* const* begin() const { return PySequence_Fast_ITEMS(from_); }

 private:
  static bool is_inert(PyObject* o) {
    return PyLong_CheckExact(o) || PyFloat_CheckExact(o) || PyBool_Check(o) || o == Py_None ||
           is_exact_tensor(o);
  }

  PyObject* from_;
  Object copy_;
};

bool take_tensors(Arguments& out, const Parameter& p, PyObject* o, Value& v) {
  if (!is_sequence(o)) return false;
  const ListItems items(o);
  const size_t n = items.size();
  Tensor* list = out.tensors(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = items[i];
    if (is_tensor(item)) {
      if (!is_exact_tensor(item) && overrides_torch_function(item)) out.overloaded.add(item);
      list[i] = unwrap(item);
      out.work += list[i].numel();
    } else if (item == Py_None && p.argument->optional_items) {
      continue;
    } else if (overrides_torch_function(item)) {
      out.overloaded.add(item);
    } else {
      return false;
    }
  }
  v = boxing::box(TensorSpan(list, n));
  return true;
}

bool is_scalar_tensor(PyObject* o) {
  return is_tensor(o) && unwrap(o).dim() == 0 && !unwrap(o).requires_grad();
}

// A symbol, and a 0-dim subclass that overrides, is an argument to hand on, not one to read.
bool take_subclass_number(Arguments& out, PyObject* o) {
  if (is_exact_tensor(o) || !(is_tensor(o) || is_symbol(o)) || !overrides_torch_function(o))
    return false;
  out.overloaded.add(o);
  return true;
}

// An item of a list of sizes; what does not fit is a TypeError here, as in PyTorch.
int64_t unwrap_item(const Parameter& p, PyObject* o, size_t i) {
  try {
    return unwrap_int(o);
  } catch (const ValueError&) {
    raise<TypeError>("argument '", p.argument->name, "' failed to unpack the object at pos ", i + 1,
                     " with error \"Overflow when unpacking long long\"");
  }
}

bool take_integer(Arguments& out, PyObject* o, Value& v) {
  if (!is_index(o)) return false;
  if (is_symint(o)) [[unlikely]] {
    v = out.add_symbol(o);
    return true;
  }
  v = boxing::box(take_subclass_number(out, o) ? int64_t{0} : unwrap_int(o));
  return true;
}

bool as_double(PyObject* o, double& out) {
  if (PyFloat_Check(o)) {
    out = PyFloat_AS_DOUBLE(o);
  } else if ((PyLong_Check(o) && !PyBool_Check(o)) || is_scalar_tensor(o) || is_numpy_scalar(o)) {
    const Scalar s = unwrap_scalar(o);
    if (s.is_complex()) return false;
    out = s.to_double();
  } else {
    return false;
  }
  return true;
}

bool take_floating(Arguments& out, PyObject* o, Value& v) {
  double d = 0;
  if (!take_subclass_number(out, o) && !as_double(o, d)) return false;
  v = boxing::box(d);
  return true;
}

bool as_bool(PyObject* o, bool& out) {
  if (PyBool_Check(o)) {
    out = o == Py_True;
  } else if (!PyLong_Check(o) && is_numpy_scalar(o)) {
    const Scalar s = unwrap_scalar(o);
    if (!s.is_boolean()) return false;
    out = s.to_bool();
  } else {
    return false;
  }
  return true;
}

bool take_boolean(PyObject* o, Value& v) {
  bool b;
  if (!as_bool(o, b)) return false;
  v = boxing::box(b);
  return true;
}

bool take_scalar(Arguments& out, PyObject* o, Value& v) {
  if (take_subclass_number(out, o)) {
    v = boxing::box(out.add_scalar(Scalar()));
    return true;
  }
  if (is_symint(o)) [[unlikely]] {
    v = out.add_symbol(o);
    return true;
  }
  if (!is_number(o) && !is_scalar_tensor(o)) return false;
  v = boxing::box(out.add_scalar(unwrap_scalar(o)));
  return true;
}

bool take_floatings(Arguments& out, const Parameter& p, PyObject* o, Value& v) {
  if (!is_sequence(o)) {
    const size_t n = p.argument->list_size;
    double* data = out.room<double>(n);
    if (!n || !as_double(o, data[0])) return false;
    std::fill(data + 1, data + n, data[0]);
    v = boxing::box(std::span<const double>(data, n));
    return true;
  }
  const ListItems items(o);
  double* data = out.room<double>(items.size());
  for (size_t i = 0; i < items.size(); ++i)
    if (!as_double(items[i], data[i])) return false;
  v = boxing::box(std::span<const double>(data, items.size()));
  return true;
}

bool take_booleans(Arguments& out, const Parameter& p, PyObject* o, Value& v) {
  if (!is_sequence(o)) {
    const size_t n = p.argument->list_size;
    bool* data = out.room<bool>(n);
    if (!n || !as_bool(o, data[0])) return false;
    std::fill(data + 1, data + n, data[0]);
    v = boxing::box(std::span<const bool>(data, n));
    return true;
  }
  const ListItems items(o);
  bool* data = out.room<bool>(items.size());
  for (size_t i = 0; i < items.size(); ++i)
    if (!as_bool(items[i], data[i])) return false;
  v = boxing::box(std::span<const bool>(data, items.size()));
  return true;
}

bool take_scalars(Arguments& out, PyObject* o, Value& v) {
  if (!is_sequence(o)) return false;
  const ListItems items(o);
  const size_t n = items.size();
  Scalar* data = out.room<Scalar>(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = items[i];
    if (!is_number(item) && !is_scalar_tensor(item)) return false;
    new (data + i) Scalar(unwrap_scalar(item));
  }
  v = boxing::box(std::span<const Scalar>(data, n));
  return true;
}

bool take_string(PyObject* o, Value& v) {
  if (!PyUnicode_Check(o)) return false;
  Py_ssize_t size;
  const char* utf8 = PyUnicode_AsUTF8AndSize(o, &size);
  if (!utf8) {  // half a surrogate pair: no name of anything
    PyErr_Clear();
    return false;
  }
  v = boxing::box(std::string_view(utf8, static_cast<size_t>(size)));
  return true;
}

bool take_strings(Arguments& out, PyObject* o, Value& v) {
  if (!is_sequence(o)) return false;
  const size_t n = PySequence_Fast_GET_SIZE(o);
  auto* data = out.room<std::string_view>(n);
  for (size_t i = 0; i < n; ++i) {
    Value item;
    if (!take_string(PySequence_Fast_ITEMS(o)[i], item)) return false;
    new (data + i) std::string_view(item.string());
  }
  v = boxing::box(std::span<const std::string_view>(data, n));
  return true;
}

bool take_device(PyObject* o, Value& v) {
  if (!is_device(o) && !PyUnicode_Check(o) && !(PyLong_Check(o) && !PyBool_Check(o))) return false;
  v = boxing::box(unwrap_device(o));
  return true;
}

bool take_dtype(PyObject* o, Value& v) {
  if (!is_dtype_like(o)) return false;
  v = boxing::box(unwrap_dtype(o));
  return true;
}

// out=: one tensor, or a sequence of as many as the op has outputs.
bool take_outs(Arguments& out, const Parameter& p, PyObject* o) {
  Value* values = out.values + p.value;
  if (p.count == 1) {
    if (is_exact_tensor(o)) return take_tensor(out, o, *values);
    return take_other_tensor(out, p, o, *values);
  }
  if (!is_sequence(o) || PySequence_Fast_GET_SIZE(o) != p.count) return false;
  for (size_t i = 0; i < p.count; ++i) {
    PyObject* item = PySequence_Fast_ITEMS(o)[i];
    if (!is_tensor(item)) return false;
    if (!is_exact_tensor(item) && overrides_torch_function(item)) out.overloaded.add(item);
    out.work += unwrap(item).numel();
    // Held, because a list may drop it while the op runs.
    values[i] = boxing::box(out.add_tensor(unwrap(item)));
  }
  return true;
}

}  // namespace

// Item by item, as the element's own kind is taken.
bool Signature::take_values(Arguments& out, const Parameter& p, PyObject* o) {
  if (!is_sequence(o)) return false;
  const size_t n = PySequence_Fast_GET_SIZE(o);
  Argument element = *p.argument;
  element.list = false;
  element.optional = element.optional_items;
  element.optional_items = element.has_default = false;
  const Parameter one = {.argument = &element, .kind = kind_of(element), .value = p.value};
  auto* data = out.room<Value>(n);
  for (size_t i = 0; i < n; ++i) {
    if (!take(out, one, PySequence_Fast_ITEMS(o)[i])) return false;
    new (data + i) Value(out.values[p.value]);
  }
  out.values[p.value] = boxing::box(std::span<const Value>(data, n));
  return true;
}

// Sizes of which some are symbols.
bool Signature::take_sizes(Arguments& out, const Parameter& p, PyObject* const* items, size_t n) {
  auto* data = out.room<Value>(n);
  for (size_t i = 0; i < n; ++i) {
    Value one;
    if (!take_integer(out, items[i], one)) return false;
    new (data + i) Value(one);
  }
  out.values[p.value] = boxing::box(std::span<const Value>(data, n));
  return true;
}

bool Signature::take_integers(Arguments& out, const Parameter& p, PyObject* o) {
  Value& v = out.values[p.value];
  if (!is_sequence(o)) {
    if (!p.argument->list_size || !is_index(o)) return false;
    const size_t n = p.argument->list_size;
    if (is_symint(o)) [[unlikely]]
      return take_sizes(out, p, std::vector<PyObject*>(n, o).data(), n);
    int64_t* data = out.room<int64_t>(n);
    const int64_t all = take_subclass_number(out, o) ? 0 : unwrap_int(o);
    for (size_t i = 0; i < n; ++i) data[i] = all;
    v = boxing::box(IntSpan(data, n));
    return true;
  }
  const ListItems items(o);
  const size_t n = items.size();
  int64_t* data = out.room<int64_t>(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* item = items[i];
    if (!is_index(item)) return false;
    if (is_symint(item)) [[unlikely]]
      return take_sizes(out, p, items.begin(), n);
    data[i] = take_subclass_number(out, item) ? 0 : unwrap_item(p, item, i);
  }
  v = boxing::box(IntSpan(data, n));
  return true;
}

bool Signature::take(Arguments& out, const Parameter& p, PyObject* o) {
  using Kind = Parameter::Kind;
  Value& v = out.values[p.value];
  if (p.kind == Kind::tensor && is_exact_tensor(o)) [[likely]]
    return take_tensor(out, o, v);
  if (p.kind == Kind::requires_grad) return as_bool(o, out.requires_grad);
  if (o == Py_None) {
    if (takes_none(p)) {
      v = Value();
      return true;
    }
    if (leaves_out(p)) {
      v = p.argument->default_value;
      return true;
    }
  }
  switch (p.kind) {
    case Kind::tensor:
      return take_other_tensor(out, p, o, v);
    case Kind::tensors:
      return take_tensors(out, p, o, v);
    case Kind::integer:
      return take_integer(out, o, v);
    case Kind::integers:
      return take_integers(out, p, o);
    case Kind::floating:
      return take_floating(out, o, v);
    case Kind::floatings:
      return take_floatings(out, p, o, v);
    case Kind::boolean:
      return take_boolean(o, v);
    case Kind::booleans:
      return take_booleans(out, p, o, v);
    case Kind::scalar:
      return take_scalar(out, o, v);
    case Kind::scalars:
      return take_scalars(out, o, v);
    case Kind::string:
      return take_string(o, v);
    case Kind::strings:
      return take_strings(out, o, v);
    case Kind::values:
      return take_values(out, p, o);
    case Kind::dtype:
      return take_dtype(o, v);
    case Kind::device:
      return take_device(o, v);
    case Kind::layout:
      return is_layout(o) && (v = boxing::box(unwrap_layout(o)), true);
    case Kind::memory_format:
      return is_memory_format(o) && (v = boxing::box(unwrap_memory_format(o)), true);
    case Kind::generator:
      return is_generator(o) && (v = boxing::box(unwrap_generator(o)), true);
    case Kind::outs:
      return take_outs(out, p, o);
    case Kind::requires_grad:
      break;
  }
  return false;
}

bool Signature::take_default(Arguments& out, const Parameter& p) const {
  if (p.required) return false;
  if (p.argument) new (&out.values[p.value]) Value(p.argument->default_value);
  return true;
}

Owned own_value(const Argument& like, PyObject* o) {
  const Parameter p = {.argument = &like, .kind = kind_of(like)};
  Arguments taken;
  new (&taken.values[0]) Value();
  if (!Signature::take(taken, p, o)) {
    raise_python(PyExc_TypeError, "'%s' must be %s, not %.200s", like.name, parameter_type(p),
                 Py_TYPE(o)->tp_name);
  }
  return Owned(taken.values[0]);
}

// ---- taking all

// As PyTorch: where a list of ints is the only positional argument (after self), the ints may be
// given one by one: view(2, 3).
bool Signature::takes_varargs(PyObject* const* args, Py_ssize_t n) const {
  const Py_ssize_t first = style_ == Style::method ? 1 : 0;
  return varargs_ && n > first && is_index(args[first]);
}

bool Signature::takes_varargs_list(Arguments& out, PyObject* const* args, Py_ssize_t n) const {
  const size_t first = style_ == Style::method ? 1 : 0;
  const size_t count = static_cast<size_t>(n) - first;
  int64_t* data = out.room<int64_t>(count);
  for (size_t i = 0; i < count; ++i) {
    PyObject* item = args[first + i];
    if (!is_index(item)) return false;
    if (is_symint(item)) [[unlikely]]
      return take_sizes(out, parameters_[first], args + first, count);
    data[i] = take_subclass_number(out, item) ? 0 : unwrap_item(parameters_[first], item, i);
  }
  out.values[parameters_[first].value] = boxing::box(IntSpan(data, count));
  return true;
}

// The names of a call are interned with few exceptions, so pointers are compared first.
Py_ssize_t find_keyword_of(PyObject* kwnames, PyObject* name) {
  const Py_ssize_t n = PyTuple_GET_SIZE(kwnames);
  for (Py_ssize_t i = 0; i < n; ++i)
    if (PyTuple_GET_ITEM(kwnames, i) == name) return i;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* k = PyTuple_GET_ITEM(kwnames, i);
    if (!PyUnicode_CHECK_INTERNED(k) && PyUnicode_Compare(k, name) == 0) return i;
  }
  return -1;
}

Py_ssize_t find_keyword_of(PyObject* kwnames, const Parameter& p) {
  Py_ssize_t at = find_keyword_of(kwnames, p.name);
  for (PyObject* const* alias = p.aliases; at < 0 && *alias; ++alias)
    at = find_keyword_of(kwnames, *alias);
  return at;
}

bool Signature::parse_keywords(Arguments& out, size_t from, PyObject* const* args,
                               PyObject* kwnames) const {
  Py_ssize_t used = 0;
  for (size_t i = from; i < n_; ++i) {
    const Parameter& p = parameters_[i];
    const Py_ssize_t at = find_keyword_of(kwnames, p);
    if (at < 0) {
      if (!take_default(out, p)) return false;
      continue;
    }
    ++used;
    if (!take(out, p, args[at])) return false;
  }
  return used == PyTuple_GET_SIZE(kwnames);
}

bool Signature::parse(Arguments& out, PyObject* const* args, Py_ssize_t n,
                      PyObject* kwnames) const {
  size_t i = 0;
  const auto given = static_cast<size_t>(n);
  if (takes_varargs(args, n)) {
    for (; i + 1 < positional_; ++i)
      if (!take(out, parameters_[i], args[i])) return false;
    if (!takes_varargs_list(out, args, n)) return false;
    ++i;
  } else {
    if (given > positional_) return false;
    for (; i < given; ++i) {
      const Parameter& p = parameters_[i];
      if (p.kind == Parameter::Kind::tensor && is_exact_tensor(args[i])) [[likely]]
        take_tensor(out, args[i], out.values[p.value]);
      else if (!take(out, p, args[i]))
        return false;
    }
  }
  if (kwnames) return parse_keywords(out, i, args + n, kwnames);
  for (; i < n_; ++i)
    if (!take_default(out, parameters_[i])) return false;
  return true;
}

}  // namespace flambeau::python
