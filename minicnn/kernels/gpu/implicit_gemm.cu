// Implicit GEMM: convolution as a matrix product whose matrix of windows never exists. On tensor cores, in TF32.
//
//     Y = im2col(X)·W + bias      X (N, H, W, C), W (KH·KW·C, F), Y (N·OH·OW, F)            as in ops/convolution.py
//     dW = im2col(X)ᵀ·dZ          dZ (N·OH·OW, F)
//     dX                          the same product as Y, of dZ and the flipped filters (implicit_gemm.py says how)
//
// im2col(X) holds every pixel KH·KW times. Written to the GPU's memory and read back, it is most of what a convolution
// moves. But a product is computed tile by tile anyway: a block of threads computes 128×BN numbers of the result, and
// walks along the summed dimension in steps of DEPTH numbers, with only
//
//     a (128 × DEPTH) and b (DEPTH × BN)
//
// in shared memory at any time. Here it gathers its part of im2col(X) straight from the picture when a step needs it;
// that a pixel is fetched again for its next window costs little, for it still lies in a cache.
//
// Three such pairs of tiles take turns: while tensor cores multiply one, the copies of the next two are on their way.
// The four warps share the 128×BN numbers among themselves, BN×32 to each, and keep them in registers to the end.
//
// TF32 is float32 with 10 instead of 23 bits of fraction. Inputs are rounded to it; products and sums are float32.

constexpr int THREADS = 128;  // a block: four warps
constexpr int ROWS = 128;     // of a tile of the result
constexpr int DEPTH = 16;     // summed numbers a step
constexpr int STAGES = 3;     // pairs of tiles in shared memory

// ---- the hardware's instructions ------------------------------------------------------------------------------------

#ifdef __CUDACC__  // other compilers, which build this file for a CPU, bring functions of these names and meanings

// Round to the nearest TF32 number.
__device__ inline unsigned to_tf32(float x)
{
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
    return rounded;
}

// sums += a·b, with sums (16, 8), a (16, 8) and b (8, 8) spread over the 32 threads of a warp, which call this together.
// Thread 4·g + t (g = 0…7, t = 0…3) holds of a the numbers [g, t], [g+8, t], [g, t+4], [g+8, t+4]; of b [t, g], [t+4, g];
// and of sums [g, 2t], [g, 2t+1], [g+8, 2t], [g+8, 2t+1]. (PTX ISA, "Matrix Fragments for mma.m16n8k8", .tf32)
__device__ inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Begin to copy COUNT (1 or 4) numbers to shared memory, or to fill with zeros where `inside` is false: the source is
// then not read. Nothing waits; four numbers are 16 bytes and must lie at a multiple of 16 on both sides.
template <int COUNT>
__device__ inline void begin_copy(float* shared, const float* source, bool inside)
{
    unsigned address = (unsigned)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 :: "r"(address), "l"(source), "n"(4 * COUNT), "r"(inside ? 4 * COUNT : 0) : "memory");
}

