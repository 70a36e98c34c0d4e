// What the files of autograd's binding share.
#pragma once

#include <memory>

#include "core/python/python.h"

namespace flambeau::python {

// A Python error that may have to cross threads: a backward that nests deeply goes on in another
// one. The error is also set on the thread that throws, as for any PythonError.
struct CarriedError : PythonError {
  CarriedError();  // from the error that is set
  struct Held;
  std::shared_ptr<Held> held;
  void restore() const;  // unless an error is set already
};

// As guarded(), for what may run a backward.
template <class F>
PyObject* guarded_backward(F&& f) noexcept {
  return guarded([&]() -> PyObject* {
    try {
      return f();
    } catch (const CarriedError& e) {
      e.restore();
      throw;
    }
  });
}

// Calls Python and insists on success.
template <class... A>
Object call(PyObject* f, const A&... args) {
  PyObject* const list[] = {nullptr, args.get()...};
  PyObject* result =
      PyObject_Vectorcall(f, list + 1, sizeof...(A) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  if (!result) [[unlikely]]
    throw CarriedError();
  return Object(result);
}
inline PyObject* must_carry(PyObject* p) {
  if (!p) [[unlikely]]
    throw CarriedError();
  return p;
}
PyObject* import_attribute(const char* module, const char* name);  // cached, borrowed

// ---- hooks.cpp

// Hooks of one kind, in the ordered dict that Python's handles refer to.
struct PythonHooks : NodeHook {
  explicit PythonHooks(PyObject* dict_) : dict(Py_NewRef(dict_)) {}
  ~PythonHooks() override;
  void* python() const override { return dict; }
  PyObject* const dict;

 protected:
  // A snapshot, because a hook may add or remove others while it runs.
  Object snapshot() const;
};

PyObject* register_node_hook(Node& node, PyObject* hook, bool before);  // a handle
PyObject* register_node_dict(Node& node, PyObject* dict);
bool init_tensor_hooks(PyObject* module);
bool init_saved_hooks(PyObject* module);
PyObject* metadata_of(Node& node);  // the dict behind grad_fn.metadata
std::unique_ptr<SavedTensorHooks> make_saved_hooks(PyObject* pack, PyObject* unpack);

// ---- autograd_node.cpp

PyObject* wrap(const Ref<Node>& node);  // grad_fn's object; None for a null one
Node* unwrap_node(PyObject* o);         // null with TypeError set
PyObject* next_functions(const Node& node);
PyObject* input_metadata(const Node& node);
PyObject* call_node(Node& node, PyObject* args);
bool init_nodes(PyObject* module);
// A SavedTensor's face; `slot` lives as long as the node.
PyObject* wrap_saved(const Ref<Node>& node, SavedTensor* slot);

// ---- autograd_function.cpp

// The node of a custom Function and its Python object, the ctx; see Note [Twins].
PyObject* twin_of(const Node& node);  // borrowed; null for other nodes
Node* node_of_function(PyObject* o);  // null when o is no ctx
bool init_function(PyObject* module);

// ---- autograd_tensor.cpp and grad_mode.cpp

bool init_tensor_autograd(PyObject* module);
bool init_grad_mode(PyObject* module);
// tensor.backward() and autograd.backward / grad share it.
PyObject* run_from_python(PyObject* roots, PyObject* grads, bool retain_graph, bool create_graph,
                          PyObject* inputs, bool allow_unreachable, bool accumulate);

inline bool add_to(PyObject* module, const char* name, PyObject* value) {
  if (!value) return false;
  const int failed = PyModule_AddObjectRef(module, name, value);
  Py_DECREF(value);
  return failed == 0;
}

}  // namespace flambeau::python
