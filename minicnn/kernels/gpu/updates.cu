// One optimizer step on one parameter, in place, one thread a weight: every array is read and written once.
// Formulas as in minicnn/ops/updates.py; value w, grad, velocity v, mean m and square s hold `count` numbers.

// grad + λ·w; without decay the gradient alone, since 0 times an infinite weight is NaN
__device__ REAL decayed(REAL grad, REAL value, REAL weight_decay)
{
    return weight_decay != 0 ? grad + weight_decay * value : grad;
}

// w ← w − lr·g        with g = grad + λ·w
extern "C" __global__ void sgd(REAL* value, const REAL* grad, int count, REAL lr, REAL weight_decay)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL g = decayed(grad[i], value[i], weight_decay);
    value[i] -= lr * g;
}

// g = grad + λ·w        v ← μ·v + g        w ← w − lr·v        (Nesterov: w ← w − lr·(g + μ·v))
extern "C" __global__ void sgd_momentum(REAL* value, const REAL* grad, REAL* velocity, int count, REAL lr,
                                        REAL momentum, int nesterov, REAL weight_decay)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL g = decayed(grad[i], value[i], weight_decay);
    REAL v = momentum * velocity[i] + g;
    velocity[i] = v;
    value[i] -= lr * (nesterov ? g + momentum * v : v);
}

// m ← β₁·m + (1 − β₁)·g        s ← β₂·s + (1 − β₂)·g²        w ← w − lr · m̂ / (√ŝ + ε)
// with m̂ = m / mean_share, ŝ = s / square_share: the shares 1 − βᵗ are the same for all weights and come ready.
extern "C" __global__ void adam(REAL* value, const REAL* grad, REAL* mean, REAL* square, int count, REAL lr,
                                REAL beta1, REAL new1, REAL beta2, REAL new2, REAL mean_share, REAL square_share,
                                REAL epsilon, REAL weight_decay)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL g = decayed(grad[i], value[i], weight_decay);
    REAL m = beta1 * mean[i] + new1 * g;
    REAL s = beta2 * square[i] + new2 * g * g;
    mean[i] = m;
    square[i] = s;
    value[i] -= lr * (m / mean_share) / (sqrt(s / square_share) + epsilon);
}