// End a group of copies: all that this thread began since it ended the last group.
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Wait until at most the PENDING newest groups of this thread are still on their way.
template <int PENDING>
__device__ inline void wait_for_groups() { asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory"); }

#endif

// ---- from the picture to shared memory ------------------------------------------------------------------------------

struct Geometry {
    int h, w, c, oh, ow, kh, kw, sh, sw, top, left;
};

// Window (i, j) of picture n: a row of im2col(X).
struct Window {
    int n, i, j;

    __device__ Window(int row, const Geometry& g) : n(row / g.ow / g.oh), i(row / g.ow % g.oh), j(row % g.ow) {}

    __device__ void advance(int rows, const Geometry& g)
    {
        for (j += rows; j >= g.ow; j -= g.ow) {
            if (++i == g.oh) i = 0, n++;
        }
    }
};

// Where a window lies: its pixel (0, 0) is pixel (y, x) of the picture, at `pixel` in memory. Any of them may be outside.
struct Corner {
    int y, x;
    const float* pixel;

    __device__ Corner(const float* picture, const Window& window, bool exists, const Geometry& g)
        : y(exists ? window.i * g.sh - g.top : -g.kh),  // a window that does not exist lies above the picture
          x(window.j * g.sw - g.left),
          pixel(picture + (((long long)window.n * g.h + y) * g.w + x) * g.c) {}
};

// Number (ky, kx, c) of a window: a column of im2col(X). Beyond the last one, ky is at least KH.
struct Element {
    int ky, kx, c;

    __device__ Element(int column, const Geometry& g) : ky(0), kx(0), c(0) { advance(column, g); }

    __device__ void advance(int columns, const Geometry& g)
    {
        for (c += columns; c >= g.c; c -= g.c) {
            if (++kx == g.kw) kx = 0, ky++;
        }
    }

    __device__ bool inside(const Corner& corner, const Geometry& g) const
    {
        int y = corner.y + ky, x = corner.x + kx;
        return ky < g.kh && y >= 0 && y < g.h && x >= 0 && x < g.w;
    }

    __device__ const float* address(const Corner& corner, const Geometry& g) const
    {
        return corner.pixel + ((long long)ky * g.w + kx) * g.c + c;
    }
};

// Whether rows of so many numbers can be copied four at a time.
__device__ bool by_four(const float* array, int row) { return row % 4 == 0 && (size_t)array % 16 == 0; }

// Copy four neighbouring numbers of im2col(X). They belong to one pixel where C is a multiple of 4, else to several.
__device__ void gather(float* shared, const Corner& corner, Element element, bool fours, const Geometry& g)
{
    if (fours) {
        begin_copy<4>(shared, element.address(corner, g), element.inside(corner, g));
        return;
    }
    for (int q = 0; q < 4; q++, element.advance(1, g)) {
        begin_copy<1>(shared + q, element.address(corner, g), element.inside(corner, g));
    }
}

// Copy b: DEPTH rows and BN columns of a matrix that ends at row `rows` and column `columns`. A row of shared memory
// has eight numbers more, so that the four rows that a warp reads at once lie in different banks.
template <int BN>
__device__ void copy_rows(float (*shared)[BN + 8], const float* matrix, int row, int rows, int column, int columns)
{
    bool fours = by_four(matrix, columns);
    for (int piece = threadIdx.x; piece < DEPTH * BN / 4; piece += THREADS) {
        int down = piece / (BN / 4), across = piece % (BN / 4) * 4, room = columns - column - across;
        bool exists = row + down < rows;
        const float* source = matrix + (long long)(row + down) * columns + column + across;
        float* target = &shared[down][across];
        if (fours) {
            begin_copy<4>(target, source, exists && room > 0);
            continue;
        }
        for (int q = 0; q < 4; q++) begin_copy<1>(target + q, source + q, exists && q < room);
    }
}

// ---- the product of tiles -------------------------------------------------------------------------------------------

// The numbers of the result that one warp computes: BN rows and 32 columns of the block's tile, in products of 16×8.
template <int BN>
struct WarpTile {
    float sums[BN / 16][4][4] = {};
    int row, column;  // of the first number, in the block's tile
    int g, t;         // this thread's place in the warp's products

    __device__ WarpTile()
        : row(threadIdx.x / 32 / (BN / 32) * BN), column(threadIdx.x / 32 % (BN / 32) * 32),
          g(threadIdx.x % 32 / 4), t(threadIdx.x % 4) {}

    // sums += a·b over one step. Number (m, k) of a lies at a[m·DOWN + k·ACROSS].
    template <int DOWN, int ACROSS>
    __device__ void add_product(const float* a, const float (*b)[BN + 8])
    {
#pragma unroll
        for (int k = 0; k < DEPTH; k += 8) {
            unsigned part_a[BN / 16][4], part_b[4][2];
#pragma unroll
            for (int m = 0; m < BN / 16; m++) {
                const float* first = a + (row + 16 * m + g) * DOWN + (k + t) * ACROSS;
                part_a[m][0] = to_tf32(first[0]);
                part_a[m][1] = to_tf32(first[8 * DOWN]);
                part_a[m][2] = to_tf32(first[4 * ACROSS]);
                part_a[m][3] = to_tf32(first[8 * DOWN + 4 * ACROSS]);
            }
#pragma unroll
            for (int f = 0; f < 4; f++) {
                part_b[f][0] = to_tf32(b[k + t][column + 8 * f + g]);
                part_b[f][1] = to_tf32(b[k + t + 4][column + 8 * f + g]);
            }
#pragma unroll
            for (int m = 0; m < BN / 16; m++) {
#pragma unroll
                for (int f = 0; f < 4; f++) multiply_add(sums[m][f], part_a[m], part_b[f]);
            }
        }
    }

    // Call write(row, column, two neighbouring numbers) for all that this thread has.
    template <typename Write>
    __device__ void for_each_pair(Write write) const
    {
#pragma unroll
        for (int m = 0; m < BN / 16; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
#pragma unroll
                for (int f = 0; f < 4; f++) {
                    const float* pair = &sums[m][f][2 * half];
                    write(row + 16 * m + 8 * half + g, column + 8 * f + 2 * t, pair[0], pair[1]);
                }
            }
        }
    }
};

