// What the files of the binding share. The only folder that includes Python.h.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <structseq.h>

#include "core/autograd/node.h"
#include "core/dispatch/names.h"
#include "core/dispatch/op.h"
#include "core/tensor/rearrange.h"
#include "core/tensor/tensor.h"

namespace flambeau::python {

// A Python object that is released at the end of its scope.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* stolen) : p_(stolen) {}
  static Object borrow(PyObject* p) { return Object(Py_XNewRef(p)); }
  Object(Object&& o) noexcept : p_(o.release()) {}
  Object& operator=(Object&& o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  Object(const Object& o) : p_(Py_XNewRef(o.p_)) {}
  ~Object() { Py_XDECREF(p_); }
  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};

// A function with METH_FASTCALL or METH_KEYWORDS for a table of methods.
template <class F>
PyCFunction c_function(F* f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

// Thrown when a Python error is already set.
struct PythonError {};
inline PyObject* must(PyObject* p) {
  if (!p) [[unlikely]]
    throw PythonError();
  return p;
}

// The body of every function that Python calls: C++ exceptions become Python's. Texts that name no
// op, because what raised them lies below ops, get `op` as prefix; it may be null.
[[gnu::cold, gnu::noinline]] void translate_exception(const char* op = nullptr) noexcept;
template <class F>
PyObject* guarded(F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
template <class F>
PyObject* guarded(const char* op, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    translate_exception(op);
    return nullptr;
  }
}
template <class F>
int guarded_int(F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// ---- tensors (tensor_object.cpp)
struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weakrefs;
};
extern PyTypeObject* tensor_type;  // flambeau.Tensor itself
inline bool is_exact_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type; }
inline bool is_tensor(PyObject* o) {
  return is_exact_tensor(o) || PyObject_TypeCheck(o, tensor_type);
}
inline const Tensor& unwrap(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }
PyObject* wrap(Tensor t);        // new reference; None when undefined
PyObject* wrap(TensorVec list);  // a list... of outputs: tuple, as PyTorch gives
PyObject* wrap_as(PyTypeObject* subclass, Tensor t);
// To be called when a tensor comes to refer to Python objects (hooks): until then the garbage
// collector does not know it.
void track(PyObject* tensor);

// ---- small types (types.cpp)
extern PyTypeObject *dtype_type, *device_type, *layout_type, *memory_format_type, *size_type,
    *generator_type, *storage_type;
PyObject* wrap(DType dtype);
PyObject* wrap(Device device);
PyObject* wrap(Layout layout);
PyObject* wrap(MemoryFormat format);
PyObject* wrap_size(IntSpan sizes);  // flambeau.Size
bool is_dtype(PyObject* o);
DType unwrap_dtype(PyObject* o);    // also float, int, bool, complex; PythonError (TypeError) else
Device unwrap_device(PyObject* o);  // flambeau.device, str or int
PyObject* wrap(const Scalar& s);    // a Python number
Scalar unwrap_scalar(PyObject* o);  // int, float, bool, complex, numpy scalar, one-element tensor
bool is_number(PyObject* o);
bool is_ndarray(PyObject* o);     // NumPy's
int64_t unwrap_int(PyObject* o);  // __index__, TypeError; ValueError past 64 bits
Dims unwrap_dims(PyObject* o);    // sequence of ints

// ---- calling ops (call.cpp)
// A function object over overloads: parses, dispatches, wraps. Handles __torch_function__.
PyObject* make_function(const PythonName& name);
PyObject* call_op(const Op& op, const Value* args);  // boxed call, results wrapped (GIL handling)
PyObject* wrap_results(const Op& op, Results& results);
PyObject* box_to_python(const Value& v);  // for modes and the recorder

// ---- parts of the module: each adds its names to flambeau._C; false with a Python error set.
bool init_types(PyObject* module);
bool init_tensor(PyObject* module);
bool init_call(PyObject* module);
bool init_layers(PyObject* module);    // __torch_function__, __torch_dispatch__, recorder, library
bool init_indexing(PyObject* module);  // get_item, set_item below
bool init_interchange(
    PyObject* module);                 // tensor(), as_tensor, from_numpy, numpy(), dlpack, buffer
bool init_autograd(PyObject* module);  // Function, hooks, nodes, run_backward, grad modes

// indexing.cpp: the mapping protocol of Tensor.
PyObject* get_item(PyObject* self, PyObject* index);
int set_item(PyObject* self, PyObject* index, PyObject* value);
// autograd.cpp: visiting hooks for the garbage collector, and dropping them.
int traverse_hooks(const Tensor& t, visitproc visit, void* arg);
void clear_hooks(const Tensor& t);
bool has_python_hooks(const Tensor& t);
// interchange.cpp
int get_buffer(PyObject* self, Py_buffer* view, int flags);
void release_buffer(PyObject* self, Py_buffer* view);

// Around a kernel, when that is worth it. See Note [Memory that moves].
struct ReleaseGil {
  const Computing computing{Computing::HasLock{}};  // until the lock is back
  PyThreadState* const state;
  ReleaseGil() : state(PyEval_SaveThread()) {}
  ~ReleaseGil() { PyEval_RestoreThread(state); }
};
struct AcquireGil {
  PyGILState_STATE state = PyGILState_Ensure();
  ~AcquireGil() { PyGILState_Release(state); }
};
// Where Python's code is called in the middle of an op or a backward, and may do what it likes.
struct EnterPython {
  const AcquireGil gil;
  const Pause pause;
};

}  // namespace flambeau::python
