// What autograd adds to Tensor: its properties and the methods that are no ops.
#include "core/autograd/transform.h"
#include "core/python/autograd.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

PyObject* get_requires_grad(PyObject* self) { return PyBool_FromLong(needs_grad(unwrap(self))); }

void set_requires_grad(PyObject* self, PyObject* value) {
  if (!PyBool_Check(value))
    raise_python(PyExc_RuntimeError, "requires_grad must be a bool, not %s",
                 Py_TYPE(value)->tp_name);
  check(!in_function_transform(),
        "You are attempting to call Tensor.requires_grad_() (or perhaps using "
        "torch.autograd.functional.* APIs) inside of a function being transformed by a functorch "
        "transform. This is unsupported, please attempt to use the functorch transforms (e.g. "
        "grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside of a function being "
        "transformed instead.");
  unwrap(self).set_requires_grad(value == Py_True);
}

int set_requires_grad_property(PyObject* self, PyObject* value) {
  return guarded_int([&] {
    if (!value) raise_python(PyExc_RuntimeError, "requires_grad cannot be deleted");
    set_requires_grad(self, value);
    return 0;
  });
}

PyObject* get_grad(PyObject* self) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    Tensor grad = t.grad();
    if (!grad.defined() && t.requires_grad() && !t.is_leaf() && !retains_grad(t)) [[unlikely]] {
      if (PyErr_WarnEx(PyExc_UserWarning,
                       "The .grad attribute of a Tensor that is not a leaf Tensor is being "
                       "accessed. Its .grad attribute won't be populated during "
                       "autograd.backward(). If you indeed want the .grad field to be populated "
                       "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
                       "access the non-leaf Tensor by mistake, make sure you access the leaf "
                       "Tensor instead.",
                       1) < 0)
        throw PythonError();
    }
    return wrap(std::move(grad));
  });
}

int set_grad(PyObject* self, PyObject* value) {
  return guarded_int([&] {
    if (value && value != Py_None && !is_tensor(value))
      raise_python(PyExc_TypeError,
                   "assigned grad expected to be a Tensor or None but got grad of type %s",
                   Py_TYPE(value)->tp_name);
    unwrap(self).set_grad(value && value != Py_None ? unwrap(value) : Tensor());
    return 0;
  });
}

PyObject* get_grad_fn(PyObject* self) {
  return guarded([&] { return wrap(grad_fn(unwrap(self))); });
}

// Only `del t.grad_fn` and `t.grad_fn = None` make sense: they detach.
int set_grad_fn(PyObject* self, PyObject* value) {
  return guarded_int([&] {
    if (value && value != Py_None)
      raise_python(PyExc_AttributeError,
                   "attribute 'grad_fn' of 'Tensor' objects is not writable: only None can be "
                   "assigned, which detaches");
    detach_(unwrap(self));
    return 0;
  });
}

PyObject* get_is_leaf(PyObject* self) {
  return guarded([&] { return PyBool_FromLong(!grad_fn(unwrap(self))); });
}

PyObject* get_output_nr(PyObject* self) {
  return guarded([&] {
    const AutogradMeta* meta = unwrap(self).impl()->autograd.get();
    return PyLong_FromUnsignedLong(meta ? meta->output_nr : 0);
  });
}

PyObject* get_retains_grad(PyObject* self) { return PyBool_FromLong(retains_grad(unwrap(self))); }

PyObject* get_base(PyObject* self) {
  return guarded([&] {
    const AutogradMeta* meta = unwrap(self).impl()->autograd.get();
    return meta && meta->is_view ? wrap(meta->base) : Py_NewRef(Py_None);
  });
}

PyObject* get_version(PyObject* self) {
  return guarded([&] {
    const TensorImpl& impl = *unwrap(self).impl();
    check(impl.counts_versions(), "Inference tensors do not track version counter.");
    return PyLong_FromUnsignedLong(impl.version());
  });
}

PyObject* get_data(PyObject* self) {
  return guarded([&] { return wrap(variable_data(unwrap(self))); });
}

int set_data_property(PyObject* self, PyObject* value) {
  return guarded_int([&] {
    if (!value || !is_tensor(value))
      raise_python(PyExc_TypeError, "Variable data has to be a tensor, but got %s",
                   value ? Py_TYPE(value)->tp_name : "nothing");
    set_data(unwrap(self), unwrap(value));
    return 0;
  });
}