// Walk along the summed dimension: load(stage) begins the copies of the next step's tiles, multiply(stage) adds their
// product. The barrier comes when this thread's copies have arrived: behind it everybody's have, and everybody has done
// with the product before, whose tiles the next copies overwrite.
template <typename Load, typename Multiply>
__device__ void walk(int steps, Load load, Multiply multiply)
{
    for (int step = 0; step < STAGES - 1; step++) {
        if (step < steps) load(step);
        end_group();
    }
    for (int step = 0; step < steps; step++) {
        wait_for_groups<STAGES - 2>();
        __syncthreads();
        int ahead = step + STAGES - 1;
        if (ahead < steps) load(ahead % STAGES);
        end_group();  // an empty one too, so that the waiting above counts right
        multiply(step % STAGES);
    }
}

__device__ void write_pair(float* row, int column, int columns, float first, float second)
{
    if (columns % 2 == 0) {
        if (column < columns) *(float2*)(row + column) = {first, second};
        return;
    }
    if (column < columns) row[column] = first;
    if (column + 1 < columns) row[column + 1] = second;
}

// ---- the kernels ----------------------------------------------------------------------------------------------------

// Where the numbers of window (n, i, j) go: to pixel (i·sh + top, j·sw + left) of picture n of y, h×w pixels large.
struct Target {
    int h, w, sh, sw, top, left;

    __device__ long long pixel(int row, const Geometry& g) const
    {
        if (sh == 1 && sw == 1) return row;  // every pixel of y has its window
        Window window(row, g);
        return ((long long)window.n * h + window.i * sh + top) * w + window.j * sw + left;
    }
};

// y = im2col(x)·weight + bias, and max with 0 if `relu`. One block a tile; those of the same rows are neighbours.
// a is (128, DEPTH) as it lies in the picture, channels side by side. With four numbers more in a row of shared memory,
// the eight rows × four columns that a warp reads at once lie in 32 different banks.
template <int BN>
__device__ void convolve_tile(const float* x, const float* weight, const float* bias, float* y, int relu, int rows,
                              int f, Geometry g, Target target)
{
    alignas(16) __shared__ float a[STAGES][ROWS][DEPTH + 4];
    alignas(16) __shared__ float b[STAGES][DEPTH][BN + 8];
    int across = (f + BN - 1) / BN, depth = g.kh * g.kw * g.c;
    int first_row = blockIdx.x / across * ROWS, first_column = blockIdx.x % across * BN;
    // This thread copies numbers 4·(thread mod 4) … + 3 of four windows, 32 rows apart.
    int piece = threadIdx.x % 4 * 4, down = threadIdx.x / 4, summed = 0;
    auto corner = [&](int row) { return Corner(x, Window(row, g), row < rows, g); };
    const Corner corners[] = {corner(first_row + down), corner(first_row + down + 32),
                              corner(first_row + down + 64), corner(first_row + down + 96)};
    Element element(piece, g);
    bool fours = by_four(x, g.c);
    auto load = [&](int stage) {
#pragma unroll
        for (int q = 0; q < 4; q++) gather(&a[stage][down + 32 * q][piece], corners[q], element, fours, g);
        copy_rows<BN>(b[stage], weight, summed, depth, first_column, f);
        element.advance(DEPTH, g);
        summed += DEPTH;
    };
    WarpTile<BN> tile;
    auto multiply = [&](int stage) { tile.template add_product<DEPTH + 4, 1>(a[stage][0], b[stage]); };
    walk((depth + DEPTH - 1) / DEPTH, load, multiply);
    tile.for_each_pair([&](int row, int column, float first, float second) {
        row += first_row, column += first_column;
        if (row >= rows || column >= f) return;
        first += bias[column];
        second += bias[min(column + 1, f - 1)];
        if (relu) first = first < 0 ? 0 : first, second = second < 0 ? 0 : second;  // NaN stays NaN
        write_pair(y + target.pixel(row, g) * f, column, f, first, second);
    });
}

