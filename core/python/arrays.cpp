// Arrays of NumPy, and what else has __array_interface__: no NumPy header is needed.

#include <cstring>

#include "core/memory/in_turn.h"
#include "core/python/interchange.h"
#include "core/python/numbers.h"

namespace flambeau::python {

const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return "?";
    case DType::uint8:
      return "B";
    case DType::int8:
      return "b";
    case DType::int16:
      return "h";
    case DType::uint16:
      return "H";
    case DType::int32:
      return "i";
    case DType::uint32:
      return "I";
    case DType::int64:
      return "q";
    case DType::uint64:
      return "Q";
    case DType::float16:
      return "e";
    case DType::float32:
      return "f";
    case DType::float64:
      return "d";
    case DType::complex64:
      return "Zf";
    case DType::complex128:
      return "Zd";
    default:
      return nullptr;
  }
}

namespace {

struct TypeString {
  const char* text;
  DType dtype;
};
constexpr TypeString kTypes[] = {
    {"|b1", DType::boolean},   {"|u1", DType::uint8},       {"|i1", DType::int8},
    {"<i2", DType::int16},     {"<i4", DType::int32},       {"<i8", DType::int64},
    {"<u2", DType::uint16},    {"<u4", DType::uint32},      {"<u8", DType::uint64},
    {"<f2", DType::float16},   {"<f4", DType::float32},     {"<f8", DType::float64},
    {"<c8", DType::complex64}, {"<c16", DType::complex128},
};

// See Note [Chains]: the owner of an array may be a tensor over an array, and so on.
void drop_owner(void*, size_t, void* owner) {
  if (!Py_IsInitialized()) return;
  memory::in_turn(
      [](void* o) {
        const AcquireGil gil;
        Py_DECREF(static_cast<PyObject*>(o));
      },
      owner);
}

// The value of a key; PythonError (TypeError) when `interface` is no dict or `required` is absent.
PyObject* field(PyObject* interface, const char* name, bool required = false) {  // borrowed
  if (!PyDict_Check(interface))
    raise_python(PyExc_TypeError, "from_numpy: __array_interface__ must be a dict, got %.200s",
                 Py_TYPE(interface)->tp_name);
  PyObject* const value = PyDict_GetItemString(interface, name);
  if (!value && required)
    raise_python(PyExc_TypeError, "from_numpy: __array_interface__ has no '%s'", name);
  return value == Py_None ? nullptr : value;
}

DType dtype_of_array(PyObject* interface) {
  PyObject* const text = field(interface, "typestr", true);
  const std::string type = text && PyUnicode_Check(text) ? show_python(text) : "(no string)";
  for (const TypeString& t : kTypes)
    if (type == t.text) return t.dtype;
  for (const TypeString& t : kTypes)
    check<ValueError>(type != concat('>', t.text + 1), "from_numpy: given numpy array of type ",
                      type,
                      " has byte order different from the native byte order, which is not "
                      "supported: convert it with array.astype(array.dtype.newbyteorder('='))");
  raise<TypeError>(
      "from_numpy: can't convert np.ndarray of type ", type,
      ". The only supported types are: float64, float32, float16, complex64, complex128, "
      "int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.");
}

Dims shape_of_array(PyObject* interface) {
  PyObject* const shape = field(interface, "shape", true);
  if (!shape || !PyTuple_Check(shape))
    raise<TypeError>("from_numpy: 'shape' in __array_interface__ must be a tuple");
  return unwrap_dims(shape);
}

int64_t stride_of_step(int64_t step, int64_t item) {
  check<ValueError>(step >= 0,
                    "from_numpy: At least one stride in the given numpy array is "
                    "negative, and tensors with negative strides are not currently supported. (You "
                    "can probably work around this by making a copy of your array  with "
                    "array.copy().) ");
  check<ValueError>(step % item == 0,
                    "from_numpy: given numpy array strides not a multiple of the "
                    "element byte size. Copy the numpy array to reallocate the memory.");
  return step / item;
}

Dims strides_of_array(PyObject* interface, IntSpan sizes, int64_t item) {
  PyObject* const steps = field(interface, "strides");
  if (!steps) return contiguous_strides(sizes);
  if (!PyTuple_Check(steps))
    raise<TypeError>("from_numpy: 'strides' in __array_interface__ must be a tuple");
  Dims strides = unwrap_dims(steps);
  check<ValueError>(strides.size() == sizes.size(), "from_numpy: ", strides.size(), " strides for ",
                    sizes.size(), " dimensions in __array_interface__");
  for (int64_t& step : strides) step = stride_of_step(step, item);
  return strides;
}

ArrayMemory memory_of_array(PyObject* interface) {
  PyObject* const data = field(interface, "data", true);
  if (!data || !PyTuple_Check(data) || PyTuple_GET_SIZE(data) != 2 ||
      !PyLong_Check(PyTuple_GET_ITEM(data, 0)))
    raise<TypeError>("from_numpy: 'data' in __array_interface__ must be (address, read_only)");
  void* const address = PyLong_AsVoidPtr(PyTuple_GET_ITEM(data, 0));
  if (!address && PyErr_Occurred()) throw PythonError();
  return {address, is_true(PyTuple_GET_ITEM(data, 1))};
}

// The bytes from the first element to the end of the last one; ValueError on overflow.
size_t bytes_spanned(const char* op, IntSpan sizes, IntSpan strides, int64_t item) {
  int64_t last = 0, step = 0, bytes = 0;
  bool overflow = false, none = false;
  for (size_t d = 0; d < sizes.size(); ++d) {
    check<ValueError>(sizes[d] >= 0, op, ": a dimension cannot have size ", sizes[d]);
    none |= sizes[d] == 0;
    overflow |= __builtin_mul_overflow(sizes[d] - 1, strides[d], &step) ||
                __builtin_add_overflow(last, step, &last);
  }
  if (none) return 0;
  overflow |= __builtin_add_overflow(last, 1, &last) || __builtin_mul_overflow(last, item, &bytes);
  check<ValueError>(!overflow, op, ": an array of shape ", show(sizes), " with strides ",
                    show(strides), " does not fit in memory");
  return static_cast<size_t>(bytes);
}

// The dtype of a format of the buffer protocol, in this machine's order of bytes.
std::optional<DType> dtype_of_format(std::string_view format, Py_ssize_t item) {
  if (format == "l" && item == 8) return DType::int64;
  if (format == "L" && item == 8) return DType::uint64;
  for (const TypeString& t : kTypes)
    if (format == format_of(t.dtype)) return t.dtype;
  return std::nullopt;
}

// NumPy's own arrays tell most quickly by the buffer protocol. False for dtypes that it does not
// have: the other way knows what to say of them.
bool read_buffer(PyObject* array, ArrayGeometry& geometry) {
  Py_buffer view;
  if (PyObject_GetBuffer(array, &view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
    PyErr_Clear();
    return false;
  }
  struct Release {
    Py_buffer* view;
    ~Release() { PyBuffer_Release(view); }
  } const release{&view};
  const auto dtype = dtype_of_format(view.format, view.itemsize);
  if (!dtype) return false;
  geometry.dtype = *dtype;
  for (int d = 0; d < view.ndim; ++d) {
    geometry.sizes.push_back(view.shape[d]);
    geometry.strides.push_back(stride_of_step(view.strides[d], view.itemsize));
  }
  geometry.memory = {view.buf, view.readonly != 0};
  return true;
}

}  // namespace

ArrayGeometry read_array(PyObject* array) {
  ArrayGeometry geometry;
  if (is_ndarray(array) && read_buffer(array, geometry)) return geometry;
  static PyObject* const name = interned("__array_interface__");
  const Object interface(must(PyObject_GetAttr(array, name)));
  PyObject* const fields = interface.get();
  geometry.dtype = dtype_of_array(fields);
  geometry.sizes = shape_of_array(fields);
  geometry.strides =
      strides_of_array(fields, geometry.sizes, static_cast<int64_t>(itemsize(geometry.dtype)));
  geometry.memory = memory_of_array(fields);
  return geometry;
}

bool is_array(PyObject* o) {
  static PyObject* const name = interned("__array_interface__");
  return !is_tensor(o) && !PyType_Check(o) && type_attribute(Py_TYPE(o), name);
}

Tensor over_memory(const char* op, void* address, DType dtype, IntSpan sizes, IntSpan strides,
                   Storage::Deleter release, void* owner) {
  check<ValueError>(sizes.size() <= 64 && strides.size() == sizes.size(), op,
                    ": a tensor has at most 64 dimensions, not ", sizes.size());
  const size_t bytes = bytes_spanned(op, sizes, strides, static_cast<int64_t>(itemsize(dtype)));
  check<ValueError>(address || !bytes, op, ": ", bytes, " bytes at address 0");
  auto* const impl = new TensorImpl(Ref<Storage>(), dtype, Device{});
  Tensor t = Tensor::adopt(impl);
  impl->set_geometry(sizes, strides, 0);  // may refuse: the owner is not ours yet
  impl->set_storage(Storage::wrap(address, bytes, Device{}, release, owner));
  return t;
}

Tensor over_array(PyObject* array, const ArrayGeometry& g) {
  const Tensor t =
      over_memory("from_numpy", g.memory.address, g.dtype, g.sizes, g.strides, drop_owner, array);
  Py_INCREF(array);
  return t;
}

Tensor from_array(PyObject* array) { return over_array(array, read_array(array)); }

}  // namespace flambeau::python
