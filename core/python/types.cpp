// dtype, layout and memory_format: one object per value, compared by identity.
#include <cstring>

#include "core/python/binding.h"

namespace flambeau::python {

PyTypeObject *dtype_type, *layout_type, *memory_format_type;

namespace {

template <class T>
struct ValueObject {
  PyObject_HEAD T value;
};
using DTypeObject = ValueObject<DType>;

PyObject* dtypes[kDTypes];
constexpr int kLayouts = 8, kMemoryFormats = 4;
PyObject *layouts[kLayouts], *memory_formats[kMemoryFormats];

template <class T>
T value_of(PyObject* o) {
  return reinterpret_cast<ValueObject<T>*>(o)->value;
}

const char* name_of(PyObject* o) {
  if (is_dtype(o)) return dtype_name(value_of<DType>(o));
  return is_layout(o) ? layout_name(value_of<Layout>(o))
                      : memory_format_name(value_of<MemoryFormat>(o));
}

PyObject* repr(PyObject* self) { return PyUnicode_FromFormat("torch.%s", name_of(self)); }

// Pickled as a name of the module, so that loading gives the one object again.
PyObject* reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(name_of(self)); }
PyObject* copy(PyObject* self, PyObject*) { return Py_NewRef(self); }

#define COMMON_METHODS                                                                      \
  {"__reduce__", reduce, METH_NOARGS, nullptr}, {"__copy__", copy, METH_NOARGS, nullptr}, { \
    "__deepcopy__", copy, METH_O, nullptr                                                   \
  }

PyObject* to_complex_method(PyObject* self, PyObject*) {
  return guarded([&] {
    const DType dtype = value_of<DType>(self);
    check(is_differentiable(dtype), "Unknown Complex ScalarType for torch.", dtype_name(dtype));
    return wrap(to_complex(dtype));
  });
}
PyObject* to_real_method(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(to_real(value_of<DType>(self))); });
}

template <auto Field>
PyObject* flag(PyObject* self, void*) {
  return PyBool_FromLong(info(value_of<DType>(self)).*Field);
}
PyObject* get_itemsize(PyObject* self, void*) {
  return PyLong_FromSize_t(itemsize(value_of<DType>(self)));
}

PyMethodDef dtype_methods[] = {
    {"to_complex", to_complex_method, METH_NOARGS, "The complex dtype with parts of this one."},
    {"to_real", to_real_method, METH_NOARGS, "The dtype of the parts of a complex number."},
    COMMON_METHODS,
    {}};
PyMethodDef plain_methods[] = {COMMON_METHODS, {}};
PyGetSetDef dtype_properties[] = {
    {"is_floating_point", flag<&DTypeInfo::floating>, nullptr, "Whether it is a real float.", {}},
    {"is_complex", flag<&DTypeInfo::complex>, nullptr, "Whether it is complex.", {}},
    {"is_signed", flag<&DTypeInfo::is_signed>, nullptr, "Whether it holds negative numbers.", {}},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", {}},
    {}};

PyType_Slot dtype_slots[] = {{Py_tp_doc, const_cast<char*>("The type of a tensor's elements.")},
                             {Py_tp_repr, reinterpret_cast<void*>(repr)},
                             {Py_tp_methods, dtype_methods},
                             {Py_tp_getset, dtype_properties},
                             {}};
PyType_Slot layout_slots[] = {
    {Py_tp_doc, const_cast<char*>("How a tensor lays out its elements: strided or sparse.")},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_methods, plain_methods},
    {}};
PyType_Slot memory_format_slots[] = {
    {Py_tp_doc, const_cast<char*>("An order of dimensions in memory.")},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_methods, plain_methods},
    {}};

constexpr unsigned kFlags =
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION;
PyType_Spec dtype_spec = {"flambeau.dtype", sizeof(DTypeObject), 0, kFlags, dtype_slots};
PyType_Spec layout_spec = {"flambeau.layout", sizeof(DTypeObject), 0, kFlags, layout_slots};
PyType_Spec memory_format_spec = {"flambeau.memory_format", sizeof(DTypeObject), 0, kFlags,
                                  memory_format_slots};

template <class T>
PyObject* make(PyTypeObject* type, T value) {
  auto* o = PyObject_New(ValueObject<T>, type);
  if (o) o->value = value;
  return reinterpret_cast<PyObject*>(o);
}

template <class T>
bool add_values(PyObject* module, PyTypeObject* type, PyObject** table, int n) {
  for (int i = 0; i < n; ++i) {
    table[i] = make(type, static_cast<T>(i));
    if (!table[i] || PyModule_AddObjectRef(module, name_of(table[i]), table[i]) < 0) return false;
  }
  return true;
}

