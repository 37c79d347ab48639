// Local response normalisation: each number is divided by a power of the energy of its neighbours across channels.
// The twin of minicnn/ops/local_response_norm.py.
//
//   s[c] = k + α/size · Σ x[j]²   over j = c − ⌊size/2⌋ … c + ⌊(size − 1)/2⌋        y[c] = x[c] / s[c]^β
//   dx[c] = dy[c] / s[c]^β  −  2·α·β/size · x[c] · Σ dy[j] ⊙ x[j] / s[j]^(β + 1)
//           over j = c − ⌊(size − 1)/2⌋ … c + ⌊size/2⌋
//
// x, y, dy, dx (N, H, W, C).

import { mapped, mapped2, zeros } from "../tensor.js";

export function local_response_norm(x, size, alpha, beta, k) {
  return mapped2(x, energies(x, size, alpha, k), (v, s) => v / s ** beta);
}

export function local_response_norm_backward(dy, x, size, alpha, beta, k) {
  const s = energies(x, size, alpha, k);
  const weighed = mapped2(
    mapped2(dy, x, (d, v) => d * v),
    s,
    (v, e) => v / e ** (beta + 1),
  );
  const through_s = sumOverChannels(weighed, Math.floor((size - 1) / 2), Math.floor(size / 2));
  const own = mapped2(dy, s, (d, e) => d / e ** beta);
  return mapped2(
    own,
    mapped2(x, through_s, (v, t) => v * t),
    (d, t) => d - ((2 * alpha * beta) / size) * t,
  );
}

// s
export function energies(x, size, alpha, k) {
  const sums = sumOverChannels(
    mapped(x, (v) => v * v),
    Math.floor(size / 2),
    Math.floor((size - 1) / 2),
  );
  return mapped(sums, (sum) => k + (alpha / size) * sum);
}

// For each channel c the sum over channels c − before … c + after, of which those outside count as 0.
function sumOverChannels(t, before, after) {
  const channels = t.shape[3];
  const sums = zeros(t.shape);
  for (let place = 0; place < t.data.length; place++) {
    const c = place % channels;
    const end = Math.min(c + after, channels - 1);
    for (let j = Math.max(c - before, 0); j <= end; j++) sums.data[place] += t.data[place - c + j];
  }
  return sums;
}