// ---- methods

PyObject* requires_grad_method(PyObject* self, PyObject* const* args, Py_ssize_t n,
                               PyObject* kwnames) {
  return guarded([&] {
    static constexpr const char* names[] = {"requires_grad"};
    PyObject* on[1] = {};
    read_arguments("requires_grad_", names, 0, args, n, kwnames, on);
    if (on[0] && !PyBool_Check(on[0]))
      raise<TypeError>("requires_grad_(): argument 'requires_grad' (position 1) must be bool, not ",
                       Py_TYPE(on[0])->tp_name);
    set_requires_grad(self, on[0] ? on[0] : Py_True);
    return Py_NewRef(self);
  });
}

bool is_true(PyObject* o, bool otherwise) {
  if (!o || o == Py_None) return otherwise;
  return must(PyObject_IsTrue(o));
}

PyObject* backward_method(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded_backward([&] {
    static constexpr const char* names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
    PyObject* a[4] = {};
    if (n || kwnames) read_arguments("backward", names, 0, args, n, kwnames, a);
    const bool create_graph = is_true(a[2], false);
    PyObject* inputs = a[3] ? a[3] : Py_None;
    if (inputs != Py_None && !is_tensor(inputs)) {
      const Py_ssize_t size = PyObject_Size(inputs);
      must(static_cast<int>(size));
      check(size > 0, "`inputs` argument to `backward()` cannot be empty.");
    }
    return run_from_python(self, a[0] ? a[0] : Py_None, is_true(a[1], create_graph), create_graph,
                           inputs, true, true);
  });
}

PyObject* retain_grad_method(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
  return guarded([&] {
    retain_grad(unwrap(self));
    return Py_NewRef(Py_None);
  });
}

PyObject* is_view_method(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
  const AutogradMeta* meta = unwrap(self).impl()->autograd.get();
  return PyBool_FromLong(meta && meta->is_view);
}

PyObject* is_inference_method(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
  return PyBool_FromLong(unwrap(self).impl()->inference);
}

PyObject* register_hook_dict_method(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
  return guarded([&] {
    const Object dict(must(PyObject_GetAttrString(self, "_backward_hooks")));
    if (dict.get() != Py_None) must(PyObject_SetAttrString(self, "_backward_hooks", dict.get()));
    return Py_NewRef(Py_None);
  });
}

constexpr Property properties[] = {
    {"requires_grad", get_requires_grad, set_requires_grad_property,
     "Whether gradients are to be computed for this tensor."},
    {"grad", get_grad, set_grad, "The gradient that backward() has accumulated, or None."},
    {"_grad", get_grad, set_grad, nullptr},
    {"grad_fn", get_grad_fn, set_grad_fn, "The node that made this tensor; None for a leaf."},
    {"_grad_fn", get_grad_fn, set_grad_fn, nullptr},
    {"is_leaf", get_is_leaf, nullptr, "True when no recorded operation made this tensor."},
    {"output_nr", get_output_nr, nullptr, "Which output of grad_fn this tensor is."},
    {"retains_grad", get_retains_grad, nullptr,
     "True when this is no leaf and its grad will be kept."},
    {"_base", get_base, nullptr, "The tensor that this one is a view of, or None."},
    {"_version", get_version, nullptr, "How often the memory was modified in place."},
    {"data", get_data, set_data_property, "The same memory, without history or versions."},
};

constexpr NativeMethod methods[] = {
    {"requires_grad_", requires_grad_method, "(requires_grad=True)",
     "Sets requires_grad in place and returns the tensor."},
    {"backward", backward_method,
     "(gradient=None, retain_graph=None, create_graph=False, inputs=None)",
     "Computes the gradient of this tensor with respect to the graph's leaves and adds it to their "
     "grad."},
    {"retain_grad", retain_grad_method, "()", "Has backward() keep the grad of a non-leaf too."},
    {"_is_view", is_view_method, "()", nullptr},
    {"is_inference", is_inference_method, "()", "True for a tensor made in inference mode."},
    {"_register_hook_dict", register_hook_dict_method, "(hooks)", nullptr},
};

}  // namespace

bool init_tensor_autograd(PyObject*) {
  return add_properties(properties, std::size(properties)) &&
         add_methods(methods, std::size(methods));
}

}  // namespace flambeau::python
