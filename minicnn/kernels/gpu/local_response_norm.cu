// Local response normalisation, one row of threads a pixel. Formulas as in minicnn/ops/local_response_norm.py.
// x, y, dy, dx, products (pixels, C).

// s = k + share·Σ x²   over the `size` channels of c's window that exist
__device__ REAL energy(const REAL* pixel, int c, int size, REAL share, REAL k, int channels)
{
    REAL sum = 0;
    for (int j = max(c - size / 2, 0); j <= min(c + (size - 1) / 2, channels - 1); j++) sum += pixel[j] * pixel[j];
    return k + share * sum;
}

// y = x / s^β
extern "C" __global__ void divide_by_energy(const REAL* x, REAL* y, int size, REAL share, REAL beta, REAL k, int pixels,
                                            int channels)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;
    if (pixel >= pixels) return;
    const REAL* row = x + (long long)pixel * channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        y[(long long)pixel * channels + c] = row[c] / pow(energy(row, c, size, share, k, channels), beta);
    }
}

// dx = dy / s^β        products = dy·x / s^(β + 1)
extern "C" __global__ void divide_gradient(const REAL* dy, const REAL* x, REAL* dx, REAL* products, int size, REAL share,
                                           REAL beta, REAL k, int pixels, int channels)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;
    if (pixel >= pixels) return;
    const REAL* row = x + (long long)pixel * channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        long long i = (long long)pixel * channels + c;
        REAL s = energy(row, c, size, share, k, channels), divided = dy[i] / pow(s, beta);
        dx[i] = divided;
        products[i] = divided * row[c] / s;
    }
}

// dx ← dx − factor·x·Σ products   over the channels whose window c lies in
extern "C" __global__ void take_off_energy(const REAL* products, const REAL* x, REAL* dx, int size, REAL factor,
                                           int pixels, int channels)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;
    if (pixel >= pixels) return;
    const REAL* row = products + (long long)pixel * channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        REAL sum = 0;
        for (int j = max(c - (size - 1) / 2, 0); j <= min(c + size / 2, channels - 1); j++) sum += row[j];
        dx[(long long)pixel * channels + c] -= factor * x[(long long)pixel * channels + c] * sum;
    }
}
