// Numbers: Python's, NumPy's and one-element tensors.
#include "core/python/numbers.h"

#include "core/python/binding.h"
#include "core/python/free_threading.h"

namespace flambeau::python {
namespace {

// A name from numpy when the program has loaded it; NumPy is never imported for this.
PyObject* numpy_type(PyObject*& cache, const char* name) {
  if (PyObject* known = published(cache)) return known;
  PyObject* numpy = PyDict_GetItemString(PyImport_GetModuleDict(), "numpy");  // borrowed
  if (!numpy || !PyObject_HasAttrString(numpy, name)) return nullptr;
  PyObject* type = PyObject_GetAttrString(numpy, name);
  return type ? publish_first(cache, type, Py_DecRef) : nullptr;
}

bool is_instance(PyObject* o, PyObject* type) {
  return type && PyType_Check(type) && PyObject_TypeCheck(o, reinterpret_cast<PyTypeObject*>(type));
}

Object numpy_item(PyObject* o) {
  static PyObject* const name = interned("item");
  return Object(must(PyObject_CallMethodNoArgs(o, name)));
}

Scalar scalar_of_long(PyObject* o) {
  int overflow;
  const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (!overflow) {
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return Scalar(static_cast<int64_t>(v));
  }
  if (overflow > 0) {
    const unsigned long long u = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return Scalar(static_cast<uint64_t>(u));
    PyErr_Clear();
  }
  raise<OverflowError>("int too big to convert: a number must fit in 64 bits");
}

// The value of `o` when it is a number of some kind.
bool read_number(PyObject* o, Scalar& out) {
  if (PyLong_CheckExact(o)) {
    out = scalar_of_long(o);
  } else if (PyFloat_Check(o)) {
    out = Scalar(PyFloat_AS_DOUBLE(o));
  } else if (PyBool_Check(o)) {
    out = Scalar(o == Py_True);
  } else if (PyLong_Check(o)) {
    out = scalar_of_long(o);
  } else if (PyComplex_Check(o)) {
    out = Scalar(std::complex<double>(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
  } else if (is_numpy_scalar(o)) {
    const Object item = numpy_item(o);
    if (is_numpy_scalar(item.get())) return false;  // longdouble and the like stay themselves
    return read_number(item.get(), out);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool is_ndarray(PyObject* o) {
  static PyObject* ndarray = nullptr;
  return is_instance(o, numpy_type(ndarray, "ndarray"));
}

bool is_zero_dim_array(PyObject* o) {
  if (!is_ndarray(o)) return false;
  const Object ndim(PyObject_GetAttrString(o, "ndim"));
  const long n = ndim ? PyLong_AsLong(ndim.get()) : -1;
  PyErr_Clear();
  return n == 0;
}

bool is_numpy_scalar(PyObject* o) {
  static PyObject* generic = nullptr;
  return is_instance(o, numpy_type(generic, "generic")) || is_zero_dim_array(o) || is_symbol(o);
}

std::atomic<PyTypeObject*> symbol_type{nullptr};

void set_symbol_type(PyTypeObject* type) {
  symbol_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(type));  // for good: there is one
}

bool is_number(PyObject* o) {
  if (PyLong_CheckExact(o) || PyFloat_CheckExact(o)) return true;
  return PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o) || is_numpy_scalar(o);
}

bool is_index(PyObject* o) {
  if (PyLong_CheckExact(o)) return true;
  if (PyBool_Check(o)) return false;
  if (PyLong_Check(o)) return true;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    return t.dim() == 0 && is_integral(t.dtype(), false) && !t.requires_grad();
  }
  // Arrays have __index__ for the sake of their 0-dim ones.
  return PyIndex_Check(o) && (!PySequence_Check(o) || is_numpy_scalar(o));
}

Scalar unwrap_scalar(PyObject* o) {
  Scalar s;
  if (read_number(o, s)) return s;
  if (is_tensor(o)) return unwrap(o).item();
  raise_python(PyExc_TypeError, "expected a number, got %.200s", Py_TYPE(o)->tp_name);
}

PyObject* wrap(const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Kind::boolean:
      return Py_NewRef(s.to_bool() ? Py_True : Py_False);
    case Scalar::Kind::integer:
      return PyLong_FromLongLong(s.to_int());
    case Scalar::Kind::unsigned_integer:
      return PyLong_FromUnsignedLongLong(static_cast<uint64_t>(s.to_int()));
    case Scalar::Kind::floating:
      return PyFloat_FromDouble(s.to_double());
    case Scalar::Kind::complex: {
      const std::complex<double> c = s.to_complex();
      return PyComplex_FromDoubles(c.real(), c.imag());
    }
  }
  return nullptr;
}

namespace {
[[noreturn, gnu::cold]] void raise_overflow() {
  raise<ValueError>("Overflow when unpacking long long: an int must fit in 64 bits");
}
}  // namespace

int64_t unwrap_int(PyObject* o) {
  if (PyLong_CheckExact(o)) [[likely]] {
    int overflow;
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) [[likely]]
      return v;
    raise_overflow();
  }
  if (is_tensor(o)) {
    if (!is_index(o))
      raise_python(PyExc_TypeError,
                   "only integer tensors of a single element can be converted to an index");
    return unwrap(o).item().to_int();
  }
  const Object index(must(PyNumber_Index(o)));
  int overflow;
  const long long v = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) raise_overflow();
  return v;
}

Dims unwrap_dims(PyObject* o) {
  const FixedItems items(o, "expected a sequence of ints");
  Dims dims;
  for (PyObject* item : items) dims.push_back(unwrap_int(item));
  return dims;
}

PyObject* element_to_python(const void* data, DType dtype) {
  switch (dtype) {
    case DType::float32:
      return PyFloat_FromDouble(*static_cast<const float*>(data));
    case DType::float64:
      return PyFloat_FromDouble(*static_cast<const double*>(data));
    case DType::int64:
      return PyLong_FromLongLong(*static_cast<const int64_t*>(data));
    case DType::int32:
      return PyLong_FromLong(*static_cast<const int32_t*>(data));
    case DType::boolean:
      return Py_NewRef(*static_cast<const bool*>(data) ? Py_True : Py_False);
    default:
      return wrap(Scalar::load(data, dtype));
  }
}

}  // namespace flambeau::python
