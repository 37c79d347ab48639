// Layer normalisation, one block a row. Formulas as in minicnn/ops/layer_norm.py.
// x, y, dy, dx (rows, C); mean, variance (rows,); weight, bias (C,). Sums are double: adding waits for memory.

// Add one value of every thread of the block, and give the result to all: half of the threads take over the other
// half's value, again and again. The block's size is a power of two, at most 256. The order is fixed, so every run
// gives the same bits.
__device__ double over_block(double value)
{
    __shared__ double values[256];
    values[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    }
    __syncthreads();
    double result = values[0];
    __syncthreads();  // nobody may write the next values before all have read this one
    return result;
}

// y = (x − mean)/√(variance + ε)·weight + bias
extern "C" __global__ void layer_norm(const REAL* x, const REAL* weight, const REAL* bias, REAL epsilon, REAL* y,
                                      REAL* mean, REAL* variance, int channels)
{
    const REAL* row = x + (long long)blockIdx.x * channels;
    REAL* target = y + (long long)blockIdx.x * channels;
    double sum = 0, squares = 0;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) sum += row[c];
    double centre = over_block(sum) / channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) squares += (row[c] - centre) * (row[c] - centre);
    double spread = over_block(squares) / channels, scale = 1 / sqrt(spread + epsilon);
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        target[c] = (row[c] - centre) * scale * weight[c] + bias[c];
    }
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = centre;
        variance[blockIdx.x] = spread;
    }
}

// dx = (dx̂ − 1/C·Σ dx̂ − x̂·1/C·Σ dx̂·x̂) / √(variance + ε), with dx̂ = weight·dy. `centres` (rows,) receives the mean
// again, with the digits that rounding took off it: x̂ = (x − centre)/√(variance + ε).
extern "C" __global__ void layer_norm_backward(const REAL* dy, const REAL* x, const REAL* weight, const REAL* mean,
                                               const REAL* variance, REAL epsilon, REAL* dx, double* centres,
                                               int channels)
{
    const REAL* row = x + (long long)blockIdx.x * channels;
    const REAL* gradient = dy + (long long)blockIdx.x * channels;
    REAL* target = dx + (long long)blockIdx.x * channels;
    double rest = 0, along_one = 0, along_x = 0, rounded = mean[blockIdx.x];
    double scale = 1 / sqrt((double)variance[blockIdx.x] + epsilon);
    for (int c = threadIdx.x; c < channels; c += blockDim.x) rest += row[c] - rounded;
    double centre = rounded + over_block(rest) / channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        double dx_hat = (double)gradient[c] * weight[c];
        along_one += dx_hat;
        along_x += dx_hat * (row[c] - centre) * scale;
    }
    along_one = over_block(along_one) / channels;
    along_x = over_block(along_x) / channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        double dx_hat = (double)gradient[c] * weight[c];
        target[c] = (dx_hat - along_one - (row[c] - centre) * scale * along_x) * scale;
    }
    if (threadIdx.x == 0) centres[blockIdx.x] = centre;
}

// sums[s, 0, c] = Σ dy·x̂        sums[s, 1, c] = Σ dy        over the `span` rows of slice s, added up by one row of
// threads; the slices' sums are added up by sum_slices (bias.cu)
extern "C" __global__ void add_row_gradients(const REAL* dy, const REAL* x, const double* centres, const REAL* variance,
                                             REAL epsilon, double* sums, int slices, int span, int rows, int channels)
{
    int slice = blockIdx.x * blockDim.y + threadIdx.y;
    if (slice >= slices) return;
    int end = min((slice + 1) * span, rows);
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        double of_weight = 0, of_bias = 0;
        for (int r = slice * span; r < end; r++) {
            long long i = (long long)r * channels + c;
            of_weight += dy[i] * (x[i] - centres[r]) / sqrt((double)variance[r] + epsilon);
            of_bias += dy[i];
        }
        sums[(2LL * slice + 0) * channels + c] = of_weight;
        sums[(2LL * slice + 1) * channels + c] = of_bias;
    }
}
