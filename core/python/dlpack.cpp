// DLPack, both ways: https://dmlc.github.io/dlpack (the C structures are the standard's).

#include "core/dispatch/observe.h"
#include "core/memory/in_turn.h"
#include "core/python/interchange.h"
#include "flambeau/ops/clone.h"

namespace flambeau::python {
namespace {

struct DlDevice {
  int32_t type, id;
};
struct DlType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DlTensor {
  void* data;
  DlDevice device;
  int32_t ndim;
  DlType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct Managed {
  DlTensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
struct VersionedManaged {
  uint32_t major, minor;
  void* context;
  void (*deleter)(VersionedManaged*);
  uint64_t flags;
  DlTensor tensor;
};
constexpr int32_t kCpu = 1;
constexpr uint64_t kReadOnly = 1;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kComplex = 5, kBool = 6 };

DlType type_of(DType dtype) {
  const uint8_t bits = static_cast<uint8_t>(itemsize(dtype) * 8);
  if (dtype == DType::boolean) return {kBool, 8, 1};
  if (dtype == DType::bfloat16) return {kBfloat, 16, 1};
  if (is_complex(dtype)) return {kComplex, bits, 1};
  if (is_floating(dtype)) return {kFloat, bits, 1};
  return {info(dtype).is_signed ? kInt : kUInt, bits, 1};
}

DType dtype_of(DlType type) {
  check(type.lanes == 1, "from_dlpack: vector types (lanes = ", type.lanes, ") are not supported");
  for (int i = 0; i < kDTypes; ++i) {
    const DType d = static_cast<DType>(i);
    if (!info(d).usable) continue;
    const DlType t = type_of(d);
    if (t.code == type.code && t.bits == type.bits) return d;
  }
  raise("from_dlpack: Unsupported type: code ", int{type.code}, " of ", int{type.bits}, " bits");
}

// What an exported capsule owns: the memory and the geometry.
template <class M>
struct Export {
  Lent lent;
  M managed;
  int64_t geometry[128];
};

template <class M>
M* exported(const Tensor& t) {
  note_read(t, "dlpack");
  char* const data = t.bytes();
  auto* const e = new Export<M>{Lent(t.impl()->storage()), {}, {}};
  const int64_t n = t.dim();
  for (int64_t d = 0; d < n; ++d) {
    e->geometry[d] = t.sizes()[d];
    e->geometry[64 + d] = t.strides()[d];
  }
  e->managed.tensor = {
      data, {kCpu, 0}, static_cast<int32_t>(n), type_of(t.dtype()), e->geometry, e->geometry + 64,
      0};
  e->managed.context = e;
  e->managed.deleter = [](M* m) { delete static_cast<Export<M>*>(m->context); };
  return &e->managed;
}

template <class M>
void drop_capsule(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;  // consumed
  auto* const m = static_cast<M*>(PyCapsule_GetPointer(capsule, name));
  m->deleter(m);
}

PyObject* to_capsule(const Tensor& t, bool versioned) {
  if (!versioned)
    return must(PyCapsule_New(exported<Managed>(t), "dltensor",
                              [](PyObject* c) { drop_capsule<Managed>(c, "dltensor"); }));
  auto* const m = exported<VersionedManaged>(t);
  m->major = 1;
  m->minor = 0;
  return must(PyCapsule_New(m, "dltensor_versioned", [](PyObject* c) {
    drop_capsule<VersionedManaged>(c, "dltensor_versioned");
  }));
}

void check_exportable(const Tensor& t) {
  check<TypeError>(t.device().is_cpu(),
                   "__dlpack__: only CPU tensors can be exported, this one is on ",
                   t.device().str());
  check<TypeError>(!(t.keys() & bit(Key::backend)) && t.impl()->storage(),
                   "__dlpack__: a tensor without memory of its own cannot be exported: unwrap it "
                   "first");
  check<TypeError>(info(t.dtype()).usable, "__dlpack__: torch.", dtype_name(t.dtype()),
                   " has no DLPack type");
  if (t.requires_grad())
    raise_python(PyExc_BufferError,
                 "Can't export tensors that require gradient, use tensor.detach()");
  if (t.is_conj() || t.is_neg())
    raise_python(PyExc_BufferError,
                 "Can't export tensors with the conjugate or negative bit set: resolve it first");
}

PyObject* dlpack(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  static const char* const kNames[] = {"stream", "max_version", "dl_device", "copy"};
  PyObject* given[4];
  read_arguments("__dlpack__", kNames, 0, args, n, kwnames, given);
  Tensor t = unwrap(self);
  check_exportable(t);
  bool versioned = false;
  if (given[1] && PyTuple_Check(given[1]) && PyTuple_GET_SIZE(given[1]) == 2)
    versioned = unwrap_int(PyTuple_GET_ITEM(given[1], 0)) >= 1;
  const bool copy = given[3] && given[3] != Py_None && is_true(given[3]);
  check_exportable(t);  // what was run above may have changed it
  if (copy) t = entry::clone(t, std::nullopt);
  return to_capsule(t, versioned);
}

PyObject* dlpack_device(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
  check<ValueError>(unwrap(self).device().is_cpu(),
                    "__dlpack_device__: only CPU tensors have a DLPack "
                    "device, this one is on ",
                    unwrap(self).device().str());
  return Py_BuildValue("(ii)", kCpu, 0);
}

template <class M>
Tensor imported(M* m) {
  const DlTensor& d = m->tensor;
  check(d.device.type == kCpu, "from_dlpack: Unsupported device type ", d.device.type,
        ": only CPU memory can be shared");
  const DType dtype = dtype_of(d.dtype);
  check<ValueError>(d.ndim >= 0 && d.ndim <= 64 && (d.shape || !d.ndim), "from_dlpack: ", d.ndim,
                    " dimensions");
  const Dims sizes(IntSpan(d.shape, d.ndim));
  const Dims strides = d.strides ? Dims(IntSpan(d.strides, d.ndim)) : contiguous_strides(sizes);
  for (const int64_t step : strides)
    check(step >= 0, "from_dlpack: negative strides are not supported: copy the array first");
  const auto release = [](void*, size_t, void* context) {
    memory::in_turn(
        [](void* managed) {
          auto* const owner = static_cast<M*>(managed);
          if (owner->deleter) owner->deleter(owner);
        },
        context);
  };
  char* const address = d.data ? static_cast<char*>(d.data) + d.byte_offset : nullptr;
  return over_memory("from_dlpack", address, dtype, sizes, strides, release, m);
}

PyObject* from_dlpack(PyObject*, PyObject* source) {
  return guarded([&]() -> PyObject* {
    Object capsule = Object::borrow(source);
    if (!PyCapsule_CheckExact(source)) {
      const Object method(must(PyObject_GetAttrString(source, "__dlpack__")));
      const Object version(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
      const Object none(must(PyTuple_New(0)));
      capsule = Object(PyObject_Call(method.get(), none.get(), version.get()));
      if (!capsule.get()) {  // an exporter from before versions
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw PythonError();
        PyErr_Clear();
        capsule = Object(must(PyObject_CallNoArgs(method.get())));
      }
    }
    if (PyCapsule_IsValid(capsule.get(), "dltensor_versioned")) {
      auto* const m =
          static_cast<VersionedManaged*>(PyCapsule_GetPointer(capsule.get(), "dltensor_versioned"));
      check(m->major == 1, "from_dlpack: version ", m->major, " of DLPack is not known here");
      Tensor t = imported(m);
      must(PyCapsule_SetName(capsule.get(), "used_dltensor_versioned"));
      if (m->flags & kReadOnly) t = entry::clone(t, std::nullopt);
      return wrap(std::move(t));
    }
    if (!PyCapsule_IsValid(capsule.get(), "dltensor"))
      raise(
          "from_dlpack: from_dlpack received an invalid capsule. Note that DLTensor capsules can "
          "be "
          "consumed only once");
    Tensor t = imported(static_cast<Managed*>(PyCapsule_GetPointer(capsule.get(), "dltensor")));
    must(PyCapsule_SetName(capsule.get(), "used_dltensor"));
    return wrap(std::move(t));
  });
}

PyObject* to_dlpack(PyObject*, PyObject* tensor) {
  return guarded([&]() -> PyObject* {
    check<TypeError>(is_tensor(tensor), "to_dlpack: expected a Tensor, got ",
                     Py_TYPE(tensor)->tp_name);
    check_exportable(unwrap(tensor));
    return to_capsule(unwrap(tensor), false);
  });
}

const NativeMethod kMethods[] = {
    {"__dlpack__", dlpack, "(*, stream=None, max_version=None, dl_device=None, copy=None)",
     "The tensor's memory as a DLPack capsule."},
    {"__dlpack_device__", dlpack_device, "()", "The DLPack device, (type, index)."},
};
PyMethodDef functions[] = {
    {"from_dlpack", from_dlpack, METH_O,
     "from_dlpack(ext_tensor)\n\nA tensor over the memory of an object with __dlpack__."},
    {"to_dlpack", to_dlpack, METH_O,
     "to_dlpack(tensor)\n\nThe tensor's memory as a DLPack capsule."},
    {}};

}  // namespace

bool init_dlpack(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 &&
         add_methods(kMethods, std::size(kMethods));
}

}  // namespace flambeau::python
