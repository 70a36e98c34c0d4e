// What the binding's own files share beyond python.h: errors, numbers, types, layers.
#pragma once

#include "core/python/python.h"

namespace flambeau::python {

// ---- errors (exceptions.cpp)
bool init_exceptions(PyObject* module);
extern PyObject *linalg_error, *out_of_memory_error;
template <class... A>
[[noreturn, gnu::cold, gnu::noinline]] void raise_python(PyObject* type, const char* format,
                                                         A... args) {
  PyErr_Format(type, format, args...);
  throw PythonError();
}
inline int must(int status) {
  if (status < 0) [[unlikely]]
    throw PythonError();
  return status;
}

// ---- looking things up
// `flambeau.a.b`, imported on first use and kept. `cache` is a static of the caller.
PyObject* imported(PyObject*& cache, const char* module, const char* name);
// The attribute of a type, without running descriptors; borrowed, nullptr when absent.
inline PyObject* type_attribute(PyTypeObject* type, PyObject* name) {
  return _PyType_Lookup(type, name);
}
PyObject* interned(const char* text);  // lives for ever; borrowed
PyTypeObject* make_type(PyObject* module, PyType_Spec* spec, const char* name,
                        PyObject* bases = nullptr);
inline bool is_keyword(PyObject* name, const char* text) {
  return PyUnicode_CompareWithASCIIString(name, text) == 0;
}
[[noreturn, gnu::cold]] void unexpected_keyword(const char* function, PyObject* name);

// The items of a list, a tuple or any iterable, which stay as they are: code of Python's that runs
// meanwhile (__index__, __bool__, ...) may change the list they came from.
Object fixed_tuple(PyObject* iterable);  // ValueError where it has more items than it says
class FixedItems {
 public:
  // TypeError with `message` for what is no sequence.
  FixedItems(PyObject* sequence, const char* message);
  size_t size() const { return static_cast<size_t>(PyTuple_GET_SIZE(tuple_.get())); }
  PyObject* operator[](size_t i) const { return PyTuple_GET_ITEM(tuple_.get(), i); }
  PyObject* const* begin() const { return PySequence_Fast_ITEMS(tuple_.get()); }
  PyObject* const* end() const { return begin() + size(); }

 private:
  Object tuple_;
};
// Whether it is true, as Python's `if` sees it; PythonError when its __bool__ raises.
inline bool is_true(PyObject* o) { return must(PyObject_IsTrue(o)) != 0; }
// func(*args, **kwargs) for what Python handed over: TypeError where args is no tuple (or list) and
// kwargs no dict.
PyObject* call_with(const char* function, PyObject* func, PyObject* args, PyObject* kwargs);

// ---- numbers (numbers.cpp)
bool is_numpy_scalar(PyObject* o);  // numpy.generic or a 0-dim array; never imports numpy
bool is_index(PyObject* o);         // what PyTorch takes as an int: int, __index__, no bool
PyObject* element_to_python(const void* data, DType dtype);

// ---- types
bool init_dtypes(PyObject* module);
bool init_limits(PyObject* module);
bool init_device(PyObject* module);
bool init_size(PyObject* module);
bool init_helpers(PyObject* module);
bool init_generator(PyObject* module);
bool init_storage(PyObject* module);
bool init_runtime(PyObject* module);
bool init_devices(PyObject* module);
bool init_streams(PyObject* module);
bool init_deferral(PyObject* module);
bool init_shared_memory(PyObject* module);
bool is_dtype_like(PyObject* o);  // a dtype, or float, int, bool, complex
inline bool is_device(PyObject* o) { return PyObject_TypeCheck(o, device_type); }
inline bool is_layout(PyObject* o) { return Py_TYPE(o) == layout_type; }
inline bool is_memory_format(PyObject* o) { return Py_TYPE(o) == memory_format_type; }
inline bool is_size(PyObject* o) { return Py_TYPE(o) == size_type; }
Layout unwrap_layout(PyObject* o);
MemoryFormat unwrap_memory_format(PyObject* o);
inline bool is_generator(PyObject* o) { return PyObject_TypeCheck(o, generator_type); }
Generator* unwrap_generator(PyObject* o);
PyObject* wrap_generator(Generator* g, Device device = {});
PyObject* wrap_storage(Ref<Storage> storage);
const Ref<Storage>& unwrap_storage(PyObject* o);
inline bool is_storage(PyObject* o) { return PyObject_TypeCheck(o, storage_type); }
// torch.FloatTensor and the like; nullptr when the dtype has none.
const char* legacy_type_name(DType dtype);
std::string show_python(PyObject* o);  // str(o); never fails

// ---- tensor objects
struct NativeMethod {  // a method of Tensor that is not an op
  const char* name;
  PyObject* (*body)(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames);
  const char* signature;  // "(dim=None)"; the body of one with "()" gets no arguments
  const char* doc;
};
struct Property {
  const char* name;
  PyObject* (*get)(PyObject* self);
  int (*set)(PyObject* self, PyObject* value);  // nullptr: read only
  const char* doc;
};
bool add_methods(const NativeMethod* methods, size_t n);
bool add_properties(const Property* properties, size_t n);
bool init_tensor_type(PyObject* module);
bool init_tensor_properties(PyObject* module);
bool init_tensor_methods(PyObject* module);
bool init_tensor_values(PyObject* module);
bool init_tensor_new();
bool init_tensor_convert(PyObject* module);
bool init_tensor_lazy();
// The slots that ops fill; ended by {0, nullptr}. They read the table that init_call fills.
size_t value_slots(PyType_Slot* out);  // bool, int, float, index, iteration
size_t operator_slots(PyType_Slot* out, size_t room);
void set_operator(const PythonName& name);
bool add_operator_functions(PyObject* module);
bool init_results(PyObject* module);
PyObject* legacy_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
// The arguments of a native method, by name, in the order given; nullptr where left out. What comes
// after the `positional` first is given by keyword.
void read_arguments(const char* function, std::span<const char* const> names, size_t required,
                    PyObject* const* args, Py_ssize_t n, PyObject* kwnames, PyObject** out,
                    size_t positional = SIZE_MAX);

// ---- stacks of a thread that hold Python objects (thread_state.cpp)
void push_object(Stack& stack, PyObject* object, PyObject* second = nullptr);
PyObject* pop_object(Stack& stack);                  // new reference; the stack holds something
PyObject* object_at(const Stack& stack, int64_t i);  // new reference; IndexError past the ends
PyObject* object_of(const Frame& frame);             // borrowed
PyObject* second_of(const Frame& frame);
bool init_thread_state(PyObject* module);

// ---- __torch_function__ (torch_function.cpp)
bool overrides_torch_function(PyObject* o);  // false for exact tensors and plain Python types
inline bool torch_function_modes_active() { return static_cast<bool>(thread_state.function_modes); }
inline bool may_override(PyObject* self) {
  return !is_exact_tensor(self) || torch_function_modes_active();
}
// Types that override, subclasses first, each once. They are held: a list that they came from may
// change.
class Overloaded {
 public:
  Overloaded() {}
  Overloaded(const Overloaded&) = delete;
  ~Overloaded() { clear(); }
  void add(PyObject* o);
  bool empty() const { return n_ == 0; }
  void clear() {
    if (n_) [[unlikely]]
      release();
  }
  std::span<PyObject* const> objects() const { return {objects_, n_}; }

