// A row added to every row of a matrix, and the sum of all its rows: a bias, forward and backward.
// y, dy (rows, F); bias (F,).

// y[r, f] ← y[r, f] + bias[f], and max with 0 where `relu` asks for it: what follows a matrix product, in one pass.
extern "C" __global__ void add_bias(REAL* y, const REAL* bias, int relu, int rows, int f)
{
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    for (int column = threadIdx.x; column < f; column += blockDim.x) {
        REAL value = y[(long long)row * f + column] + bias[column];
        y[(long long)row * f + column] = relu && value < 0 ? REAL(0) : value;
    }
}

// y ← y + residual, and max with 0 where `relu` asks for it: the end of a residual block. Both of `count` elements.
extern "C" __global__ void add_residual(REAL* y, const REAL* residual, int relu, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL value = y[i] + residual[i];
    y[i] = relu && value < 0 ? REAL(0) : value;
}

// sums[s, f] = Σ dy[r, f]   over the `span` rows r that slice s consists of. Run again on the sums until one row is
// left, this adds in the shape of a tree: in a fixed order, and with a rounding error that grows with its depth only.
extern "C" __global__ void sum_slices(const REAL* dy, REAL* sums, int slices, int span, int rows, int f)
{
    int slice = blockIdx.x * blockDim.y + threadIdx.y;
    if (slice >= slices) return;
    int end = min((slice + 1) * span, rows);
    for (int column = threadIdx.x; column < f; column += blockDim.x) {
        REAL sum = 0;
        for (int row = slice * span; row < end; row++) sum += dy[(long long)row * f + column];
        sums[(long long)slice * f + column] = sum;
    }
}