// partial[p] = im2col(x)ᵀ·dz over piece p of the rows: `span` of them, from p·span on. One block a tile and a piece.
// a is (DEPTH, 128): a step takes 16 windows, and of each the 128 numbers that this tile of dW is about.
template <int BN>
__device__ void convolve_tile_backward(const float* x, const float* dz, float* partial, int rows, int span, int f,
                                       Geometry g)
{
    alignas(16) __shared__ float a[STAGES][DEPTH][ROWS + 8];
    alignas(16) __shared__ float b[STAGES][DEPTH][BN + 8];
    int across = (f + BN - 1) / BN, height = g.kh * g.kw * g.c;
    int first_row = blockIdx.x / across * ROWS, first_column = blockIdx.x % across * BN;
    int begin = blockIdx.y * span, end = min(begin + span, rows), summed = begin;
    // This thread copies numbers 4·(thread mod 32) … + 3, of this tile's 128, of four windows, 4 rows apart.
    int piece = threadIdx.x % 32 * 4, down = threadIdx.x / 32;
    Window windows[] = {Window(begin + down, g), Window(begin + down + 4, g),
                        Window(begin + down + 8, g), Window(begin + down + 12, g)};
    const Element element(first_row + piece, g);
    bool fours = by_four(x, g.c);
    auto load = [&](int stage) {
#pragma unroll
        for (int q = 0; q < 4; q++) {
            Corner corner(x, windows[q], summed + down + 4 * q < end, g);
            gather(&a[stage][down + 4 * q][piece], corner, element, fours, g);
            windows[q].advance(DEPTH, g);
        }
        copy_rows<BN>(b[stage], dz, summed, end, first_column, f);
        summed += DEPTH;
    };
    WarpTile<BN> tile;
    auto multiply = [&](int stage) { tile.template add_product<1, ROWS + 8>(a[stage][0], b[stage]); };
    walk((end - begin + DEPTH - 1) / DEPTH, load, multiply);
    tile.for_each_pair([&](int row, int column, float first, float second) {
        row += first_row, column += first_column;
        if (row >= height) return;
        write_pair(partial + ((long long)blockIdx.y * height + row) * f, column, f, first, second);
    });
}

#define GEOMETRY int h, int w, int c, int oh, int ow, int kh, int kw, int sh, int sw, int top, int left
#define TARGET int y_h, int y_w, int y_sh, int y_sw, int y_top, int y_left

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_32(
    const float* x, const float* weight, const float* bias, float* y, int relu, int rows, int f, GEOMETRY, TARGET)
{
    convolve_tile<32>(x, weight, bias, y, relu, rows, f, {h, w, c, oh, ow, kh, kw, sh, sw, top, left},
                      {y_h, y_w, y_sh, y_sw, y_top, y_left});
}

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_64(
    const float* x, const float* weight, const float* bias, float* y, int relu, int rows, int f, GEOMETRY, TARGET)
{
    convolve_tile<64>(x, weight, bias, y, relu, rows, f, {h, w, c, oh, ow, kh, kw, sh, sw, top, left},
                      {y_h, y_w, y_sh, y_sw, y_top, y_left});
}

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_backward_32(
    const float* x, const float* dz, float* partial, int rows, int span, int f, GEOMETRY)
{
    convolve_tile_backward<32>(x, dz, partial, rows, span, f, {h, w, c, oh, ow, kh, kw, sh, sw, top, left});
}

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_backward_64(
    const float* x, const float* dz, float* partial, int rows, int span, int f, GEOMETRY)
{
    convolve_tile_backward<64>(x, dz, partial, rows, span, f, {h, w, c, oh, ow, kh, kw, sh, sw, top, left});
}

// sums[i] = Σ_p partial[p, i], always in the same order.
extern "C" __global__ void sum_pieces(const float* partial, float* sums, int pieces, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float sum = 0;
    for (int p = 0; p < pieces; p++) sum += partial[(long long)p * count + i];
    sums[i] = sum;
}
