// From bytes to what a network reads, one thread a number. Formulas as in minicnn/ops/images.py.

// y[n, i, j, c] = images[n, top + i, left + j', c], 0 beyond the edges; j' = j, or width − 1 − j where mirrored
extern "C" __global__ void crop_and_flip(const unsigned char* images, const int* windows, unsigned char* y, int count,
                                         int h, int w, int c, int height, int width)
{
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= count) return;
    int channel = index % c;
    int j = index / c % width;
    int i = index / c / width % height;
    int n = index / c / width / height;
    int top = windows[3 * n], left = windows[3 * n + 1], mirrored = windows[3 * n + 2];
    int row = top + i, column = left + (mirrored ? width - 1 - j : j);
    bool inside = row >= 0 && row < h && column >= 0 && column < w;
    y[index] = inside ? images[((n * h + row) * w + column) * c + channel] : 0;
}

// y[n, h, w, c] = (images[n, h, w, c] / 255 − mean[c]) / std[c]
extern "C" __global__ void normalize_pixels(const unsigned char* images, const REAL* mean, const REAL* std, REAL* y,
                                            int count, int c)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = (REAL(images[i]) / 255 - mean[i % c]) / std[i % c];
}
