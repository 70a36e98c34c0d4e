// tensor.to(...) in its three forms, and the methods that are short for it: float(), cpu(), ...
#include <cstring>

#include "core/python/binding.h"

namespace flambeau::python {
namespace {

using Args = PyObject* const*;

// What `to` was asked for; absent parts stay as they are.
struct Target {
  std::optional<Device> device;
  std::optional<DType> dtype;
  std::optional<MemoryFormat> format;
  bool non_blocking = false, copy = false;
};

bool given(PyObject* o) { return o && o != Py_None; }

bool flag(const char* name, PyObject* o) {
  if (!o) return false;
  if (!PyBool_Check(o))
    raise_python(PyExc_TypeError, "to(): argument '%s' must be bool, not %s", name,
                 Py_TYPE(o)->tp_name);
  return o == Py_True;
}

DType dtype_argument(PyObject* o) {
  if (!is_dtype_like(o))
    raise_python(PyExc_TypeError, "to(): argument 'dtype' must be torch.dtype, not %s",
                 Py_TYPE(o)->tp_name);
  return unwrap_dtype(o);
}

// to(device=None, dtype=None, ...), to(dtype, ...) or to(other, ...): the first argument tells.
Target parse_to(Args args, Py_ssize_t n, PyObject* kwnames) {
  static const char* const kDevice[] = {"device", "dtype", "non_blocking", "copy", "memory_format"};
  static const char* const kDType[] = {"dtype", "non_blocking", "copy", "memory_format", "device"};
  static const char* const kOther[] = {"other", "non_blocking", "copy", "memory_format"};
  Target target;
  PyObject* in[5] = {};
  PyObject **flags, *first = n ? args[0] : nullptr;
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  bool other = first && is_tensor(first);
  for (Py_ssize_t k = 0; k < nkw; ++k) other |= is_keyword(PyTuple_GET_ITEM(kwnames, k), "other");
  if (other) {
    read_arguments("to", kOther, 1, args, n, kwnames, in);
    if (!is_tensor(in[0]))
      raise_python(PyExc_TypeError, "to(): argument 'other' must be Tensor, not %s",
                   Py_TYPE(in[0])->tp_name);
    target.device = unwrap(in[0]).device();
    target.dtype = unwrap(in[0]).dtype();
    flags = in + 1;
  } else if (first && is_dtype_like(first)) {
    read_arguments("to", kDType, 1, args, n, kwnames, in);
    if (given(in[4])) target.device = unwrap_device(in[4]);
    target.dtype = dtype_argument(in[0]);
    flags = in + 1;
  } else {
    read_arguments("to", kDevice, 0, args, n, kwnames, in);
    if (given(in[0])) target.device = unwrap_device(in[0]);
    if (given(in[1])) target.dtype = dtype_argument(in[1]);
    flags = in + 2;
  }
  target.non_blocking = flag("non_blocking", flags[0]);
  target.copy = flag("copy", flags[1]);
  if (given(flags[2])) target.format = unwrap_memory_format(flags[2]);
  return target;
}

PyObject* convert(PyObject* self, const Target& target) {
  static const Op* const op = find_op("to.dtype_layout");
  check<NotImplementedError>(op, "to: the op 'to.dtype_layout' is not there");
  const std::pair<const char*, Value> known[] = {
      {"self", boxing::box(unwrap(self))},    {"dtype", boxing::box(target.dtype)},
      {"device", boxing::box(target.device)}, {"non_blocking", boxing::box(target.non_blocking)},
      {"copy", boxing::box(target.copy)},     {"memory_format", boxing::box(target.format)},
  };
  Value values[16];
  for (size_t i = 0; i < op->nargs; ++i) {
    values[i] = op->args[i].default_value;
    for (const auto& [name, value] : known)
      if (std::strcmp(name, op->args[i].name) == 0) values[i] = value;
  }
  return call_op(*op, values);
}

PyObject* to(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  return convert(self, parse_to(args, n, kwnames));
}

// memory_format= of the short forms; `before` arguments precede it.
Target short_form(const char* function, Args args, Py_ssize_t n, PyObject* kwnames) {
  const char* const names[] = {"memory_format"};
  PyObject* format;
  read_arguments(function, names, 0, args, n, kwnames, &format);
  Target target;
  if (given(format)) target.format = unwrap_memory_format(format);
  return target;
}

struct Cast {
  const char* name;
  DType dtype;
};
constexpr Cast kCasts[] = {
    {"float", DType::float32},     {"double", DType::float64},   {"half", DType::float16},
    {"bfloat16", DType::bfloat16}, {"long", DType::int64},       {"int", DType::int32},
    {"short", DType::int16},       {"char", DType::int8},        {"byte", DType::uint8},
    {"bool", DType::boolean},      {"cfloat", DType::complex64}, {"cdouble", DType::complex128},
};
template <size_t I>
PyObject* cast(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  Target target = short_form(kCasts[I].name, args, n, kwnames);
  target.dtype = kCasts[I].dtype;
  return convert(self, target);
}

PyObject* cpu(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  Target target = short_form("cpu", args, n, kwnames);
  target.device = Device{};
  return convert(self, target);
}

// To a kind of accelerator: the current one, unless `device` says which.
template <DeviceType type>
PyObject* to_accelerator(PyObject* self, Args args, Py_ssize_t n, PyObject* kwnames) {
  const char* const names[] = {"device", "non_blocking", "memory_format"};
  const char* const name = device_type_name(type);
  PyObject* in[3];
  read_arguments(name, names, 0, args, n, kwnames, in);
  Target target;
  target.device = given(in[0]) ? unwrap_device(in[0]) : Device{type};
  check(target.device->type == type, name, ": Invalid device, must be ", name, " device, not '",
        target.device->str(), "'");
  target.non_blocking = flag("non_blocking", in[1]);
  if (given(in[2])) target.format = unwrap_memory_format(in[2]);
  return convert(self, target);
}

template <size_t... I>
bool add_casts(std::index_sequence<I...>) {
  static const NativeMethod methods[] = {{kCasts[I].name, cast<I>,
                                          "(memory_format=torch.preserve_format)",
                                          "The same values in the dtype of this name."}...};
  return add_methods(methods, std::size(methods));
}

constexpr const char* kToAccelerator =
    "(device=None, non_blocking=False, memory_format=torch.preserve_format)";
const NativeMethod methods[] = {
    {"to", to, "(device=None, dtype=None, non_blocking=False, copy=False, *, memory_format=None)",
     "The same values in another dtype or on another device; itself when nothing changes."},
    {"cpu", cpu, "(memory_format=torch.preserve_format)", "The same values on the CPU."},
    {"cuda", to_accelerator<DeviceType::cuda>, kToAccelerator, "The same values on a CUDA device."},
    {"xpu", to_accelerator<DeviceType::xpu>, kToAccelerator, "The same values on an XPU device."},
    {"mtia", to_accelerator<DeviceType::mtia>, kToAccelerator,
     "The same values on an MTIA device."},
    {"ipu", to_accelerator<DeviceType::ipu>, kToAccelerator, "The same values on an IPU device."},
};

PyObject* optional_or_none(PyObject* o) { return o ? o : Py_NewRef(Py_None); }

// _parse_to(...) -> (device, dtype, non_blocking, memory_format), for Module.to.
PyObject* parse_to_function(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    const Target t = parse_to(args, n, kwnames);
    const Object device(optional_or_none(t.device ? wrap(*t.device) : nullptr));
    const Object dtype(optional_or_none(t.dtype ? wrap(*t.dtype) : nullptr));
    const Object format(optional_or_none(t.format ? wrap(*t.format) : nullptr));
    return must(PyTuple_Pack(4, device.get(), dtype.get(), t.non_blocking ? Py_True : Py_False,
                             format.get()));
  });
}
PyMethodDef functions[] = {
    {"_parse_to", c_function(parse_to_function), METH_FASTCALL | METH_KEYWORDS, nullptr}, {}};

}  // namespace

bool init_tensor_convert(PyObject* module) {
  return add_methods(methods, std::size(methods)) &&
         add_casts(std::make_index_sequence<std::size(kCasts)>()) &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
