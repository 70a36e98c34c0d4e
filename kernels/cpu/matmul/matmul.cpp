// Matrix products of tensors, on the packed GEMM; integers on a product of their own.

#include "flambeau/kernels/matmul.h"

#include "kernels/cpu/matmul/gemm/gemm.h"
#include "kernels/cpu/matmul/integer.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

bool gemm_type(DType dtype, GemmType* type) {
  switch (dtype) {
    case DType::float32:
      *type = GemmType::f32;
      return true;
    case DType::float64:
      *type = GemmType::f64;
      return true;
    case DType::bfloat16:
      *type = GemmType::bf16;
      return true;
    case DType::float16:
      *type = GemmType::f16;
      return true;
    case DType::complex64:
      *type = GemmType::c64;
      return true;
    case DType::complex128:
      *type = GemmType::c128;
      return true;
    default:
      return false;
  }
}

GemmScalar scalar(const Scalar& s) {
  const std::complex<double> c = s.to_complex();
  return {c.real(), c.imag()};
}

// A 1-d tensor is a column.
Matrix matrix(const Tensor& t) {
  if (t.dim() == 1) return {t.bytes(), t.strides()[0], 0};
  const int64_t n = t.dim();
  return {t.bytes(), t.strides()[n - 2], t.strides()[n - 1]};
}

// `self` broadcast to (rows, columns).
Matrix addend(const Tensor& self) {
  const int64_t n = self.dim();
  const auto stride = [&](int64_t d) {
    return d < 0 || self.sizes()[d] == 1 ? int64_t{0} : self.strides()[d];
  };
  return {self.bytes(), stride(n - 2), stride(n - 1)};
}

struct Product {
  int64_t batch, m, n, k;
  Matrix a, b;
  int64_t a_step, b_step;  // between members of the batch
};

// out = alpha * a b + beta * bias; out is row-major.
void product(const char* op, const Tensor& out, const Product& p, const Scalar& alpha,
             const Scalar& beta, const Tensor& self) {
  if (out.numel() == 0) return;
  Matrix bias;
  int64_t bias_step = 0;
  const bool has_bias = self.defined() && !beta.equal(0);
  if (has_bias) {
    bias = addend(self);
    if (self.dim() == 3 && self.sizes()[0] != 1) bias_step = self.strides()[0];
  }
  GemmType type;
  if (gemm_type(out.dtype(), &type)) {
    Epilogue epilogue;
    if (has_bias) {
      epilogue.bias = bias;
      epilogue.bias_scale = scalar(beta);
    }
    const MutableMatrix c{out.bytes(), p.n, 1};
    if (p.batch == 1) return gemm(type, p.m, p.n, p.k, scalar(alpha), p.a, p.b, 0, c, epilogue);
    const BatchDim dims{p.batch, p.a_step, p.b_step, p.m * p.n, bias_step};
    return gemm_batched(type, 1, &dims, p.m, p.n, p.k, scalar(alpha), p.a, p.b, 0, c, epilogue);
  }
  check(is_integral(out.dtype(), false), op, ": not implemented for ", dtype_name(out.dtype()),
        ": convert with .to(torch.float32) first");
  integer_product(
      out,
      {p.batch, p.m, p.n, p.k, p.a, p.b, p.a_step, p.b_step, has_bias ? &bias : nullptr, bias_step},
      alpha.to_int(), beta.to_int());
}

Product matrices(const Tensor& a, const Tensor& b) {
  return {1, a.sizes()[0], b.sizes()[1], a.sizes()[1], matrix(a), matrix(b), 0, 0};
}

Product with_vector(const Tensor& a, const Tensor& v) {
  return {1, a.sizes()[0], 1, a.sizes()[1], matrix(a), matrix(v), 0, 0};
}

Product batches(const Tensor& a, const Tensor& b) {
  return {a.sizes()[0], a.sizes()[1], b.sizes()[2],   a.sizes()[2],
          matrix(a),    matrix(b),    a.strides()[0], b.strides()[0]};
}

void inner(const char* op, const Tensor& out, const Tensor& a, const Tensor& b, bool conj) {
  Product p{1, 1, 1, a.numel(), {a.bytes(), 0, a.strides()[0], conj}, matrix(b), 0, 0};
  product(op, out, p, 1, 0, {});
}

// A vector added to a matrix-vector product is a column of the result.
Tensor as_column(const Tensor& v) {
  if (v.dim() == 0) return v;
  const int64_t sizes[] = {v.sizes()[0], 1}, strides[] = {v.strides()[0], 1};
  return Tensor::alias(v, sizes, strides, v.offset());
}

}  // namespace

void mm(const Tensor& out, const Tensor& self, const Tensor& mat2) {
  product("mm", out, matrices(self, mat2), 1, 0, {});
}
void bmm(const Tensor& out, const Tensor& self, const Tensor& mat2) {
  product("bmm", out, batches(self, mat2), 1, 0, {});
}
void mv(const Tensor& out, const Tensor& self, const Tensor& vec) {
  product("mv", out, with_vector(self, vec), 1, 0, {});
}
void dot(const Tensor& out, const Tensor& self, const Tensor& tensor) {
  inner("dot", out, self, tensor, false);
}
void vdot(const Tensor& out, const Tensor& self, const Tensor& other) {
  inner("vdot", out, self, other, true);
}
void addmm(const Tensor& out, const Tensor& self, const Tensor& mat1, const Tensor& mat2,
           const Scalar& beta, const Scalar& alpha) {
  product("addmm", out, matrices(mat1, mat2), alpha, beta, self);
}
void addmv(const Tensor& out, const Tensor& self, const Tensor& mat, const Tensor& vec,
           const Scalar& beta, const Scalar& alpha) {
  product("addmv", out, with_vector(mat, vec), alpha, beta, as_column(self));
}
void baddbmm(const Tensor& out, const Tensor& self, const Tensor& batch1, const Tensor& batch2,
             const Scalar& beta, const Scalar& alpha) {
  product("baddbmm", out, batches(batch1, batch2), alpha, beta, self);
}

}  // namespace flambeau::inline v1::cpu
