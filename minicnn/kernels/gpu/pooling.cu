// Max and average pooling, and the end of a convolution block. Shapes and formulas as in minicnn/ops/pooling.py.
//
// Forward, one row of threads an output pixel (n, i, j), along its channels; backward, one an input pixel (n, y, x'),
// which collects from the windows over it, always in the same order: nothing is atomic. INDEX holds an arg max: the
// element (ky, kx) of a window has the index ky·KW + kx.

// The windows that lie over a pixel, on one axis: window i covers the padded places i·stride … i·stride + length − 1.
struct Windows {
    int first, last;
    __device__ Windows(int place, int length, int stride, int count)
        : first(place < length ? 0 : (place - length) / stride + 1), last(min(place / stride, count - 1)) {}
};

// What the pool reads: the picture itself, or a convolution's product before its bias and ReLU.
struct Picture {
    const REAL* x;
    __device__ REAL operator()(long long element, int channel) const { return x[element]; }
};

struct BiasedProduct {
    const REAL* z;
    const REAL* bias;
    int relu;
    __device__ REAL operator()(long long element, int channel) const
    {
        REAL value = z[element] + bias[channel];
        return relu && value < 0 ? REAL(0) : value;  // NaN stays NaN
    }
};

// The largest element of a window and its index: of equal ones the first, and NaN before any number, since
// !(value <= best) holds for a greater number and for NaN; once best is NaN (best != best), it stays. The index is
// written if `indices` are wanted.
template <typename Source>
__device__ void pool_largest(Source source, REAL* y, INDEX* argmax, int indices, int pixels, int h, int w, int c,
                             int oh, int ow, int kh, int kw, int sh, int sw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·OH + i)·OW + j
    if (pixel >= pixels) return;
    int j = pixel % ow, i = pixel / ow % oh, n = pixel / ow / oh;
    int y0 = i * sh - top, x0 = j * sw - left;  // where the window starts; above or left of the picture in the padding
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL best = log(REAL(0));  // −∞, which the run-time compiler has no name for
        INDEX where = 0;
        for (int ky = max(0, -y0); ky < min(kh, h - y0); ky++) {
            for (int kx = max(0, -x0); kx < min(kw, w - x0); kx++) {
                REAL value = source((((long long)n * h + y0 + ky) * w + x0 + kx) * c + channel, channel);
                if (!(value <= best) && best == best) {
                    best = value;
                    where = ky * kw + kx;
                }
            }
        }
        y[(long long)pixel * c + channel] = best;
        if (indices) argmax[(long long)pixel * c + channel] = where;
    }
}

// y[n, i, j, c] = max over (ky, kx) of x[n, i·SH + ky − top, j·SW + kx − left, c]        (−∞ in the padding)
extern "C" __global__ void max_pool(const REAL* x, REAL* y, INDEX* argmax, int indices, int pixels, int h, int w, int c,
                                    int oh, int ow, int kh, int kw, int sh, int sw, int top, int left)
{
    pool_largest(Picture{x}, y, argmax, indices, pixels, h, w, c, oh, ow, kh, kw, sh, sw, top, left);
}

// The same over relu(z + bias): the end of a block, without writing the convolution's output.
extern "C" __global__ void bias_relu_max_pool(const REAL* z, const REAL* bias, int relu, REAL* y, INDEX* argmax,
                                              int indices, int pixels, int h, int w, int c, int oh, int ow, int kh,
                                              int kw, int sh, int sw, int top, int left)
{
    pool_largest(BiasedProduct{z, bias, relu}, y, argmax, indices, pixels, h, w, c, oh, ow, kh, kw, sh, sw, top, left);
}

