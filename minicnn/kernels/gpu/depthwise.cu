// Depthwise convolution: filter f reads channel f / each alone. Shapes: x (N, H, W, C); weight (KH, KW, F);
// y, dy (N, OH, OW, F); F = C·each.
//
//     y[n, i, j, f] = Σ x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, f / each] · weight[ky, kx, f]  +  bias[f]
//
// There is no sum over channels, and so nothing for a matrix product to share. Neighbouring threads take neighbouring
// filters. Products of sizes that may pass 2³¹ are formed in 64 bits.

extern "C" __global__ void depthwise(const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int pixels, int each,
                                     int h, int w, int c, int oh, int ow, int kh, int kw, int sh, int sw,
                                     int dh, int dw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·OH + i)·OW + j
    if (pixel >= pixels) return;
    int row = pixel / ow % oh * sh - top, column = pixel % ow * sw - left, n = pixel / ow / oh, filters = c * each;
    for (int f = threadIdx.x; f < filters; f += blockDim.x) {
        REAL sum = bias[f];
        for (int ky = 0; ky < kh; ky++) {
            int py = row + ky * dh;
            if (py < 0 || py >= h) continue;
            for (int kx = 0; kx < kw; kx++) {
                int px = column + kx * dw;
                if (px < 0 || px >= w) continue;
                sum += x[(((long long)n * h + py) * w + px) * c + f / each] * weight[(ky * kw + kx) * filters + f];
            }
        }
        y[(long long)pixel * filters + f] = sum;
    }
}

// dx: every pixel collects from the windows over it, so that no two threads write to one place.
extern "C" __global__ void depthwise_input_gradient(const REAL* dy, const REAL* weight, REAL* dx, int pixels, int each,
                                                    int h, int w, int c, int oh, int ow, int kh, int kw,
                                                    int sh, int sw, int dh, int dw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·H + y)·W + x'
    if (pixel >= pixels) return;
    int down = pixel / w % h + top, across = pixel % w + left, n = pixel / w / h;  // its place in the padded picture
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL sum = 0;
        for (int ky = 0; ky < kh; ky++) {
            int i = (down - ky * dh) / sh;
            if (down - ky * dh < 0 || i * sh != down - ky * dh || i >= oh) continue;
            for (int kx = 0; kx < kw; kx++) {
                int j = (across - kx * dw) / sw;
                if (across - kx * dw < 0 || j * sw != across - kx * dw || j >= ow) continue;
                long long window = ((long long)n * oh + i) * ow + j;
                for (int f = channel * each; f < (channel + 1) * each; f++)
                    sum += dy[window * c * each + f] * weight[(ky * kw + kx) * c * each + f];
            }
        }
        dx[(long long)pixel * c + channel] = sum;
    }
}

// sums[s, ky, kx, f] = Σ dy·x over the `span` windows that slice s consists of; the slices are added up afterwards.
extern "C" __global__ void depthwise_weight_gradient(const REAL* dy, const REAL* x, REAL* sums, int slices, int span,
                                                     int windows, int each, int h, int w, int c, int oh, int ow,
                                                     int kh, int kw, int sh, int sw, int dh, int dw, int top, int left)
{
    int line = blockIdx.x * blockDim.y + threadIdx.y;  // (s·KH + ky)·KW + kx
    if (line >= slices * kh * kw) return;
    int kx = line % kw, ky = line / kw % kh, slice = line / kw / kh, filters = c * each;
    int end = min((slice + 1) * span, windows);
    for (int f = threadIdx.x; f < filters; f += blockDim.x) {
        REAL sum = 0;
        for (int window = slice * span; window < end; window++) {
            int py = window / ow % oh * sh + ky * dh - top, px = window % ow * sw + kx * dw - left, n = window / ow / oh;
            if (py >= 0 && py < h && px >= 0 && px < w)
                sum += dy[(long long)window * filters + f] * x[(((long long)n * h + py) * w + px) * c + f / each];
        }
        sums[(long long)line * filters + f] = sum;
    }
}
