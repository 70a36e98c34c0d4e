// What is said when arguments fit no overload. Off the fast path: the arguments are looked at anew.
#include "core/python/parse.h"

namespace flambeau::python {

using Kind = Parameter::Kind;

const char* parameter_type(const Parameter& p) {
  switch (p.kind) {
    case Kind::tensor:
      return "Tensor";
    case Kind::tensors:
      return "tuple of Tensors";
    case Kind::integer:
      return "int";
    case Kind::integers:
      return "tuple of ints";
    case Kind::floating:
      return "float";
    case Kind::floatings:
      return "tuple of floats";
    case Kind::boolean:
      return "bool";
    case Kind::booleans:
      return "tuple of bools";
    case Kind::scalar:
      return "Number";
    case Kind::scalars:
      return "tuple of Scalars";
    case Kind::string:
      return "str";
    case Kind::strings:
      return "tuple of strs";
    case Kind::values:
      return "tuple";
    case Kind::dtype:
      return "torch.dtype";
    case Kind::device:
      return "torch.device";
    case Kind::layout:
      return "torch.layout";
    case Kind::memory_format:
      return "torch.memory_format";
    case Kind::generator:
      return "torch.Generator";
    case Kind::outs:
      return p.count == 1 ? "Tensor" : "tuple of Tensors";
    case Kind::requires_grad:
      return "bool";
  }
  return "";
}

namespace {

std::string show_default(const Parameter& p) {
  if (p.kind == Kind::outs) return "None";
  if (p.kind == Kind::requires_grad) return "False";
  const Object value(box_to_python(p.argument->default_value));
  if (!value) {
    PyErr_Clear();
    return "...";
  }
  return show_python(value.get());
}

const char* type_name(PyObject* o) {
  return is_tensor(o) && is_exact_tensor(o) ? "Tensor" : Py_TYPE(o)->tp_name;
}
std::string short_type(PyObject* o) {
  const std::string name = type_name(o);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}
std::string type_of(PyObject* o) {
  return PyType_HasFeature(Py_TYPE(o), Py_TPFLAGS_HEAPTYPE) ? short_type(o) : type_name(o);
}

std::string utf8(PyObject* text) {
  const char* s = PyUnicode_AsUTF8(text);
  if (s) return s;
  PyErr_Clear();
  return "?";
}

const Parameter* parameter_named(const Signature& s, PyObject* keyword) {
  for (const Parameter& p : s.parameters()) {
    if (PyUnicode_Compare(p.name, keyword) == 0) return &p;
    for (PyObject* const* alias = p.aliases; *alias; ++alias)
      if (PyUnicode_Compare(*alias, keyword) == 0) return &p;
  }
  return nullptr;
}

// "(Tensor, str, dim=int)"
std::string show_given(bool method, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  std::string text = "(";
  const auto add = [&](const std::string& item) { text += (text.size() > 1 ? ", " : "") + item; };
  for (Py_ssize_t i = method; i < n; ++i) add(type_of(args[i]));
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k)
    add(utf8(PyTuple_GET_ITEM(kwnames, k)) + "=" + type_of(args[n + k]));
  return text + ")";
}

}  // namespace

std::string Signature::show(bool with_out) const {
  std::string text = "(";
  bool starred = false;
  const auto add = [&](const std::string& item) { text += (text.size() > 1 ? ", " : "") + item; };
  for (size_t i = style_ == Style::method ? 1 : 0; i < n_; ++i) {
    const Parameter& p = parameters_[i];
    if (i >= positional_ && !starred) {
      add("*");
      starred = true;
    }
    std::string item = std::string(parameter_type(p)) + " " + utf8(p.name);
    if (!p.required) item += " = " + show_default(p);
    add(item);
  }
  if (with_out) {
    if (!starred) add("*");
    add("Tensor out = None");
  }
  return text + ")";
}

bool Signature::hidden_behind(const Signature& other) const {
  size_t mine = n_ - takes_out_;
  if (takes_out_ && other.n_ < mine) return false;
  if (!takes_out_ && other.n_ != mine) return false;
  for (size_t i = 0, o = 0; i < n_; ++i) {
    const Parameter& p = parameters_[i];
    if (p.kind == Kind::outs) continue;
    const Parameter& q = other.parameters_[o++];
    if (p.name != q.name) return false;
    if (p.kind == q.kind) continue;
    if (p.kind == Kind::scalar && q.kind == Kind::tensor && q.number_ok) continue;
    return false;
  }
  return true;
}

