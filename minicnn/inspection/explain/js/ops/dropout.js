// Inverted dropout: each value is set to zero with probability `rate`, the rest are scaled up.
// The twin of minicnn/ops/dropout.py: the same seed gives the same mask.
//
//   keep_i = [hash(seed, i) ≥ rate · 2³²]        y = x ⊙ keep / (1 − rate)        dx = dy ⊙ keep / (1 − rate)

// x: any shape. seed: its lower and its upper 32 bits. Returns {y, keep}.
export function dropout(x, rate, [low, high]) {
  const limit = Math.floor(rate * 2 ** 32);
  const keep = { shape: x.shape, data: new Uint8Array(x.data.length) };
  for (let i = 0; i < keep.data.length; i++) keep.data[i] = mixed(mixed(i ^ low) ^ high) >= limit ? 1 : 0;
  return { y: dropout_backward(x, keep, rate), keep };
}

export function dropout_backward(dy, keep, rate) {
  return { shape: dy.shape, data: dy.data.map((d, i) => d * keep.data[i] * (1 / (1 - rate))) };
}

// MurmurHash3's finalizer: every bit of the word depends on every bit that went in.
function mixed(word) {
  word ^= word >>> 16;
  word = Math.imul(word, 0x85ebca6b);
  word ^= word >>> 13;
  word = Math.imul(word, 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