// dx[n, y, x', c] = Σ dy[n, i, j, c]   over the windows (i, j) whose arg max is the pixel (y, x').
// In a block with ReLU, y is its output, and what ReLU set to zero gets no gradient: dy ⊙ [y > 0].
extern "C" __global__ void max_pool_backward(const REAL* dy, const REAL* y, int relu, const INDEX* argmax, REAL* dx,
                                             int pixels, int h, int w, int c, int oh, int ow, int kh, int kw, int sh,
                                             int sw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·H + row)·W + x'
    if (pixel >= pixels) return;
    int down = pixel / w % h + top, across = pixel % w + left, n = pixel / w / h;  // its place in the padded picture
    Windows rows(down, kh, sh, oh), cols(across, kw, sw, ow);
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL sum = 0;
        for (int i = rows.last; i >= rows.first; i--) {
            for (int j = cols.last; j >= cols.first; j--) {
                long long output = (((long long)n * oh + i) * ow + j) * c + channel;
                if (argmax[output] != (down - i * sh) * kw + across - j * sw) continue;
                sum += relu ? dy[output] * REAL(y[output] > 0) : dy[output];
            }
        }
        dx[(long long)pixel * c + channel] = sum;
    }
}

// y[n, i, j, c] = 1/(KH·KW) · Σ_ky Σ_kx x[n, i·SH + ky − top, j·SW + kx − left, c]        (0 in the padding)
extern "C" __global__ void avg_pool(const REAL* x, REAL* y, int pixels, int h, int w, int c, int oh, int ow, int kh,
                                    int kw, int sh, int sw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·OH + i)·OW + j
    if (pixel >= pixels) return;
    int j = pixel % ow, i = pixel / ow % oh, n = pixel / ow / oh;
    int y0 = i * sh - top, x0 = j * sw - left;
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL sum = 0;
        for (int ky = max(0, -y0); ky < min(kh, h - y0); ky++) {
            for (int kx = max(0, -x0); kx < min(kw, w - x0); kx++) {
                sum += x[(((long long)n * h + y0 + ky) * w + x0 + kx) * c + channel];
            }
        }
        y[(long long)pixel * c + channel] = sum / (kh * kw);
    }
}

// dx[n, y, x', c] = 1/(KH·KW) · Σ dy[n, i, j, c]   over the windows (i, j) that the pixel (y, x') lies in.
extern "C" __global__ void avg_pool_backward(const REAL* dy, REAL* dx, int pixels, int h, int w, int c, int oh, int ow,
                                             int kh, int kw, int sh, int sw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·H + row)·W + x'
    if (pixel >= pixels) return;
    int down = pixel / w % h + top, across = pixel % w + left, n = pixel / w / h;  // its place in the padded picture
    Windows rows(down, kh, sh, oh), cols(across, kw, sw, ow);
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL sum = 0;
        for (int i = rows.last; i >= rows.first; i--) {
            for (int j = cols.last; j >= cols.first; j--) {
                sum += dy[(((long long)n * oh + i) * ow + j) * c + channel];
            }
        }
        dx[(long long)pixel * c + channel] = sum / (kh * kw);
    }
}

// y[n, c] = 1/(H·W) · Σ x[n, pixel, c]   over all pixels of picture n, added up in double
extern "C" __global__ void global_avg_pool(const REAL* x, REAL* y, int images, int pixels, int c)
{
    int n = blockIdx.x * blockDim.y + threadIdx.y;
    if (n >= images) return;
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        double sum = 0;
        for (int pixel = 0; pixel < pixels; pixel++) sum += x[((long long)n * pixels + pixel) * c + channel];
        y[(long long)n * c + channel] = sum / pixels;
    }
}

// dx[n, pixel, c] = dy[n, c] / (H·W), for all N·H·W pixels
extern "C" __global__ void global_avg_pool_backward(const REAL* dy, REAL* dx, int all_pixels, int pixels, int c)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // n·H·W + its place in the picture
    if (pixel >= all_pixels) return;
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        dx[(long long)pixel * c + channel] = dy[(long long)(pixel / pixels) * c + channel] / pixels;
    }
}
