// From bytes to what a network reads, one thread a number. Formula as in minicnn/ops/images.py.

// y[n, h, w, c] = (images[n, h, w, c] / 255 − mean[c]) / std[c]
extern "C" __global__ void normalize_pixels(const unsigned char* images, const REAL* mean, const REAL* std, REAL* y,
                                            int count, int c)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = (REAL(images[i]) / 255 - mean[i % c]) / std[i % c];
}
