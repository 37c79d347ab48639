// Softmax and cross-entropy. The twin of minicnn/ops/softmax.py.
//
//   p_k = e^(z_k) / Σ_j e^(z_j)        L = mean over n of −Σ_k q_k·log p_k        dlogits = (p − q) / N
//   q_k = (1 − ε)·[k = label] + ε/K,   ε the label smoothing
//
// logits, probabilities (N, K); labels: N class numbers.

import { scalar, zeros } from "../tensor.js";

export function softmax_cross_entropy(logits, labels, label_smoothing = 0) {
  const [n, k] = logits.shape;
  const log_p = log_softmax(logits);
  const q = target(labels, k, label_smoothing);
  let loss = 0;
  for (let i = 0; i < q.data.length; i++) if (q.data[i] !== 0) loss -= q.data[i] * log_p.data[i];
  return { loss: scalar(loss / n), probabilities: { shape: [n, k], data: log_p.data.map(Math.exp) } };
}

export function softmax_cross_entropy_backward(probabilities, labels, label_smoothing = 0) {
  const [n, k] = probabilities.shape;
  const q = target(labels, k, label_smoothing);
  return { shape: [n, k], data: probabilities.data.map((p, i) => (p - q.data[i]) / n) };
}

// log p_k = z_k − max − log Σ_j e^(z_j − max), exact where p_k itself is 0
export function log_softmax(logits) {
  const [n, k] = logits.shape;
  const log_p = zeros([n, k]);
  for (let row = 0; row < n; row++) {
    const z = logits.data.subarray(row * k, (row + 1) * k);
    const max = z.reduce((a, b) => Math.max(a, b));
    const logOfSum = Math.log(z.reduce((sum, v) => sum + Math.exp(v - max), 0));
    for (let i = 0; i < k; i++) log_p.data[row * k + i] = z[i] - max - logOfSum;
  }
  return log_p;
}

// q (N, K): the label's class, softened
export function target(labels, k, label_smoothing) {
  const q = zeros([labels.length, k]);
  q.data.fill(label_smoothing / k);
  labels.forEach((label, row) => (q.data[row * k + label] += 1 - label_smoothing));
  return q;
}