 private:
  void release();

  static constexpr size_t kMax = 32;
  PyObject* objects_[kMax];
  size_t n_ = 0;
};
PyObject* call_torch_function(const Overloaded& who, PyObject* function, PyObject* const* args,
                              Py_ssize_t n, PyObject* kwnames, const char* name);
// For properties, the mapping protocol and operators: `function` is looked up on Tensor.
PyObject* torch_function_on(PyObject* self, const char* attribute, PyObject* const* args,
                            Py_ssize_t n);
// A scope in which no more than this is overridden.
struct WithTorchFunction {
  TorchFunction before = thread_state.torch_function;
  explicit WithTorchFunction(TorchFunction state) {
    if (before < state) thread_state.torch_function = state;
  }
  ~WithTorchFunction() { thread_state.torch_function = before; }
};
bool init_torch_function(PyObject* module);
bool init_default_torch_function(PyObject* module);

// ---- below: op objects, __torch_dispatch__, recorder, library
bool init_op_objects(PyObject* module);
PyObject* wrap_op(const Op& op);  // flambeau.ops.<ns>.<name>.<overload>, one object per op
bool is_op(PyObject* o);
const Op& unwrap_op(PyObject* o);
bool init_torch_dispatch(PyObject* module);
bool overrides_torch_dispatch(PyTypeObject* type);
bool init_recorder(PyObject* module);
bool init_profile(PyObject* module);
bool init_transforms(PyObject* module);
bool init_library(PyObject* module);
bool init_rules(PyObject* module);

// ---- sizes that are symbols (symbolic.cpp)
extern PyTypeObject* symint_type;  // nullptr until flambeau.SymInt is there
inline bool is_symint(PyObject* o) { return symint_type && PyObject_TypeCheck(o, symint_type); }
Ref<SymInt> symbol_of(PyObject* symint);
// A call with symbols among its arguments: goes to who answers for the op in Python.
void call_symbolic(const Op& op, const Value* values, Results& results);
// What the class of a tensor says of its geometry, where it wants to be asked; else nullptr.
PyObject* geometry_from_class(PyObject* self, const char* name, PyObject* const* args, Py_ssize_t n,
                              PyObject* kwnames);
// The answer of a class to an op, or NotImplemented.
Object ask_class(PyTypeObject* type, const Op& op, const Value* values);
bool init_symbolic(PyObject* module);
// Arguments as Python sees them: positional ones, keyword-only ones; trailing defaults left out.
struct PythonArguments {
  Object args, kwargs;
};
PythonArguments arguments_to_python(const Op& op, const Value* values);
void results_from_python(const Op& op, const Value* args, PyObject* value, Results& results);
// A Python object as the value of an argument of this type: of defaults and results. TypeError
// where it is none.
Owned own_value(const Argument& like, PyObject* o);
PyObject* results_to_python(const Op& op, const Results& results);  // plain tuples

}  // namespace flambeau::python
