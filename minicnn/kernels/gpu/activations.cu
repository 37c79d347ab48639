// Activations, one thread an element. Formulas as in minicnn/ops/activations.py; x, y, dy, dx hold `count` numbers.
// A kernel is found by its name, that of the operation: arrays first, then the result, the count, and the settings.
// tanh forward is a single CuPy operation already, and its name is taken in C.

// Where e^(−|x|) is 0 whatever REAL is, x is kept at ±FAR, as infinity times 0 would be NaN.
#define FAR REAL(800)
__device__ REAL near(REAL x) { return x < -FAR ? -FAR : x > FAR ? FAR : x; }

// y = max(x, 0)
extern "C" __global__ void relu(const REAL* x, REAL* y, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] < 0 ? REAL(0) : x[i];  // NaN stays NaN
}

// dx = dy ⊙ [y > 0]
extern "C" __global__ void relu_backward(const REAL* dy, const REAL* y, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * REAL(y[i] > 0);
}

// σ(x) = 1 / (1 + e⁻ˣ), with e^(−|x|) ≤ 1 the only power that is formed: no x overflows
__device__ REAL logistic(REAL x)
{
    REAL small = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + small) : small / (1 + small);
}

// y = σ(x)
extern "C" __global__ void sigmoid(const REAL* x, REAL* y, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = logistic(x[i]);
}

// dx = dy ⊙ y ⊙ (1 − y)
extern "C" __global__ void sigmoid_backward(const REAL* dy, const REAL* y, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

// dx = dy ⊙ (1 − y²)
extern "C" __global__ void tanh_backward(const REAL* dy, const REAL* y, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

// y = min(max(x, 0), 6)
extern "C" __global__ void relu6(const REAL* x, REAL* y, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] < 0 ? REAL(0) : x[i] > 6 ? REAL(6) : x[i];  // NaN stays NaN
}

// dx = dy ⊙ [0 < y < 6]
extern "C" __global__ void relu6_backward(const REAL* dy, const REAL* y, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * REAL(y[i] > 0 && y[i] < 6);
}

// y = x for x > 0, else slope·x, where 0 times infinity is 0
extern "C" __global__ void leaky_relu(const REAL* x, REAL* y, int count, REAL slope)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] > 0 ? x[i] : x[i] < 0 && slope == 0 ? REAL(0) : slope * x[i];
}

// dx = dy where y > 0, else slope·dy
extern "C" __global__ void leaky_relu_backward(const REAL* dy, const REAL* y, REAL* dx, int count, REAL slope)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

// y = x·σ(x)
extern "C" __global__ void silu(const REAL* x, REAL* y, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = (x[i] < -FAR ? -FAR : x[i]) * logistic(x[i]);
}

// dx = dy ⊙ σ(x) ⊙ (1 + x ⊙ (1 − σ(x)))
extern "C" __global__ void silu_backward(const REAL* dy, const REAL* x, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL share = logistic(x[i]);
    dx[i] = dy[i] * share * (1 + near(x[i]) * (1 - share));
}

// Φ(x) = ½·erfc(−x/√2), the share of the normal distribution below x
__device__ REAL normal_share_below(REAL x) { return erfc(-x * REAL(0.70710678118654752)) / 2; }

// y = x·Φ(x)
extern "C" __global__ void gelu(const REAL* x, REAL* y, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = (x[i] < -FAR ? -FAR : x[i]) * normal_share_below(x[i]);
}

// dx = dy ⊙ (Φ(x) + x·φ(x)), with φ(x) = e^(−x²/2) / √(2π)
extern "C" __global__ void gelu_backward(const REAL* dy, const REAL* x, REAL* dx, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    REAL v = near(x[i]);
    dx[i] = dy[i] * (normal_share_below(x[i]) + v * exp(-v * v / 2) * REAL(0.39894228040143268));
}