std::string Signature::mismatch(const std::string& function, const Parameter& p, PyObject* o,
                                size_t position) const {
  const std::string name = utf8(p.name);
  const std::string where = position ? concat(" (position ", position, ")") : "";
  const bool list = PyTuple_Check(o) || PyList_Check(o);
  if (p.kind == Kind::tensors && list) {
    const FixedItems items(o, "");
    for (size_t i = 0; i < items.size(); ++i)
      if (PyObject* item = items[i]; !is_tensor(item))
        return concat(function, "(): expected Tensor as element ", i, " in argument '", name,
                      "', but got ", type_of(item));
  }
  if (p.kind == Kind::integers && list) {
    const FixedItems items(o, "");
    for (size_t i = 0; i < items.size(); ++i)
      if (PyObject* item = items[i]; !is_index(item))
        return concat(function, "(): argument '", name, "'", where,
                      " must be tuple of ints, but found element of type ", type_of(item),
                      " at pos ", i);
  }
  return concat(function, "(): argument '", name, "'", where, " must be ", parameter_type(p),
                ", not ", type_of(o));
}

std::string Signature::mismatch(const std::string& function, PyObject* const* args, Py_ssize_t n,
                                PyObject* kwnames) const {
  const size_t self = style_ == Style::method ? 1 : 0;
  const auto given = static_cast<size_t>(n);
  Arguments scratch;
  if (takes_varargs(args, n)) {
    for (size_t i = self; i < given; ++i)
      if (!is_index(args[i]))
        return concat(function, "(): argument 'size' failed to unpack the object at pos ",
                      i + 1 - self, " with error \"type must be tuple of ints,but got ",
                      type_of(args[i]), "\"");
  } else if (given > positional_) {
    const size_t most = positional_ - self;
    return concat(function, "() takes ", most, " positional argument", most == 1 ? "" : "s",
                  " but ", given - self, given - self == 1 ? " was" : " were", " given");
  }
  for (size_t i = 0; i < n_; ++i) {
    const Parameter& p = parameters_[i];
    const Py_ssize_t at = kwnames ? find_keyword_of(kwnames, p) : -1;
    if (i < given && i < positional_) {
      if (at >= 0)
        return concat(function, "() got multiple values for argument '", utf8(p.name), "'");
      if (!takes_varargs(args, n) && !take(scratch, p, args[i]))
        return mismatch(function, p, args[i], i + 1 - self);
    } else if (at >= 0) {
      if (!take(scratch, p, args[n + at])) return mismatch(function, p, args[n + at], 0);
    } else if (p.required) {
      return concat(function, "() missing 1 required positional arguments: \"", utf8(p.name), "\"");
    }
  }
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(kwnames, k);
    if (!parameter_named(*this, keyword))
      return concat(function, "() got an unexpected keyword argument '", utf8(keyword), "'");
  }
  return concat(function, "() got arguments that do not fit its signature ", show(false));
}

void raise_mismatch(const char* function, std::span<const Signature* const> tried, bool method,
                    PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  std::vector<const Signature*> shown;
  std::vector<bool> with_out;
  for (const Signature* s : tried) {
    bool hidden = false;
    for (size_t i = 0; i < shown.size() && !hidden; ++i) {
      hidden = s->hidden_behind(*shown[i]);
      if (hidden && s->takes_out()) with_out[i] = true;
    }
    if (hidden) continue;
    shown.push_back(s);
    with_out.push_back(false);
  }
  // An out= that is given decides which form is meant.
  const bool out_given = kwnames && find_keyword_of(kwnames, interned("out")) >= 0;
  if (shown.size() == 1) {
    const Signature* best = shown[0];
    if (out_given)
      for (const Signature* s : tried)
        if (s->takes_out()) best = s;
    raise<TypeError>(best->mismatch(function, args, n, kwnames));
  }
  std::string text = concat(function, "() received an invalid combination of arguments - got ",
                            show_given(method, args, n, kwnames), ", but expected one of:\n");
  for (size_t i = 0; i < shown.size(); ++i) text += " * " + shown[i]->show(with_out[i]) + "\n";
  raise<TypeError>(text);
}

}  // namespace flambeau::python
