// im2col and col2im. Shapes and formulas as in minicnn/ops/columns.py:
//
//     columns[(n, i, j), (ky, kx, c)] = x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c]        (0 outside the picture)
//
// x (N, H, W, C); columns (N·OH·OW, KH·KW·C). Products of sizes that may pass 2³¹ are formed in 64 bits.

// Copy one line a row of threads: the KW·C numbers that window (n, i, j) has in its row ky. Without dilation they are
// neighbours in columns and in x alike, so that kx and c need not be told apart: number e of the line is number first + e
// of x's row. With dilation, each kx skips DW − 1 pixels.
extern "C" __global__ void im2col(const REAL* x, REAL* columns, int count, int h, int w, int c, int oh, int ow,
                                  int kh, int kw, int sh, int sw, int dh, int dw, int top, int left)
{
    int line = blockIdx.x * blockDim.y + threadIdx.y;  // ((n·OH + i)·OW + j)·KH + ky
    if (line >= count) return;
    int ky = line % kh, window = line / kh;
    int j = window % ow, i = window / ow % oh, n = window / ow / oh;
    int y = i * sh + ky * dh - top;
    int first = (j * sw - left) * c;
    const REAL* row = x + ((long long)n * h + y) * w * c;
    REAL* target = columns + (long long)line * kw * c;
    for (int e = threadIdx.x; e < kw * c; e += blockDim.x) {
        int place = first + (dw == 1 ? e : e + e / c * (dw - 1) * c);
        bool inside = y >= 0 && y < h && place >= 0 && place < w * c;
        target[e] = inside ? row[place] : REAL(0);
    }
}

// The windows that lie over a pixel, on one axis: window i spreads over the padded places i·stride … i·stride + length − 1.
struct Windows {
    int first, last;
    __device__ Windows(int place, int length, int stride, int count)
        : first(place < length ? 0 : (place - length) / stride + 1), last(min(place / stride, count - 1)) {}
};

// Give every pixel the sum of its copies. Windows overlap, so each pixel collects from the windows that lie over it,
// always in the same order: no two threads write to one place, nothing is atomic, and every run gives the same bits.
// Going from the last window to the first goes through the offsets ky and kx upwards, as the formula does. Of a dilated
// window, the pixel may lie between two elements.
extern "C" __global__ void col2im(const REAL* columns, REAL* x, int pixels, int h, int w, int c, int oh, int ow,
                                  int kh, int kw, int sh, int sw, int dh, int dw, int top, int left)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;  // (n·H + y)·W + x'
    if (pixel >= pixels) return;
    int down = pixel / w % h + top, across = pixel % w + left, n = pixel / w / h;  // its place in the padded picture
    Windows rows(down, (kh - 1) * dh + 1, sh, oh), cols(across, (kw - 1) * dw + 1, sw, ow);
    for (int channel = threadIdx.x; channel < c; channel += blockDim.x) {
        REAL sum = 0;
        for (int i = rows.last; i >= rows.first; i--) {
            for (int j = cols.last; j >= cols.first; j--) {
                long long window = ((long long)n * oh + i) * ow + j;
                int ky = (down - i * sh) / dh, kx = (across - j * sw) / dw;
                if (ky * dh != down - i * sh || kx * dw != across - j * sw) continue;
                sum += columns[((window * kh + ky) * kw + kx) * c + channel];
            }
        }
        x[(long long)pixel * c + channel] = sum;
    }
}
