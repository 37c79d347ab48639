// Matrix products, the @ of the formulas. The page's time goes here, so they take four rows by four columns at once.

// a·b for a (M, K) and b (K, N); aᵀ·b for a (K, M) with transposeA; a·bᵀ for b (N, K) with transposeB. Returns (M, N).
export function matmul(a, b, transposeA = false, transposeB = false) {
  const [m, k] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const n = transposeB ? b.shape[0] : b.shape[1];
  // Element (i, p) of the left matrix lies at i·aRow + p·aStep, element (p, j) of the right one at p·bStep + j·bColumn.
  const [aRow, aStep] = transposeA ? [1, m] : [k, 1];
  const [bStep, bColumn] = transposeB ? [1, k] : [n, 1];
  const y = new Float64Array(m * n);
  const wholeRows = m - (m % 4);
  const wholeColumns = n - (n % 4);
  for (let i = 0; i < wholeRows; i += 4) {
    for (let j = 0; j < wholeColumns; j += 4) {
      fourByFour(a.data, i * aRow, aRow, aStep, b.data, j * bColumn, bColumn, bStep, k, y, i * n + j, n);
    }
  }
  for (let i = 0; i < m; i++) {
    rest(a.data, i * aRow, aStep, b.data, bStep, bColumn, k, y, i * n, i < wholeRows ? wholeColumns : 0, n);
  }
  return { shape: [m, n], data: y };
}

// Sixteen sums in registers: each of the eight numbers that are read takes part in four products.
function fourByFour(a, a0, aRow, aStep, b, b0, bColumn, bStep, k, y, place, n) {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0;
  let s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0;
  let s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let p = 0; p < k; p++) {
    const x0 = a[a0], x1 = a[a0 + aRow], x2 = a[a0 + 2 * aRow], x3 = a[a0 + 3 * aRow];
    const w0 = b[b0], w1 = b[b0 + bColumn], w2 = b[b0 + 2 * bColumn], w3 = b[b0 + 3 * bColumn];
    s00 += x0 * w0; s01 += x0 * w1; s02 += x0 * w2; s03 += x0 * w3;
    s10 += x1 * w0; s11 += x1 * w1; s12 += x1 * w2; s13 += x1 * w3;
    s20 += x2 * w0; s21 += x2 * w1; s22 += x2 * w2; s23 += x2 * w3;
    s30 += x3 * w0; s31 += x3 * w1; s32 += x3 * w2; s33 += x3 * w3;
    a0 += aStep;
    b0 += bStep;
  }
  y[place] = s00; y[place + 1] = s01; y[place + 2] = s02; y[place + 3] = s03;
  place += n;
  y[place] = s10; y[place + 1] = s11; y[place + 2] = s12; y[place + 3] = s13;
  place += n;
  y[place] = s20; y[place + 1] = s21; y[place + 2] = s22; y[place + 3] = s23;
  place += n;
  y[place] = s30; y[place + 1] = s31; y[place + 2] = s32; y[place + 3] = s33;
}

// The columns from `first` on of one row of the product; whatever lies beside each other in b is read in that order.
function rest(a, a0, aStep, b, bStep, bColumn, k, y, row, first, n) {
  if (bStep === 1) {
    for (let j = first; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[a0 + p * aStep] * b[p + j * bColumn];
      y[row + j] = sum;
    }
    return;
  }
  for (let p = 0; p < k; p++) {
    const value = a[a0 + p * aStep];
    for (let j = first; j < n; j++) y[row + j] += value * b[p * bStep + j];
  }
}
