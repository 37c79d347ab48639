// Batch normalisation [+ residual] [+ ReLU]. Formulas as in minicnn/ops/batch_norm.py and norm_block.py.
// x, y, dy, dz, dx (pixels, C); mean, variance, weight, bias (C,).
//
// A slice is `span` neighbouring pixels, which one row of threads adds up, always in the same order; the slices' sums
// are added up by sum_slices (bias.cu). Sums are double, whatever REAL is: adding waits for memory.

// sums[s, 0, c] = Σ x − first        sums[s, 1, c] = Σ (x − first)²        over the pixels of slice s
// first: the first pixel, whose channels make x − first as small as the deviation of x, however large its mean.
extern "C" __global__ void add_moments(const REAL* x, double* sums, int slices, int span, int pixels, int channels)
{
    int slice = blockIdx.x * blockDim.y + threadIdx.y;
    if (slice >= slices) return;
    int end = min((slice + 1) * span, pixels);
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        double first = x[c], of_values = 0, of_squares = 0;
        for (int p = slice * span; p < end; p++) {
            double value = x[(long long)p * channels + c] - first;
            of_values += value;
            of_squares += value * value;
        }
        sums[(2LL * slice + 0) * channels + c] = of_values;
        sums[(2LL * slice + 1) * channels + c] = of_squares;
    }
}

// From the sums (2, C) over all pixels: mean and variance, and the terms (3, C) of `normalise`, mean, scale and bias.
// x − mean loses nothing with the rounded mean; what rounding took off the mean goes into the bias.
extern "C" __global__ void settle_moments(const double* sums, const REAL* x, const REAL* weight, const REAL* bias,
                                          REAL epsilon, REAL* mean, REAL* variance, REAL* terms, int pixels,
                                          int channels)
{
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double distance = sums[c] / pixels, exact = x[c] + distance;
    double spread = sums[channels + c] / pixels - distance * distance;
    spread = spread < 0 ? 0 : spread;
    double scale = weight[c] / sqrt(spread + epsilon);
    mean[c] = exact;
    variance[c] = spread;
    terms[c] = mean[c];
    terms[channels + c] = scale;
    terms[2 * channels + c] = bias[c] + scale * (mean[c] - exact);
}

// y = (x − mean)·scale + bias, plus the residual if `add`, and max with 0 if `relu`; one row of threads a pixel
extern "C" __global__ void normalise(const REAL* x, const REAL* terms, const REAL* residual, REAL* y, int add, int relu,
                                     int pixels, int channels)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;
    if (pixel >= pixels) return;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        long long i = (long long)pixel * channels + c;
        REAL value = (x[i] - terms[c]) * terms[channels + c] + terms[2 * channels + c];
        if (add) value += residual[i];
        y[i] = relu && value < 0 ? REAL(0) : value;
    }
}

// dz = dy where ReLU let values through (y > 0), or everywhere without `relu`; written where `keep`. Over slice s:
// sums[s, 0, c] = Σ dz        sums[s, 1, c] = Σ dz·(x − mean)        sums[s, 2, c] = Σ x − mean
extern "C" __global__ void add_gradients(const REAL* dy, const REAL* x, const REAL* y, const REAL* mean, REAL* dz,
                                         double* sums, int relu, int keep, int slices, int span, int pixels,
                                         int channels)
{
    int slice = blockIdx.x * blockDim.y + threadIdx.y;
    if (slice >= slices) return;
    int end = min((slice + 1) * span, pixels);
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        double of_gradients = 0, of_products = 0, of_values = 0;
        for (int p = slice * span; p < end; p++) {
            long long i = (long long)p * channels + c;
            REAL gradient = relu ? dy[i] * (y[i] > 0 ? 1 : 0) : dy[i];
            double value = (double)x[i] - mean[c];
            if (keep) dz[i] = gradient;
            of_gradients += gradient;
            of_products += gradient * value;
            of_values += value;
        }
        sums[(3LL * slice + 0) * channels + c] = of_gradients;
        sums[(3LL * slice + 1) * channels + c] = of_products;
        sums[(3LL * slice + 2) * channels + c] = of_values;
    }
}

// From the sums (3, C) over all pixels: dweight and dbias, and the terms (4, C) of `gradient`. In powers of x − mean,
//   dx = scale·(dz − dbias/M − x̂·dweight/M) = scale·dz − slope·(x − mean) − level
// with x̂ = (x − mean − rest) / deviation, where `rest` is what rounding took off the mean.
extern "C" __global__ void settle_gradients(const double* sums, const REAL* weight, const REAL* mean,
                                            const REAL* variance, REAL epsilon, REAL* dweight, REAL* dbias, REAL* terms,
                                            int pixels, int channels)
{
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double rest = sums[2 * channels + c] / pixels, deviation = sqrt((double)variance[c] + epsilon);
    double of_weight = (sums[channels + c] - rest * sums[c]) / deviation;
    double scale = weight[c] / deviation, slope = scale * of_weight / (pixels * deviation);
    dbias[c] = sums[c];
    dweight[c] = of_weight;
    terms[c] = mean[c];
    terms[channels + c] = scale;
    terms[2 * channels + c] = slope;
    terms[3 * channels + c] = scale * sums[c] / pixels - slope * rest;
}

// dx = scale·dz − slope·(x − mean) − level, where with `relu` dz counts only if y > 0; one row of threads a pixel
extern "C" __global__ void gradient(const REAL* dz, const REAL* y, const REAL* x, const REAL* terms, REAL* dx, int relu,
                                    int pixels, int channels)
{
    int pixel = blockIdx.x * blockDim.y + threadIdx.y;
    if (pixel >= pixels) return;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        long long i = (long long)pixel * channels + c;
        REAL through = relu ? dz[i] * (y[i] > 0 ? 1 : 0) : dz[i];
        dx[i] = terms[channels + c] * through - terms[2 * channels + c] * (x[i] - terms[c]) - terms[3 * channels + c];
    }
}
