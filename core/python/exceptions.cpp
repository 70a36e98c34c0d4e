// C++ exceptions become Python's of the same kind.
#include <new>

#include "core/memory/allocator.h"
#include "core/python/binding.h"
#include "core/tensor/checked.h"
#include "core/tensor/device_table.h"

namespace flambeau::python {

PyObject *linalg_error = nullptr, *out_of_memory_error = nullptr;

void translate_exception(const char* op) noexcept {
  try {
    throw;
  } catch (const PythonError&) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_SystemError, "flambeau: an error without a message");
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const AbsentDevice& e) {
    PyErr_SetString(PyExc_AssertionError, e.what());
  } catch (const NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const RecursionError& e) {
    PyErr_SetString(PyExc_RecursionError, e.what());
  } catch (const ZeroDivisionError& e) {
    PyErr_SetString(PyExc_ZeroDivisionError, e.what());
  } catch (const LinAlgError& e) {
    PyErr_SetString(linalg_error, e.what());
  } catch (const memory::OutOfMemory& e) {
    PyErr_Format(out_of_memory_error, "%s%s%s", op ? op : "", op ? ": " : "", e.what());
  } catch (const memory::SizeOverflow& e) {
    PyErr_Format(PyExc_RuntimeError, "%s%s%s", op ? op : "", op ? ": " : "", e.what());
  } catch (const NoMemory& e) {
    PyErr_Format(PyExc_RuntimeError, "%s%s%s", op ? op : "", op ? ": " : "", e.what());
  } catch (const std::bad_alloc&) {
    PyErr_Format(out_of_memory_error, "%s%sout of memory", op ? op : "", op ? ": " : "");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "an exception of unknown type");
  }
}

bool init_exceptions(PyObject* module) {
  linalg_error = PyErr_NewExceptionWithDoc(
      "flambeau.linalg.LinAlgError",
      "A matrix has no decomposition of the kind that was asked for.", PyExc_RuntimeError, nullptr);
  out_of_memory_error = PyErr_NewExceptionWithDoc(
      "flambeau.OutOfMemoryError", "A request for memory that the system cannot meet.",
      PyExc_RuntimeError, nullptr);
  return linalg_error && out_of_memory_error &&
         PyModule_AddObjectRef(module, "_LinAlgError", linalg_error) == 0 &&
         PyModule_AddObjectRef(module, "OutOfMemoryError", out_of_memory_error) == 0;
}

}  // namespace flambeau::python
