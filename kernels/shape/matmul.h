// Shape and dtype rules of matrix products.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/shape/spec.h"

namespace flambeau::shape {

template <class T>
void check_same_dtype(const char* op, const T& a, const T& b) {
  check(a.dtype() == b.dtype(), op,
        ": expected m1 and m2 to have the same dtype, but got: ", dtype_name(a.dtype()),
        " != ", dtype_name(b.dtype()), "; convert one with .to()");
}

template <class T>
Spec mm(const T& self, const T& mat2) {
  check(self.dim() == 2, "mm: self must be a matrix, got ", self.dim(), "-D tensor of shape ",
        show(self.sizes()));
  check(mat2.dim() == 2, "mm: mat2 must be a matrix, got ", mat2.dim(), "-D tensor of shape ",
        show(mat2.sizes()));
  check(self.sizes()[1] == mat2.sizes()[0], "mm: mat1 and mat2 shapes cannot be multiplied (",
        self.sizes()[0], "x", self.sizes()[1], " and ", mat2.sizes()[0], "x", mat2.sizes()[1], ")");
  check_same_dtype("mm", self, mat2);
  return {{self.sizes()[0], mat2.sizes()[1]}, self.dtype(), {}};
}

template <class T>
Spec bmm(const T& self, const T& mat2) {
  check(self.dim() == 3 && mat2.dim() == 3,
        "bmm: batch1 and batch2 must be 3D tensors, got shapes ", show(self.sizes()), " and ",
        show(mat2.sizes()));
  const auto a = self.sizes(), b = mat2.sizes();
  check(a[0] == b[0] && a[2] == b[1],
        "bmm: Expected size for first two dimensions of batch2 tensor "
        "to be: [",
        a[0], ", ", a[2], "] but got: [", b[0], ", ", b[1], "].");
  check(self.dtype() == mat2.dtype(), "bmm: expected scalar type ", dtype_name(self.dtype()),
        " but found ", dtype_name(mat2.dtype()));
  return {{a[0], a[1], b[2]}, self.dtype(), {}};
}

template <class T>
Spec mv(const T& self, const T& vec) {
  check(self.dim() == 2 && vec.dim() == 1, "mv: vector + matrix @ vector expected, got ",
        self.dim(), "-D matrix and ", vec.dim(), "-D vector");
  check(self.sizes()[1] == vec.sizes()[0], "mv: size mismatch, got input (", self.sizes()[0], "x",
        self.sizes()[1], "), vec (", vec.sizes()[0], ")");
  check_same_dtype("mv", self, vec);
  return {{self.sizes()[0]}, self.dtype(), {}};
}

template <class T>
Spec dot(const T& self, const T& tensor) {
  check(self.dim() == 1 && tensor.dim() == 1, "dot: 1D tensors expected, but got ", self.dim(),
        "D and ", tensor.dim(), "D tensors");
  check(self.dtype() == tensor.dtype(), "dot: expected both vectors to have same dtype, but found ",
        dtype_name(self.dtype()), " and ", dtype_name(tensor.dtype()));
  check(self.numel() == tensor.numel(), "dot: inconsistent tensor size, expected tensor ",
        show(self.sizes()), " and src ", show(tensor.sizes()),
        " to have the same number of elements");
  return {{}, self.dtype(), {}};
}

template <class T>
void check_addend(const char* op, const T& self, const Spec& product) {
  check(self.dtype() == product.dtype, op, ": self and mat2 must have the same dtype, but got ",
        dtype_name(self.dtype()), " and ", dtype_name(product.dtype));
  const Dims shape = broadcast(self.sizes(), product.sizes, op);
  check(same(shape, product.sizes), op, ": The expanded size of the tensor ", show(product.sizes),
        " must match the existing size ", show(self.sizes()));
}

template <class T>
Spec addmm(const T& self, const T& mat1, const T& mat2, const Scalar&, const Scalar&) {
  check(mat1.dim() == 2 && mat2.dim() == 2, "addmm: mat1 and mat2 must be matrices, got ",
        mat1.dim(), "-D and ", mat2.dim(), "-D tensors");
  const Spec product = mm(mat1, mat2);
  check_addend("addmm", self, product);
  return product;
}

template <class T>
Spec addmv(const T& self, const T& mat, const T& vec, const Scalar&, const Scalar&) {
  const Spec product = mv(mat, vec);
  check_addend("addmv", self, product);
  return product;
}

template <class T>
Spec baddbmm(const T& self, const T& batch1, const T& batch2, const Scalar&, const Scalar&) {
  const Spec product = bmm(batch1, batch2);
  check_addend("baddbmm", self, product);
  return product;
}

}  // namespace flambeau::shape
