// The recorder: a Python function that is told of each op with its arguments and results.
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

constexpr KeySet kRecorder = bit(Key::recorder);

PyObject* recorder() { return static_cast<PyObject*>(thread_state.recorder); }

// An op's own body is not recorded: what counts is what the program called.
void handle(const Op& op, const Value* values, Results& results) {
  const Exclude off(kRecorder);
  redispatch(op, values, results);
  const EnterPython python;
  if (!recorder()) return;
  const Object function(wrap_op(op)), outputs(must(results_to_python(op, results)));
  const PythonArguments arguments = arguments_to_python(op, values);
  const Object done(
      must(PyObject_CallFunctionObjArgs(recorder(), function.get(), arguments.args.get(),
                                        arguments.kwargs.get(), outputs.get(), nullptr)));
}

// _set_recorder(f): f(op, args, kwargs, outputs) is called after each op of this thread, until
// _set_recorder(None). Gives the recorder before.
PyObject* set_recorder(PyObject*, PyObject* function) {
  PyObject* before = recorder();
  if (function == Py_None) {
    thread_state.recorder = nullptr;
    thread_state.included &= ~kRecorder;
  } else {
    thread_state.recorder = Py_NewRef(function);
    thread_state.included |= kRecorder;
  }
  return before ? before : Py_NewRef(Py_None);
}

PyMethodDef functions[] = {{"_set_recorder", set_recorder, METH_O, nullptr}, {}};

}  // namespace

bool init_recorder(PyObject* module) {
  set_handler(Key::recorder, handle);
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
