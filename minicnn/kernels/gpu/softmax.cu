// Softmax and cross-entropy, one block a row of logits. Formulas as in minicnn/ops/softmax.py.
// logits, probabilities, dlogits (N, K); labels (N,); losses (N,).

// Combine one value of every thread of the block, and give the result to all: half of the threads take over the other
// half's value, again and again. The block's size is a power of two, at most 256. The order is fixed, so every run
// gives the same bits.
struct Sum {
    __device__ REAL operator()(REAL a, REAL b) const { return a + b; }
};
struct Largest {
    __device__ REAL operator()(REAL a, REAL b) const { return a < b ? b : a; }
};

template <typename Combine>
__device__ REAL over_block(REAL value, Combine combine)
{
    __shared__ REAL values[256];
    values[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] = combine(values[threadIdx.x], values[threadIdx.x + half]);
    }
    __syncthreads();
    REAL result = values[0];
    __syncthreads();  // nobody may write the next values before all have read this one
    return result;
}

__device__ REAL row_largest(const REAL* row, int classes)
{
    REAL largest = row[0];
    for (int k = threadIdx.x; k < classes; k += blockDim.x) largest = Largest()(largest, row[k]);
    return over_block(largest, Largest());
}

__device__ REAL row_sum_of_powers(const REAL* row, int classes, REAL largest)
{
    REAL sum = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) sum += exp(row[k] - largest);
    return over_block(sum, Sum());
}

// p_k = e^(z_k − max) / Σ_j e^(z_j − max)
extern "C" __global__ void softmax(const REAL* logits, REAL* probabilities, int classes)
{
    const REAL* row = logits + (long long)blockIdx.x * classes;
    REAL* p = probabilities + (long long)blockIdx.x * classes;
    REAL largest = row_largest(row, classes);
    REAL sum = row_sum_of_powers(row, classes, largest);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) p[k] = exp(row[k] - largest) / sum;
}

// log p_k = z_k − max − log Σ_j e^(z_j − max)        loss_n = −((1 − ε)·log p_label + ε/K·Σ_k log p_k)
// A label that is no class makes the loss NaN: a GPU cannot raise an error, and must not read beyond the row.
extern "C" __global__ void softmax_cross_entropy(const REAL* logits, const long long* labels, REAL* probabilities,
                                                 REAL* losses, int classes, REAL label_share, REAL every_share)
{
    const REAL* row = logits + (long long)blockIdx.x * classes;
    REAL* p = probabilities + (long long)blockIdx.x * classes;
    REAL largest = row_largest(row, classes);
    REAL log_sum = log(row_sum_of_powers(row, classes, largest));
    REAL of_all = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        REAL log_p = row[k] - largest - log_sum;
        of_all += log_p;
        p[k] = exp(log_p);
    }
    of_all = over_block(of_all, Sum());
    if (threadIdx.x == 0) {
        long long label = labels[blockIdx.x];
        bool known = label >= 0 && label < classes;
        REAL of_label = known ? row[label] - largest - log_sum : log(REAL(-1));  // log of −1: NaN
        losses[blockIdx.x] = -(label_share * of_label + every_share * of_all);
    }
}

// dlogits = (p − q) / N, with the target q = (1 − ε)·onehot + ε/K; one thread an element
extern "C" __global__ void softmax_cross_entropy_backward(const REAL* probabilities, const long long* labels,
                                                          REAL* dlogits, int count, int classes, REAL label_share,
                                                          REAL every_share, REAL samples)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL target = (i % classes == labels[i / classes] ? label_share : REAL(0)) + every_share;
    dlogits[i] = (probabilities[i] - target) / samples;
}
