// Runs a CUDA kernel on a CPU: what a .cu file needs from CUDA, and a launch that is a loop over blocks and threads.
//
// A kernel whose threads wait for each other, at __syncthreads() or for a product by their warp, runs each thread of a
// block as a coroutine that stops there until the others have come. Threads run one after the other, forwards or
// backwards: a result that depends on their order is a race. Use: compile a .cu file with this header before it and
// EXPORT(kernel) for each kernel after it.
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static  // one block runs at a time, so its threads may share a static variable
#define __launch_bounds__(...)

struct dim3 {
    unsigned int x, y, z;
};
struct float2 {
    float x, y;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

template <typename T>
static T max(T a, T b) { return a < b ? b : a; }
template <typename T>
static T min(T a, T b) { return b < a ? b : a; }

// ---- barriers -------------------------------------------------------------------------------------------------------

// A place where `size` threads wait for each other; `round` counts how often all have come.
struct Barrier {
    unsigned int size, arrived, round;
};
static Barrier block_barrier;

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool finished;
    Barrier* barrier;    // where this thread has last waited
    unsigned int round;  // and in which round
};
static const size_t stack_size = 64 * 1024;
static ucontext_t scheduler;
static Thread* running;

static void wait_at(Barrier& barrier)
{
    running->barrier = &barrier;
    running->round = barrier.round;
    if (++barrier.arrived == barrier.size) barrier.arrived = 0, barrier.round++;
    swapcontext(&running->context, &scheduler);
}

static void __syncthreads() { wait_at(block_barrier); }

template <typename Body>
static void start_thread(Body* body)
{
    (*body)();
    running->finished = true;
    swapcontext(&running->context, &scheduler);
}

static dim3 thread_index(unsigned int number)
{
    return {number % blockDim.x, number / blockDim.x % blockDim.y, number / blockDim.x / blockDim.y};
}

static void start_warps(unsigned int threads);

// Run one block; false when some of its threads waited at a barrier that others never reached.
template <typename Body>
static bool run_block(Body& body, bool barriers, bool backwards)
{
    unsigned int count = blockDim.x * blockDim.y * blockDim.z;
    if (!barriers) {
        for (unsigned int t = 0; t < count; t++) {
            threadIdx = thread_index(backwards ? count - 1 - t : t);
            body();
        }
        return true;
    }
    static std::vector<Thread> threads;
    if (threads.size() < count) threads.resize(count);
    block_barrier = {count, 0, 0};
    start_warps(count);
    for (unsigned int t = 0; t < count; t++) {
        Thread& thread = threads[t];
        if (!thread.stack) thread.stack.reset(new char[stack_size]);
        thread.finished = false;
        thread.barrier = nullptr;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = stack_size;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, (void (*)())start_thread<Body>, 1, &body);
    }
    for (unsigned int finished = 0; finished < count;) {  // each thread in turn, up to the next barrier
        bool all_wait = true;
        for (unsigned int t = 0; t < count; t++) {
            unsigned int number = backwards ? count - 1 - t : t;
            Thread& thread = threads[number];
            bool waits = thread.barrier && thread.barrier->round == thread.round;
            if (thread.finished || waits) continue;
            all_wait = false;
            running = &thread;
            threadIdx = thread_index(number);
            swapcontext(&scheduler, &thread.context);
            finished += thread.finished;
        }
        if (all_wait) return false;
    }
    return true;
}

// ---- what the threads of a warp do together, and copies that take their time (minicnn/kernels/gpu/implicit_gemm.cu) --

