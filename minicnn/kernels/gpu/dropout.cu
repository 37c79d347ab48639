// Inverted dropout, one thread an element. Formulas as in minicnn/ops/dropout.py: the same hash of (seed, i), so that
// the mask is the same on every device.

// MurmurHash3's finalizer: every bit of the result depends on every bit that went in.
__device__ unsigned int mix(unsigned int word)
{
    word = (word ^ (word >> 16)) * 0x85EBCA6Bu;
    word = (word ^ (word >> 13)) * 0xC2B2AE35u;
    return word ^ (word >> 16);
}

// keep_i = [hash(seed, i) ≥ rate · 2³²]        y = x ⊙ keep / (1 − rate)
extern "C" __global__ void dropout(const REAL* x, REAL* y, bool* keep, int count, unsigned int seed_low,
                                   unsigned int seed_high, unsigned int threshold, REAL scale)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    keep[i] = mix(mix(i ^ seed_low) ^ seed_high) >= threshold;
    y[i] = x[i] * REAL(keep[i]) * scale;
}

// dx = dy ⊙ keep / (1 − rate)
extern "C" __global__ void dropout_backward(const REAL* dy, const bool* keep, REAL* dx, int count, REAL scale)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * REAL(keep[i]) * scale;
}
