// From Python's arguments to boxed values, as an op's schema says. See docs/call.md.
#pragma once

#include <vector>

#include "core/python/binding.h"

namespace flambeau::python {

// Of an op, as in PyTorch; and of what Python gives it, where it takes `requires_grad` too.
constexpr size_t kMaxOpArgs = 64, kMaxArgs = kMaxOpArgs + 1;

// What one call was parsed into. Lists and numbers live in buffers of its own; tensors, strings and
// generators are borrowed from the caller's arguments.
class Arguments {
 public:
  Arguments() {}  // leaves the buffers as they are: a call touches few of them
  Arguments(const Arguments&) = delete;
  ~Arguments() { reset(); }
  void reset() {
    if (n_tensors_ | (spilled_ != nullptr)) release();
    n_scalars_ = n_ints_ = 0;
    work = 0;
    requires_grad = symbolic = false;
    overloaded.clear();
  }

  union {
    Value values[kMaxArgs];
  };
  int64_t work = 0;  // elements of all tensors: decides about Python's lock
  bool requires_grad = false;
  bool symbolic = false;  // holds a symbol, which typed entries do not take
  Overloaded overloaded;

  const Scalar& add_scalar(const Scalar& s);
  const Tensor& add_tensor(Tensor t);
  Value add_symbol(PyObject* symint);
  template <class T>
  T* room(size_t n);  // for lists of numbers and Scalars
  Tensor* tensors(size_t n);

 private:
  static constexpr size_t kScalars = 8, kInts = 32, kTensors = 12;
  struct Spill {
    Spill* next;
    uint32_t tensors, symbols;  // that the block holds, alive
    // data follows, aligned to 16
    void* data() { return reinterpret_cast<char*>(this) + 16; }
  };
  void release();
  void* spill(size_t bytes, size_t tensors, size_t symbols = 0);

  size_t n_scalars_ = 0, n_ints_ = 0, n_tensors_ = 0;
  Spill* spilled_ = nullptr;
  union {
    Scalar scalars_[kScalars];
  };
  int64_t ints_[kInts];
  union {
    Tensor tensors_[kTensors];
  };
};

// One parameter of one overload, with what the parser asks first at hand.
struct Parameter {
  enum class Kind : uint8_t {
    tensor,
    tensors,
    integer,
    integers,
    floating,
    floatings,
    boolean,
    booleans,
    scalar,
    scalars,
    string,
    strings,
    dtype,
    device,
    layout,
    memory_format,
    generator,
    values,         // lists of anything else
    outs,           // Python's out=: one tensor, or a tuple for several schema arguments
    requires_grad,  // of factories; no schema argument
  };
  const Argument* argument = nullptr;  // none for requires_grad
  PyObject* name = nullptr;            // interned
  PyObject* const* aliases = nullptr;  // NumPy's names, ended by nullptr
  Kind kind = Kind::tensor;
  bool required = false;
  bool number_ok = false;  // a Python number may stand for this tensor
  uint8_t value = 0;       // index in Arguments::values
  uint8_t count = 0;       // of an outs parameter
};

// How Python sees the arguments of an op.
enum class Style : uint8_t {
  function,  // torch.add(input, other, *, alpha=1, out=None)
  method,    // the same, but self has no other name
  schema,    // torch.ops.aten.add.out(self, other, *, alpha=1, out): exactly the schema
};

class Signature {
 public:
  Signature(const Op& op, Style style);

  // False when the arguments do not fit; PythonError when Python raised meanwhile.
  bool parse(Arguments& out, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) const;
  // Why they do not fit, for the message.
  std::string mismatch(const std::string& function, PyObject* const* args, Py_ssize_t n,
                       PyObject* kwnames) const;
  // "(Tensor input, Tensor other, *, Number alpha = 1)"; `with_out`: and has an out= variant.
  std::string show(bool with_out) const;
  // Whether `other`, tried before, takes all that this one takes.
  bool hidden_behind(const Signature& other) const;

  const Op& op() const { return *op_; }
  bool takes_out() const { return takes_out_; }
  std::span<const Parameter> parameters() const { return {parameters_.data(), n_}; }

  static bool take(Arguments& out, const Parameter& p, PyObject* o);

 private:
  std::string mismatch(const std::string& function, const Parameter& p, PyObject* o,
                       size_t position) const;
  bool take_default(Arguments& out, const Parameter& p) const;
  static bool take_integers(Arguments& out, const Parameter& p, PyObject* o);
  static bool take_values(Arguments& out, const Parameter& p, PyObject* o);
  static bool take_sizes(Arguments& out, const Parameter& p, PyObject* const* items, size_t n);
  bool parse_keywords(Arguments& out, size_t from, PyObject* const* args, PyObject* kwnames) const;
  bool takes_varargs(PyObject* const* args, Py_ssize_t n) const;
  bool takes_varargs_list(Arguments& out, PyObject* const* args, Py_ssize_t n) const;

  const Op* op_;
  Style style_;
  uint8_t n_ = 0, positional_ = 0;
  bool takes_out_ = false, varargs_ = false;
  std::vector<Parameter> parameters_;
};

// The message of the TypeError when no overload fits.
[[noreturn]] void raise_mismatch(const char* function, std::span<const Signature* const> tried,
                                 bool method, PyObject* const* args, Py_ssize_t n,
                                 PyObject* kwnames);

const char* parameter_type(const Parameter& p);
// Where a keyword, or one of a parameter's names, stands in kwnames; -1 when it does not.
Py_ssize_t find_keyword_of(PyObject* kwnames, PyObject* name);
Py_ssize_t find_keyword_of(PyObject* kwnames, const Parameter& p);

}  // namespace flambeau::python