// TF32 has 10 bits of mantissa: float32 without the last 13.
static float cut_to_tf32(unsigned int bits)
{
    bits &= ~0x1fffu;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// cvt.rna.tf32.f32: to the nearest, and from the middle away from zero. What is no number stays as it is.
static unsigned int to_tf32(float x)
{
    unsigned int bits;
    memcpy(&bits, &x, sizeof bits);
    return isfinite(x) ? (bits + 0x1000) & ~0x1fffu : bits;
}

// The registers that the threads of a warp give to a product, and the copies that each of them has begun.
struct Copy {
    float* target;
    float value;
};
struct Warp {
    Barrier barrier;
    unsigned int a[32][4], b[32][2];
    std::vector<std::vector<Copy>> groups[32];  // of each thread, the oldest first; the last one is still open
};
static std::vector<Warp> warps;
static bool misaligned;  // whether a copy was begun from or to an address that is no multiple of its size

static void start_warps(unsigned int threads)
{
    warps.assign((threads + 31) / 32, Warp());
    for (Warp& warp : warps) {
        warp.barrier = {32, 0, 0};
        for (auto& groups : warp.groups) groups.resize(1);
    }
}

static unsigned int thread_number() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32, which cuts its inputs to TF32. Where the numbers of the matrices
// lie is copied from the PTX ISA, "Matrix Fragments for mma.m16n8k8", with its names.
static void multiply_add(float (&c)[4], const unsigned int (&a)[4], const unsigned int (&b)[2])
{
    Warp& warp = warps[thread_number() / 32];
    unsigned int laneid = thread_number() % 32;
    memcpy(warp.a[laneid], a, sizeof a);
    memcpy(warp.b[laneid], b, sizeof b);
    wait_at(warp.barrier);
    float matrix_a[16][8], matrix_b[8][8];
    for (unsigned int lane = 0; lane < 32; lane++) {
        unsigned int groupID = lane >> 2, threadID_in_group = lane % 4;
        for (int i = 0; i < 4; i++) {
            unsigned int row = i == 0 || i == 2 ? groupID : groupID + 8;
            unsigned int col = i == 0 || i == 1 ? threadID_in_group : threadID_in_group + 4;
            matrix_a[row][col] = cut_to_tf32(warp.a[lane][i]);
        }
        for (int i = 0; i < 2; i++) {
            unsigned int row = i == 0 ? threadID_in_group : threadID_in_group + 4;
            matrix_b[row][groupID] = cut_to_tf32(warp.b[lane][i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        unsigned int row = i < 2 ? laneid >> 2 : (laneid >> 2) + 8, col = laneid % 4 * 2 + (i & 1);
        for (int k = 0; k < 8; k++) c[i] += matrix_a[row][k] * matrix_b[k][col];
    }
    wait_at(warp.barrier);  // before anyone gives the registers of the next product
}

// cp.async of 16 bytes: nobody may count on the target's old numbers once the copy has begun, nor on the new ones before
// the wait.
static void begin_copy(float* target, const float* source, bool inside)
{
    if ((size_t)target % 16 != 0 || (size_t)source % 16 != 0) misaligned = true;
    std::vector<Copy>& group = warps[thread_number() / 32].groups[thread_number() % 32].back();
    for (int i = 0; i < 4; i++) {
        group.push_back({target + i, inside ? source[i] : 0});
        target[i] = NAN;
    }
}

static void end_group() { warps[thread_number() / 32].groups[thread_number() % 32].emplace_back(); }

template <int PENDING>
static void wait_for_groups()
{
    auto& groups = warps[thread_number() / 32].groups[thread_number() % 32];
    for (; groups.size() > PENDING + 1; groups.erase(groups.begin())) {
        for (const Copy& copy : groups.front()) *copy.target = copy.value;
    }
}

// ---- launch ---------------------------------------------------------------------------------------------------------

// geometry: grid x, y, z, block x, y, z, whether the kernel has barriers, whether to run backwards.
template <typename... Arguments, size_t... Index>
static int run_grid(void (*kernel)(Arguments...), const unsigned int* geometry, void** arguments,
                    std::index_sequence<Index...>)
{
    gridDim = {geometry[0], geometry[1], geometry[2]};
    blockDim = {geometry[3], geometry[4], geometry[5]};
    auto body = [&] { kernel(*(Arguments*)arguments[Index]...); };
    unsigned int count = gridDim.x * gridDim.y * gridDim.z;
    misaligned = false;
    for (unsigned int b = 0; b < count; b++) {
        unsigned int block = geometry[7] ? count - 1 - b : b;
        blockIdx = {block % gridDim.x, block / gridDim.x % gridDim.y, block / gridDim.x / gridDim.y};
        if (!run_block(body, geometry[6], geometry[7])) return 1;
    }
    return misaligned ? 2 : 0;
}

// Where to go on when a thread touches memory that is forbidden: back in `launch`, whatever stack the thread ran on.
static sigjmp_buf stopped;

static void stop(int) { siglongjmp(stopped, 1); }

template <typename... Arguments>
static int launch(void (*kernel)(Arguments...), const unsigned int* geometry, void** arguments)
{
    struct sigaction action = {}, before;
    action.sa_handler = stop;
    sigaction(SIGSEGV, &action, &before);
    int failed = 3;
    if (sigsetjmp(stopped, 1) == 0) {
        failed = run_grid(kernel, geometry, arguments, std::index_sequence_for<Arguments...>{});
    }
    sigaction(SIGSEGV, &before, nullptr);
    return failed;
}

// ---- what a kernel's parameters are, as NumPy calls them: "const float32*,float32*,int32" ---------------------------

template <typename T>
static std::string type_name()
{
    if constexpr (std::is_pointer_v<T>) {
        using Pointee = std::remove_pointer_t<T>;
        return (std::is_const_v<Pointee> ? "const " : "") + type_name<std::remove_const_t<Pointee>>() + "*";
    }
    if (std::is_same_v<T, bool>) return "bool";
    std::string kind = std::is_floating_point_v<T> ? "float" : std::is_unsigned_v<T> ? "uint" : "int";
    return kind + std::to_string(8 * sizeof(T));
}

template <typename... Arguments>
static const char* signature(void (*)(Arguments...))
{
    static std::string text;
    text.clear();
    ((text += type_name<Arguments>() + ","), ...);
    return text.c_str();
}

#define EXPORT(kernel)                                                                                          \
    extern "C" int launch_##kernel(const unsigned int* geometry, void** arguments)                              \
    {                                                                                                           \
        return launch(kernel, geometry, arguments);                                                             \
    }                                                                                                           \
    extern "C" const char* signature_##kernel() { return signature(kernel); }
