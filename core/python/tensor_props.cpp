// Properties of Tensor that describe it: geometry, dtype, device, layout. Those of autograd
// stand in autograd_tensor.cpp.
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

PyObject* truth(bool v) { return Py_NewRef(v ? Py_True : Py_False); }

PyObject* get_shape(PyObject* self) { return wrap_size(unwrap(self).sizes()); }
PyObject* get_ndim(PyObject* self) { return PyLong_FromLongLong(unwrap(self).dim()); }
PyObject* get_dtype(PyObject* self) { return wrap(unwrap(self).dtype()); }
PyObject* get_device(PyObject* self) { return wrap(unwrap(self).device()); }
PyObject* get_layout(PyObject* self) { return wrap(unwrap(self).layout()); }
PyObject* get_itemsize(PyObject* self) { return PyLong_FromSize_t(unwrap(self).itemsize()); }
PyObject* get_nbytes(PyObject* self) {
  const Tensor& t = unwrap(self);
  return PyLong_FromLongLong(t.numel() * static_cast<int64_t>(t.itemsize()));
}
template <DeviceType type>
PyObject* is_on(PyObject* self) {
  return truth(unwrap(self).device().type == type);
}
template <Layout layout>
PyObject* has_layout(PyObject* self) {
  return truth(unwrap(self).layout() == layout);
}
PyObject* get_is_quantized(PyObject* self) {
  const DType d = unwrap(self).dtype();
  return truth(d >= DType::qint8 && d <= DType::qint32);
}
PyObject* get_false(PyObject*) { Py_RETURN_FALSE; }
PyObject* get_none(PyObject*) { Py_RETURN_NONE; }

PyObject* get_cdata(PyObject* self) { return PyLong_FromVoidPtr(unwrap(self).impl()); }
PyObject* get_array_priority(PyObject*) { return PyLong_FromLong(1000); }

const Property properties[] = {
    {"shape", get_shape, nullptr, "The size of each dimension."},
    {"ndim", get_ndim, nullptr, "The number of dimensions."},
    {"dtype", get_dtype, nullptr, "The type of the elements."},
    {"device", get_device, nullptr, "Where the memory is."},
    {"layout", get_layout, nullptr, "How the elements are laid out."},
    {"itemsize", get_itemsize, nullptr, "Bytes per element."},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements."},
    {"is_cpu", is_on<DeviceType::cpu>, nullptr, "Whether the memory is the CPU's."},
    {"is_cuda", is_on<DeviceType::cuda>, nullptr, "Whether the memory is a CUDA device's."},
    {"is_meta", is_on<DeviceType::meta>, nullptr, "Whether there is no memory behind it."},
    {"is_mps", is_on<DeviceType::mps>, nullptr, "Whether the memory is an MPS device's."},
    {"is_xpu", is_on<DeviceType::xpu>, nullptr, "Whether the memory is an XPU's."},
    {"is_xla", is_on<DeviceType::xla>, nullptr, "Whether the memory is an XLA device's."},
    {"is_ipu", is_on<DeviceType::ipu>, nullptr, "Whether the memory is an IPU's."},
    {"is_hpu", is_on<DeviceType::hpu>, nullptr, "Whether the memory is an HPU's."},
    {"is_mtia", is_on<DeviceType::mtia>, nullptr, "Whether the memory is an MTIA device's."},
    {"is_maia", is_on<DeviceType::maia>, nullptr, "Whether the memory is a MAIA device's."},
    {"is_vulkan", is_on<DeviceType::vulkan>, nullptr, "Whether the memory is a Vulkan device's."},
    {"is_sparse", has_layout<Layout::sparse_coo>, nullptr, "Whether it is sparse."},
    {"is_sparse_csr", has_layout<Layout::sparse_csr>, nullptr, "Whether it is in CSR form."},
    {"is_mkldnn", has_layout<Layout::mkldnn>, nullptr, "Whether it has oneDNN's layout."},
    {"is_nested", get_false, nullptr, "Whether it is a nested tensor."},
    {"is_quantized", get_is_quantized, nullptr, "Whether the elements are quantised."},
    {"name", get_none, nullptr, "None; tensors have no names of their own."},
    {"_cdata", get_cdata, nullptr, "Identifies the tensor behind the Python object."},
    {"__array_priority__", get_array_priority, nullptr, nullptr},
};

}  // namespace

bool init_tensor_properties(PyObject*) { return add_properties(properties, std::size(properties)); }

}  // namespace flambeau::python
