// Runs a CUDA kernel on a CPU: what a .cu file needs from CUDA, and a launch that is a loop over blocks and threads.
//
// A kernel with __syncthreads() runs each thread of a block as a coroutine that stops at every barrier until the others
// have come there. Threads run one after the other, forwards or backwards: a result that depends on their order is a
// race. Use: compile a .cu file with this header before it and EXPORT(kernel) for each kernel after it.
#include <math.h>
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

struct dim3 {
    unsigned int x, y, z;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

template <typename T>
static T max(T a, T b) { return a < b ? b : a; }
template <typename T>
static T min(T a, T b) { return b < a ? b : a; }

// ---- barriers -------------------------------------------------------------------------------------------------------

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool finished;
};
static const size_t stack_size = 64 * 1024;
static ucontext_t scheduler;
static Thread* running;

static void __syncthreads() { swapcontext(&running->context, &scheduler); }

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
    for (unsigned int t = 0; t < count; t++) {
        Thread& thread = threads[t];
        if (!thread.stack) thread.stack.reset(new char[stack_size]);
        thread.finished = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = stack_size;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, (void (*)())start_thread<Body>, 1, &body);
    }
    for (unsigned int finished = 0; finished < count;) {  // from one barrier to the next
        finished = 0;
        for (unsigned int t = 0; t < count; t++) {
            unsigned int number = backwards ? count - 1 - t : t;
            running = &threads[number];
            threadIdx = thread_index(number);
            swapcontext(&scheduler, &running->context);
            finished += running->finished;
        }
        if (finished != 0 && finished != count) return false;
    }
    return true;
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
    for (unsigned int b = 0; b < count; b++) {
        unsigned int block = geometry[7] ? count - 1 - b : b;
        blockIdx = {block % gridDim.x, block / gridDim.x % gridDim.y, block / gridDim.x / gridDim.y};
        if (!run_block(body, geometry[6], geometry[7])) return 1;
    }
    return 0;
}

template <typename... Arguments>
static int launch(void (*kernel)(Arguments...), const unsigned int* geometry, void** arguments)
{
    return run_grid(kernel, geometry, arguments, std::index_sequence_for<Arguments...>{});
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
