// Python functions that are told of ops: observers of what the program calls, and captures of what
// would run below autograd.
#include "core/dispatch/observe.h"
#include "core/python/binding.h"
#include "core/python/numbers.h"

namespace flambeau::python {
namespace {

Object outputs_of(const Op& op, const Results* results) {
  return results ? Object(must(results_to_python(op, *results)))
                 : Object::borrow(Py_NotImplemented);
}

// begin(op, args, kwargs) -> context; end(context, op, args, kwargs, outputs), where `outputs` is
// NotImplemented when the op raised; read(tensor, what), see Note [Reads]. Each may be None.
class PythonObserver final : public Observer {
 public:
  PythonObserver(PyObject* begin, PyObject* end, PyObject* read)
      : begin_(Py_NewRef(begin)), end_(Py_NewRef(end)), read_(Py_NewRef(read)) {}
  ~PythonObserver() override {
    const AcquireGil gil;
    Py_DECREF(begin_);
    Py_DECREF(end_);
    Py_DECREF(read_);
  }

  std::unique_ptr<Counted> begin(const Op& op, const Value* values) const override {
    const EnterPython python;
    auto call = std::make_unique<Call>(arguments_to_python(op, values));
    if (begin_ == Py_None) return call;
    const Object function(wrap_op(op));
    call->context =
        Object(must(PyObject_CallFunctionObjArgs(begin_, function.get(), call->arguments.args.get(),
                                                 call->arguments.kwargs.get(), nullptr)));
    return call;
  }
  void end(Counted* context, const Op& op, const Value*, Results* results) const override {
    const EnterPython python;
    auto& call = static_cast<Call&>(*context);
    if (end_ != Py_None) {
      PyObject *type, *value, *traceback;
      PyErr_Fetch(&type, &value, &traceback);
      const Object function(wrap_op(op)), outputs = outputs_of(op, results);
      const Object done(PyObject_CallFunctionObjArgs(
          end_, call.context.get(), function.get(), call.arguments.args.get(),
          call.arguments.kwargs.get(), outputs.get(), nullptr));
      if (results) {
        must(done.get());
      } else {  // the op's own error counts
        PyErr_Clear();
        PyErr_Restore(type, value, traceback);
      }
    }
    call.clear();
  }
  void read(const Tensor& t, const char* what) const override {
    if (read_ == Py_None) return;
    const EnterPython python;
    const Object tensor(must(wrap(Tensor(t))));
    const Object done(must(PyObject_CallFunction(read_, "Os", tensor.get(), what)));
  }

 private:
  struct Call final : Counted {
    explicit Call(PythonArguments a) : arguments(std::move(a)) {}
    ~Call() override {
      if (!arguments.args) return;
      const AcquireGil gil;
      clear();
    }
    void clear() {
      arguments = {};
      context = Object();
    }
    PythonArguments arguments;
    Object context = Object::borrow(Py_None);
  };
  PyObject *begin_, *end_, *read_;
};

// f(op, args, kwargs, outputs), after the op.
class PythonCapture final : public Capture {
 public:
  explicit PythonCapture(PyObject* function) : function_(Py_NewRef(function)) {}
  ~PythonCapture() override {
    const AcquireGil gil;
    Py_DECREF(function_);
  }
  void call(const Op& op, const Value* values, Results& results) const override {
    redispatch(op, values, results);
    const EnterPython python;
    const Object function(wrap_op(op)), outputs = outputs_of(op, &results);
    const PythonArguments arguments = arguments_to_python(op, values);
    const Object done(
        must(PyObject_CallFunctionObjArgs(function_, function.get(), arguments.args.get(),
                                          arguments.kwargs.get(), outputs.get(), nullptr)));
  }

 private:
  PyObject* function_;
};

PyObject* push_observer_function(PyObject*, PyObject* args) {
  PyObject *begin, *end, *read = Py_None;
  if (!PyArg_ParseTuple(args, "OO|O:_push_observer", &begin, &end, &read)) return nullptr;
  return guarded([&] {
    push_observer(Ref<Observer>::adopt(new PythonObserver(begin, end, read)));
    return Py_NewRef(Py_None);
  });
}
PyObject* pop_observer_function(PyObject*, PyObject*) {
  return guarded([] {
    pop_observer();
    return Py_NewRef(Py_None);
  });
}
PyObject* push_capture_function(PyObject*, PyObject* function) {
  return guarded([&] {
    push_capture(Ref<Capture>::adopt(new PythonCapture(function)));
    return Py_NewRef(Py_None);
  });
}
PyObject* pop_capture_function(PyObject*, PyObject*) {
  return guarded([] {
    pop_capture();
    return Py_NewRef(Py_None);
  });
}
PyObject* set_symbol_type_function(PyObject*, PyObject* type) {
  return guarded([&] {
    check<TypeError>(PyType_Check(type), "_set_symbol_type: expected a type");
    set_symbol_type(reinterpret_cast<PyTypeObject*>(type));
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {{"_push_observer", push_observer_function, METH_VARARGS, nullptr},
                           {"_pop_observer", pop_observer_function, METH_NOARGS, nullptr},
                           {"_push_capture", push_capture_function, METH_O, nullptr},
                           {"_pop_capture", pop_capture_function, METH_NOARGS, nullptr},
                           {"_set_symbol_type", set_symbol_type_function, METH_O, nullptr},
                           {}};

}  // namespace

bool init_recorder(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