struct DTypeAlias {
  const char* name;
  DType dtype;
};
constexpr DTypeAlias kDTypeAliases[] = {
    {"half", DType::float16},    {"float", DType::float32},    {"double", DType::float64},
    {"short", DType::int16},     {"int", DType::int32},        {"long", DType::int64},
    {"chalf", DType::complex32}, {"cfloat", DType::complex64}, {"cdouble", DType::complex128},
};
// Python's own types where a dtype is asked for.
const struct {
  PyTypeObject* type;
  DType dtype;
} kPythonTypes[] = {
    {&PyFloat_Type, DType::float64},
    {&PyLong_Type, DType::int64},
    {&PyBool_Type, DType::boolean},
    {&PyComplex_Type, DType::complex128},
};

}  // namespace

PyObject* wrap(DType dtype) { return Py_NewRef(dtypes[static_cast<int>(dtype)]); }
PyObject* wrap(Layout layout) { return Py_NewRef(layouts[static_cast<int>(layout)]); }
PyObject* wrap(MemoryFormat format) { return Py_NewRef(memory_formats[static_cast<int>(format)]); }

bool is_dtype(PyObject* o) { return Py_TYPE(o) == dtype_type; }

bool is_dtype_like(PyObject* o) {
  if (is_dtype(o)) return true;
  for (const auto& [type, dtype] : kPythonTypes)
    if (o == reinterpret_cast<PyObject*>(type)) return true;
  return false;
}

DType unwrap_dtype(PyObject* o) {
  if (is_dtype(o)) return value_of<DType>(o);
  for (const auto& [type, dtype] : kPythonTypes)
    if (o == reinterpret_cast<PyObject*>(type)) return dtype;
  raise<TypeError>("argument 'dtype' must be torch.dtype, not ", Py_TYPE(o)->tp_name);
}

Layout unwrap_layout(PyObject* o) {
  if (is_layout(o)) return value_of<Layout>(o);
  raise_python(PyExc_TypeError, "expected a torch.layout, got %.200s", Py_TYPE(o)->tp_name);
}

MemoryFormat unwrap_memory_format(PyObject* o) {
  if (is_memory_format(o)) return value_of<MemoryFormat>(o);
  raise_python(PyExc_TypeError, "expected a torch.memory_format, got %.200s", Py_TYPE(o)->tp_name);
}

const char* legacy_type_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "FloatTensor";
    case DType::float64:
      return "DoubleTensor";
    case DType::float16:
      return "HalfTensor";
    case DType::bfloat16:
      return "BFloat16Tensor";
    case DType::int8:
      return "CharTensor";
    case DType::uint8:
      return "ByteTensor";
    case DType::int16:
      return "ShortTensor";
    case DType::int32:
      return "IntTensor";
    case DType::int64:
      return "LongTensor";
    case DType::boolean:
      return "BoolTensor";
    case DType::complex64:
      return "ComplexFloatTensor";
    case DType::complex128:
      return "ComplexDoubleTensor";
    case DType::complex32:
      return "ComplexHalfTensor";
    case DType::uint16:
      return "UInt16Tensor";
    case DType::uint32:
      return "UInt32Tensor";
    case DType::uint64:
      return "UInt64Tensor";
    default:
      return nullptr;
  }
}

namespace {

PyObject* legacy_type_name_function(PyObject*, PyObject* dtype) {
  return guarded([&] {
    const char* name = legacy_type_name(unwrap_dtype(dtype));
    return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
  });
}
PyMethodDef functions[] = {{"_legacy_type_name", legacy_type_name_function, METH_O, nullptr}, {}};

}  // namespace

bool init_dtypes(PyObject* module) {
  dtype_type = make_type(module, &dtype_spec, "dtype");
  layout_type = make_type(module, &layout_spec, "layout");
  memory_format_type = make_type(module, &memory_format_spec, "memory_format");
  if (!dtype_type || !layout_type || !memory_format_type) return false;
  if (!add_values<DType>(module, dtype_type, dtypes, kDTypes) ||
      !add_values<Layout>(module, layout_type, layouts, kLayouts) ||
      !add_values<MemoryFormat>(module, memory_format_type, memory_formats, kMemoryFormats))
    return false;
  for (const DTypeAlias& alias : kDTypeAliases)
    if (PyModule_AddObjectRef(module, alias.name, dtypes[static_cast<int>(alias.dtype)]) < 0)
      return false;
  return PyModule_AddFunctions(module, functions) == 0;
}

bool init_types(PyObject* module) {
  return init_exceptions(module) && init_dtypes(module) && init_limits(module) &&
         init_helpers(module) && init_device(module) && init_size(module) &&
         init_generator(module) && init_storage(module) && init_runtime(module) &&
         init_devices(module) && init_streams(module) && init_deferral(module) &&
         init_shared_memory(module);
}

}  // namespace flambeau::python
