// Decompositions of matrices, and what is solved with them, on LAPACK.
#pragma once

#include <optional>
#include <string_view>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// ---- batch.cpp: LinAlgError where a number that LAPACK gave for a matrix is not 0
void linalg_check_errors(const Tensor& info, std::string_view op, bool is_matrix);

// ---- cholesky.cpp
void linalg_cholesky_ex(const Tensor& L, const Tensor& info, const Tensor& self, bool upper,
                        bool check_errors);
void cholesky(const Tensor& out, const Tensor& self, bool upper);
void cholesky_solve(const Tensor& out, const Tensor& self, const Tensor& factor, bool upper);
void cholesky_inverse(const Tensor& out, const Tensor& self, bool upper);

// ---- triangular.cpp: X of A X = B, or of X A = B where A is not on the left
void solve_triangular(const Tensor& out, const Tensor& a, const Tensor& b, bool upper, bool left,
                      bool transpose, bool unitriangular);

// ---- lu.cpp
void linalg_lu_factor_ex(const Tensor& LU, const Tensor& pivots, const Tensor& info,
                         const Tensor& A, bool check_errors);
void linalg_lu(const Tensor& P, const Tensor& L, const Tensor& U, const Tensor& A);
void lu_unpack(const Tensor& P, const Tensor& L, const Tensor& U, const Tensor& LU,
               const Tensor& pivots, bool unpack_data, bool unpack_pivots);
void linalg_lu_solve(const Tensor& out, const Tensor& LU, const Tensor& pivots, const Tensor& B,
                     bool left, bool adjoint);
void linalg_solve_ex(const Tensor& result, const Tensor& LU, const Tensor& pivots,
                     const Tensor& info, const Tensor& A, const Tensor& B, bool left,
                     bool check_errors);
void linalg_inv_ex(const Tensor& inverse, const Tensor& info, const Tensor& A, bool check_errors);
void linalg_det(const Tensor& result, const Tensor& LU, const Tensor& pivots, const Tensor& A);
void linalg_slogdet(const Tensor& sign, const Tensor& logabsdet, const Tensor& LU,
                    const Tensor& pivots, const Tensor& A);

// ---- qr.cpp
void linalg_qr(const Tensor& Q, const Tensor& R, const Tensor& A, std::string_view mode);
void geqrf(const Tensor& a, const Tensor& tau, const Tensor& self);
void householder_product(const Tensor& out, const Tensor& input, const Tensor& tau);
void ormqr(const Tensor& out, const Tensor& self, const Tensor& tau, const Tensor& other, bool left,
           bool transpose);

// ---- spectral.cpp
void linalg_eigh(const Tensor& values, const Tensor& vectors, const Tensor& A,
                 std::string_view uplo, bool compute_v);
void linalg_svd(const Tensor& U, const Tensor& S, const Tensor& Vh, const Tensor& A,
                bool full_matrices, bool compute_uv);
void linalg_eig(const Tensor& values, const Tensor& vectors, const Tensor& self);
void linalg_eigvals(const Tensor& values, const Tensor& self);

// ---- least_squares.cpp. B and rank and singular lie as allocated here: by columns, and by rows
void lstsq(const Tensor& B, const Tensor& rank, const Tensor& singular, const Tensor& A,
           const Tensor& given, double rcond, std::string_view driver);

// ---- exponential.cpp
void matrix_exp(const Tensor& out, const Tensor& self);

}  // namespace flambeau::inline v1::cpu
