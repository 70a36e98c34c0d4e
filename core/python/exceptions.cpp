// C++ exceptions become Python's of the same kind.
#include <cctype>
#include <new>
#include <string_view>

#include "core/memory/allocator.h"
#include "core/python/binding.h"
#include "core/tensor/checked.h"
#include "core/tensor/device_table.h"

namespace flambeau::python {

PyObject *linalg_error = nullptr, *out_of_memory_error = nullptr;

namespace {

// "op: ...", "op(): ..." or "module.op: ...".
bool names_op(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) ||
                               text[end] == '_' || text[end] == '.'))
    ++end;
  return end > 0 && end < text.size() && (text[end] == ':' || text[end] == '(');
}

void set_error(PyObject* type, const char* op, const char* text) {
  PyErr_Format(type, "%s%s%s", op ? op : "", op ? ": " : "", text);
}
void set_named_error(PyObject* type, const char* op, const char* text) {
  set_error(type, op && !names_op(text) ? op : nullptr, text);
}

}  // namespace

void translate_exception(const char* op) noexcept {
  try {
    throw;
  } catch (const PythonError&) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_SystemError, "flambeau: an error without a message");
  } catch (const IndexError& e) {
    set_named_error(PyExc_IndexError, op, e.what());
  } catch (const TypeError& e) {
    set_named_error(PyExc_TypeError, op, e.what());
  } catch (const ValueError& e) {
    set_named_error(PyExc_ValueError, op, e.what());
  } catch (const AbsentDevice& e) {
    PyErr_SetString(PyExc_AssertionError, e.what());
  } catch (const NotImplementedError& e) {
    set_named_error(PyExc_NotImplementedError, op, e.what());
  } catch (const OverflowError& e) {
    set_named_error(PyExc_OverflowError, op, e.what());
  } catch (const RecursionError& e) {
    set_named_error(PyExc_RecursionError, op, e.what());
  } catch (const ZeroDivisionError& e) {
    set_named_error(PyExc_ZeroDivisionError, op, e.what());
  } catch (const LinAlgError& e) {
    set_named_error(linalg_error, op, e.what());
  } catch (const memory::OutOfMemory& e) {
    set_error(out_of_memory_error, op, e.what());
  } catch (const memory::SizeOverflow& e) {
    set_error(PyExc_RuntimeError, op, e.what());
  } catch (const NoMemory& e) {
    set_error(PyExc_RuntimeError, op, e.what());
  } catch (const std::bad_alloc&) {
    set_error(out_of_memory_error, op, "out of memory");
  } catch (const std::exception& e) {
    set_named_error(PyExc_RuntimeError, op, e.what());
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
