// Settings and facts of the core: default dtype, promotion, threads, memory.
#include <chrono>
#include <thread>

#include "core/memory/allocator.h"
#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "core/python/binding.h"
#include "kernels/cpu/linalg/lapack.h"

namespace flambeau::python {
namespace {

PyObject* get_default_dtype(PyObject*, PyObject*) { return wrap(default_dtype()); }

PyObject* set_default_dtype(PyObject*, PyObject* o) {
  return guarded([&] {
    if (!is_dtype(o))
      raise_python(PyExc_TypeError, "set_default_dtype(): invalid dtype object: got %.200s",
                   Py_TYPE(o)->tp_name);
    const DType dtype = unwrap_dtype(o);
    check<TypeError>(is_floating(dtype) && info(dtype).usable,
                     "set_default_dtype: only floating-point types are supported as the default "
                     "type, not torch.",
                     dtype_name(dtype));
    flambeau::set_default_dtype(dtype);
    return Py_NewRef(Py_None);
  });
}

struct TwoTypes {
  DType a, b;
};
TwoTypes two_types(const char* function, std::span<const char* const> names, PyObject* const* args,
                   Py_ssize_t n, PyObject* kwnames) {
  PyObject* given[2];
  read_arguments(function, names, 2, args, n, kwnames, given);
  for (int i = 0; i < 2; ++i)
    if (!is_dtype_like(given[i]))
      raise_python(PyExc_TypeError, "%s(): argument '%s' (position %d) must be torch.dtype, not %s",
                   function, names[i], i + 1, Py_TYPE(given[i])->tp_name);
  return {unwrap_dtype(given[0]), unwrap_dtype(given[1])};
}

PyObject* promote_types(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"type1", "type2"};
    const TwoTypes types = two_types("promote_types", kNames, args, n, kwnames);
    return wrap(promote(types.a, types.b));
  });
}
PyObject* can_cast_types(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"from_", "to"};
    const TwoTypes types = two_types("can_cast", kNames, args, n, kwnames);
    return PyBool_FromLong(can_cast(types.a, types.b));
  });
}

// Kernels run with and without Python's lock.
void warn_in_python(const std::string& text) {
  const PyGILState_STATE state = PyGILState_Ensure();
  const bool raised = PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0;
  PyGILState_Release(state);
  if (raised) throw PythonError();
}

PyObject* get_num_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* set_number_of_threads(PyObject*, PyObject* o) {
  return guarded([&] {
    if (!is_index(o))
      raise_python(PyExc_TypeError, "set_num_threads expects an int, but got %.200s",
                   Py_TYPE(o)->tp_name);
    const int64_t n = unwrap_int(o);
    check(n > 0 && n <= INT32_MAX, "set_num_threads: expected a positive number of threads, got ",
          n);
    set_num_threads(static_cast<int>(n));
    return Py_NewRef(Py_None);
  });
}

PyObject* memory_stats(PyObject*, PyObject*) {
  const memory::Stats s = memory::stats();
  return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K}", "allocated_bytes", s.allocated_bytes,
                       "peak_allocated_bytes", s.peak_allocated_bytes, "cached_bytes",
                       s.cached_bytes, "allocations", s.allocations, "cache_hits", s.cache_hits,
                       "system_allocations", s.system_allocations);
}
PyObject* reset_peak_memory(PyObject*, PyObject*) {
  memory::reset_peak();
  Py_RETURN_NONE;
}
PyObject* trim_memory(PyObject*, PyObject*) {
  memory::trim();
  Py_RETURN_NONE;
}

PyObject* instruction_set(PyObject*, PyObject*) {
  return guarded([] { return must(PyUnicode_FromString(isa_name(isa()))); });
}
PyObject* compiler(PyObject*, PyObject*) {
#ifdef __clang__
  return PyUnicode_FromString(__VERSION__);
#else
  return PyUnicode_FromString("GCC " __VERSION__);
#endif
}

// What Python knows of the library for linear algebra; empty where that raises.
std::string lapack_of_python() {
  const AcquireGil gil;
  static PyObject* cache = nullptr;
  try {
    const Object path(PyObject_CallNoArgs(imported(cache, "flambeau._lapack", "path")));
    const char* const text = path ? PyUnicode_AsUTF8(path.get()) : nullptr;
    if (text) return text;
  } catch (const PythonError&) {
  }
  PyErr_Clear();
  return {};
}

PyObject* lapack_path(PyObject*, PyObject*) { return PyUnicode_FromString(lapack::path().c_str()); }

PyMethodDef functions[] = {
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The dtype of floats without one."},
    {"set_default_dtype", set_default_dtype, METH_O, "Sets the dtype of floats without one."},
    {"promote_types", c_function(promote_types), METH_FASTCALL | METH_KEYWORDS,
     "The smallest dtype that holds both."},
    {"can_cast", c_function(can_cast_types), METH_FASTCALL | METH_KEYWORDS,
     "Whether a conversion keeps the kind of number."},
    {"get_num_threads", get_num_threads, METH_NOARGS, "Threads that a kernel may use."},
    {"set_num_threads", set_number_of_threads, METH_O, "Sets how many threads a kernel may use."},
    {"_instruction_set", instruction_set, METH_NOARGS, "The one that kernels use."},
    {"_compiler", compiler, METH_NOARGS, "What the core was compiled with."},
    {"_memory_stats", memory_stats, METH_NOARGS, "What the allocator of the CPU counts."},
    {"_reset_peak_memory", reset_peak_memory, METH_NOARGS, nullptr},
    {"_lapack_path", lapack_path, METH_NOARGS, "The library for linear algebra that is open."},
    {"_trim_memory", trim_memory, METH_NOARGS, "Gives cached memory back to the system."},
    {}};

// Python's lock as the core wants it, for who changes memory that others compute with.
void* take_lock() { return reinterpret_cast<void*>(uintptr_t{PyGILState_Ensure()}); }
void leave_lock(void* taken) {
  PyGILState_Release(static_cast<PyGILState_STATE>(reinterpret_cast<uintptr_t>(taken)));
}
void yield_lock() {
  PyThreadState* const state = PyEval_SaveThread();
  std::this_thread::sleep_for(std::chrono::microseconds(20));
  PyEval_RestoreThread(state);
}

}  // namespace

bool init_runtime(PyObject* module) {
  set_warning_handler(warn_in_python);
  lapack::set_finder(lapack_of_python);
  set_shared_lock({take_lock, leave_lock, yield_lock});
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
