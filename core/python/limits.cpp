// finfo and iinfo: the limits of a dtype.
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/python/binding.h"

namespace flambeau::python {
namespace {

struct LimitsObject {
  PyObject_HEAD DType dtype;
};

struct FloatLimits {
  DType dtype;
  double eps, max, smallest_normal, resolution;
};
constexpr double kMaxFloat = std::numeric_limits<float>::max();
constexpr double kMaxDouble = std::numeric_limits<double>::max();
constexpr double kMaxBfloat16 = 3.3895313892515355e38;
constexpr FloatLimits kFloats[] = {
    {DType::float16, 0x1p-10, 65504, 0x1p-14, 1e-3},
    {DType::float32, 0x1p-23, kMaxFloat, 0x1p-126, 1e-6},
    {DType::float64, 0x1p-52, kMaxDouble, 0x1p-1022, 1e-15},
    {DType::bfloat16, 0x1p-7, kMaxBfloat16, 0x1p-126, 1e-2},
    {DType::float8_e5m2, 0x1p-2, 57344, 0x1p-14, 1},
    {DType::float8_e4m3fn, 0x1p-3, 448, 0x1p-6, 1},
    {DType::float8_e5m2fnuz, 0x1p-3, 57344, 0x1p-15, 1},
    {DType::float8_e4m3fnuz, 0x1p-4, 240, 0x1p-7, 1},
};

DType dtype_of(PyObject* self) { return reinterpret_cast<LimitsObject*>(self)->dtype; }
const FloatLimits& limits_of(PyObject* self) {
  const FloatLimits* row = kFloats;
  while (row->dtype != dtype_of(self)) ++row;
  return *row;
}

PyTypeObject *finfo_type, *iinfo_type;

PyObject* make_limits(PyTypeObject* type, DType dtype) {
  PyObject* self = must(type->tp_alloc(type, 0));
  reinterpret_cast<LimitsObject*>(self)->dtype = dtype;
  return self;
}

PyObject* finfo_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"type", nullptr};
    PyObject* given = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:finfo", const_cast<char**>(kNames), &given))
      throw PythonError();
    const DType dtype = to_real(given ? unwrap_dtype(given) : default_dtype());
    for (const FloatLimits& row : kFloats)
      if (row.dtype == dtype) return make_limits(type, dtype);
    raise<TypeError>("torch.finfo() requires a floating point input type, not torch.",
                     dtype_name(dtype), ". Use torch.iinfo for integers");
  });
}

PyObject* iinfo_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"type", nullptr};
    PyObject* given = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:iinfo", const_cast<char**>(kNames), &given))
      throw PythonError();
    const DType dtype = unwrap_dtype(given);
    check<TypeError>(is_integral(dtype, false),
                     "torch.iinfo() requires an integer input type, not torch.", dtype_name(dtype),
                     ". Use torch.finfo for floating point types");
    return make_limits(type, dtype);
  });
}

template <auto Field>
PyObject* float_limit(PyObject* self, void*) {
  return PyFloat_FromDouble(limits_of(self).*Field);
}
PyObject* float_min(PyObject* self, void*) { return PyFloat_FromDouble(-limits_of(self).max); }
PyObject* get_bits(PyObject* self, void*) {
  return PyLong_FromSize_t(8 * itemsize(dtype_of(self)));
}
PyObject* get_dtype(PyObject* self, void*) {
  return PyUnicode_FromString(dtype_name(dtype_of(self)));
}
PyObject* integer_min(PyObject* self, void*) {
  const DTypeInfo& d = info(dtype_of(self));
  return PyLong_FromLongLong(d.is_signed ? INT64_MIN >> (64 - 8 * d.size) : 0);
}
PyObject* integer_max(PyObject* self, void*) {
  const DTypeInfo& d = info(dtype_of(self));
  return PyLong_FromUnsignedLongLong(UINT64_MAX >> (64 - 8 * d.size + d.is_signed));
}

PyObject* finfo_repr(PyObject* self) {
  const FloatLimits& f = limits_of(self);
  char text[256];
  std::snprintf(
      text, sizeof text,
      "finfo(resolution=%g, min=%g, max=%g, eps=%g, smallest_normal=%g, tiny=%g, dtype=%s)",
      f.resolution, -f.max, f.max, f.eps, f.smallest_normal, f.smallest_normal,
      dtype_name(f.dtype));
  return PyUnicode_FromString(text);
}
PyObject* iinfo_repr(PyObject* self) {
  const Object low(integer_min(self, nullptr)), high(integer_max(self, nullptr));
  if (!low || !high) return nullptr;
  return PyUnicode_FromFormat("iinfo(min=%S, max=%S, dtype=%s)", low.get(), high.get(),
                              dtype_name(dtype_of(self)));
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (Py_TYPE(a) != Py_TYPE(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((dtype_of(a) == dtype_of(b)) == (op == Py_EQ));
}
Py_hash_t hash(PyObject* self) { return static_cast<Py_hash_t>(dtype_of(self)); }

PyGetSetDef finfo_properties[] = {
    {"bits", get_bits, nullptr, "Bits of a number.", {}},
    {"eps", float_limit<&FloatLimits::eps>, nullptr, "From 1 to the next larger number.", {}},
    {"max", float_limit<&FloatLimits::max>, nullptr, "The largest number.", {}},
    {"min", float_min, nullptr, "The smallest number.", {}},
    {"smallest_normal",
     float_limit<&FloatLimits::smallest_normal>,
     nullptr,
     "The smallest positive normal number.",
     {}},
    {"tiny", float_limit<&FloatLimits::smallest_normal>, nullptr, "Same as smallest_normal.", {}},
    {"resolution", float_limit<&FloatLimits::resolution>, nullptr, "Decimal resolution.", {}},
    {"dtype", get_dtype, nullptr, "The name of the dtype.", {}},
    {}};
PyGetSetDef iinfo_properties[] = {{"bits", get_bits, nullptr, "Bits of a number.", {}},
                                  {"max", integer_max, nullptr, "The largest number.", {}},
                                  {"min", integer_min, nullptr, "The smallest number.", {}},
                                  {"dtype", get_dtype, nullptr, "The name of the dtype.", {}},
                                  {}};

#define LIMITS_SLOTS(kind, text)                                                             \
  {Py_tp_doc, const_cast<char*>(text)}, {Py_tp_new, reinterpret_cast<void*>(kind##_new)},    \
      {Py_tp_repr, reinterpret_cast<void*>(kind##_repr)}, {Py_tp_getset, kind##_properties}, \
      {Py_tp_richcompare, reinterpret_cast<void*>(compare)},                                 \
      {Py_tp_hash, reinterpret_cast<void*>(hash)}, {}

PyType_Slot finfo_slots[] = {LIMITS_SLOTS(finfo, "finfo(type): limits of a floating point dtype.")};
PyType_Slot iinfo_slots[] = {LIMITS_SLOTS(iinfo, "iinfo(type): limits of an integer dtype.")};
PyType_Spec finfo_spec = {"flambeau.finfo", sizeof(LimitsObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, finfo_slots};
PyType_Spec iinfo_spec = {"flambeau.iinfo", sizeof(LimitsObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, iinfo_slots};

}  // namespace

bool init_limits(PyObject* module) {
  finfo_type = make_type(module, &finfo_spec, "finfo");
  iinfo_type = make_type(module, &iinfo_spec, "iinfo");
  return finfo_type && iinfo_type;
}

}  // namespace flambeau::python
