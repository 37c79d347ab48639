// Implicit GEMM: convolution as a matrix product whose matrix of windows never exists. On tensor cores, in TF32.
//
//     Y = im2col(X)·W + bias      X (N, H, W, C), W (KH·KW·C, F), Y (N·OH·OW, F), as in minicnn/ops/convolution.py
//     dW = im2col(X)ᵀ·dZ          dZ (N·OH·OW, F)
//     dX                          the same product as Y, of dZ and the flipped filters: implicit_gemm.py says how
//
// im2col(X) holds every pixel KH·KW times. Written to the GPU's memory and read back, it is most of what a convolution
// moves. But a product is computed tile by tile anyway: a block of threads computes 128×BN numbers of the result, and
// walks along the summed dimension in steps of 16 numbers, for each of which it needs only two small matrices,
//
//     a (128, 16) from the left factor and b (16, BN) from the right one,
//
// in shared memory. Here it gathers a straight from the picture when a step needs it; that a pixel is fetched again for
// the next window costs little, for it still lies in a cache. Three such pairs take turns: while tensor cores multiply
// one, the copies of the next two are on their way. The four warps share the 128×BN numbers among themselves, BN×32 to
// each, and keep them in registers to the end.
//
// TF32 is float32 with 10 instead of 23 bits of mantissa. Inputs are rounded to it; products and sums are float32.
// Nothing is atomic, and every sum has a fixed order: every run gives the same bits.

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

// sums += a·b, with sums (16, 8), a (16, 8) and b (8, 8) spread over the 32 threads of a warp, who call this together.
// Thread 4·g + t, with g = 0…7 and t = 0…3, holds of
//
//     a       [g, t], [g + 8, t], [g, t + 4], [g + 8, t + 4]
//     b       [t, g], [t + 4, g]
//     sums    [g, 2t], [g, 2t + 1], [g + 8, 2t], [g + 8, 2t + 1]
//
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k8", .tf32.
__device__ inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Begin to copy four numbers to shared memory, or to fill with zeros where `inside` is false: the source is then not
// read. Nothing waits. Both sides must lie at a multiple of 16 bytes.
__device__ inline void begin_copy(float* shared, const float* source, bool inside)
{
    unsigned address = (unsigned)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;"
                 :: "r"(address), "l"(source), "r"(inside ? 16 : 0) : "memory");
}

// End a group of copies: all that this thread began since it ended the last group.
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Wait until at most the PENDING newest groups of this thread are still on their way.
template <int PENDING>
__device__ inline void wait_for_groups() { asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory"); }

#endif

// ---- from the picture to shared memory ------------------------------------------------------------------------------

struct Geometry {
    int h, w, c, oh, ow, kh, kw, sh, sw, top, left;  // C is a multiple of 4: Python has filled up with zeros
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

// Where a window lies: it begins at pixel (y, x) of its picture, which is at `pixel` in memory if it is inside.
struct Corner {
    int y, x;
    const float* pixel;

    __device__ Corner(const float* picture, const Window& window, bool exists, const Geometry& g)
        : y(exists ? window.i * g.sh - g.top : -g.kh),  // a window that does not exist lies above the picture
          x(window.j * g.sw - g.left),
          pixel(picture + (long long)((window.n * g.h + y) * g.w + x) * g.c) {}
};

// Number (ky, kx, c) of a window: a column of im2col(X). Beyond the last one, ky is at least KH.
struct Number {
    int ky, kx, c;

    __device__ Number(int column, const Geometry& g) : ky(0), kx(0), c(0) { advance(column, g); }

    __device__ void advance(int columns, const Geometry& g)
    {
        for (c += columns; c >= g.c; c -= g.c) {
            if (++kx == g.kw) kx = 0, ky++;
        }
    }
};

// Copy four neighbouring numbers of a window. They belong to one pixel.
__device__ inline void gather(float* shared, const Corner& corner, const Number& number, const Geometry& g)
{
    unsigned y = corner.y + number.ky, x = corner.x + number.kx;  // what is below 0 is now very large
    bool inside = y < g.h && x < g.w && number.ky < g.kh;
    begin_copy(shared, corner.pixel + (number.ky * g.w + number.kx) * g.c + number.c, inside);
}

// Copies b, step after step: the next DEPTH rows of a matrix, and BN columns of them. A thread copies four numbers of
// every THREADS/(BN/4)-th row. A row in shared memory has eight numbers more, so that the four rows × eight columns
// that a warp reads at once lie in 32 different banks.
template <int BN>
struct MatrixRows {
    int down, across;  // of this thread's first number
    int remaining;     // rows from that one to the end; none where the column is beyond the matrix
    int stride;
    const float* source;

    // Rows `row` … `end` − 1, from `column` on. A row of the matrix is filled up to a multiple of four numbers.
    __device__ MatrixRows(const float* matrix, int row, int end, int column, int columns)
        : down(threadIdx.x / (BN / 4)), across(threadIdx.x % (BN / 4) * 4),
          remaining(column + across < columns ? end - row - down : 0), stride((columns + 3) / 4 * 4),
          source(matrix + (long long)(row + down) * stride + column + across) {}

    __device__ void copy(float (*shared)[BN + 8])
    {
#pragma unroll
        for (int q = 0; q < DEPTH; q += THREADS / (BN / 4)) {
            begin_copy(&shared[down + q][across], source + (long long)q * stride, q < remaining);
        }
        remaining -= DEPTH;
        source += (long long)DEPTH * stride;
    }
};

// ---- the product of tiles -------------------------------------------------------------------------------------------

// Write two neighbouring numbers, in one go where all rows begin at a multiple of 8 bytes.
__device__ inline void write_pair(float* row, int column, int columns, float first, float second)
{
    if (columns % 2 == 0) {
        if (column < columns) *(float2*)(row + column) = {first, second};
        return;
    }
    if (column < columns) row[column] = first;
    if (column + 1 < columns) row[column + 1] = second;
}

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

    // Begin with a row of numbers instead of zeros: the bias.
    __device__ void begin_with(const float* bias, int first_column, int columns)
    {
#pragma unroll
        for (int f = 0; f < 4; f++) {
#pragma unroll
            for (int q = 0; q < 2; q++) {
                int place = first_column + column + 8 * f + 2 * t + q;
                float value = place < columns ? bias[place] : 0;
#pragma unroll
                for (int m = 0; m < BN / 16; m++) sums[m][f][q] = sums[m][f][q + 2] = value;
            }
        }
    }

    // Write to line(row), which is null for rows that are not wanted, from `first_column` on.
    template <typename Line>
    __device__ void write(Line line, int first_column, int columns, bool relu) const
    {
#pragma unroll
        for (int m = 0; m < 2 * (BN / 16); m++) {
            float* target = line(row + 8 * m + g);
            if (target == nullptr) continue;
#pragma unroll
            for (int f = 0; f < 4; f++) {
                float first = sums[m / 2][f][m % 2 * 2], second = sums[m / 2][f][m % 2 * 2 + 1];
                if (relu) first = first < 0 ? 0 : first, second = second < 0 ? 0 : second;  // NaN stays NaN
                write_pair(target, first_column + column + 8 * f + 2 * t, columns, first, second);
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

// ---- the kernels ----------------------------------------------------------------------------------------------------

// The pixels of y that are written: window (n, i, j) gives pixel (i·sh + top, j·sw + left) of picture n, of h×w pixels.
struct Lattice {
    int h, w, sh, sw, top, left;

    __device__ long long pixel(int row, const Geometry& g) const
    {
        if (sh == 1 && sw == 1) return row;  // all pixels
        Window window(row, g);
        return ((long long)window.n * h + window.i * sh + top) * w + window.j * sw + left;
    }
};

// y = im2col(x)·weight + bias, and max with 0 if `relu`. One block a tile; those of the same rows are neighbours.
// a lies in shared memory as in the picture, the numbers of a window side by side. With four numbers more in a row, the
// eight rows × four columns that a warp reads at once lie in 32 different banks.
template <int BN>
__device__ void convolve_tile(const float* x, const float* weight, const float* bias, float* y, int relu, int rows,
                              int f, Geometry g, Lattice lattice)
{
    alignas(16) __shared__ float a[STAGES][ROWS][DEPTH + 4];
    alignas(16) __shared__ float b[STAGES][DEPTH][BN + 8];
    int across = (f + BN - 1) / BN, depth = g.kh * g.kw * g.c;
    int first_row = blockIdx.x / across * ROWS, first_column = blockIdx.x % across * BN;
    // This thread copies four neighbouring numbers of four windows, 32 rows apart.
    int down = threadIdx.x / 4, four = threadIdx.x % 4 * 4;
    auto corner = [&](int row) { return Corner(x, Window(row, g), row < rows, g); };
    const Corner corners[] = {corner(first_row + down), corner(first_row + down + 32),
                              corner(first_row + down + 64), corner(first_row + down + 96)};
    Number number(four, g);
    MatrixRows<BN> matrix(weight, 0, depth, first_column, f);
    auto load = [&](int stage) {
#pragma unroll
        for (int q = 0; q < 4; q++) gather(&a[stage][down + 32 * q][four], corners[q], number, g);
        number.advance(DEPTH, g);
        matrix.copy(b[stage]);
    };
    WarpTile<BN> tile;
    tile.begin_with(bias, first_column, f);
    auto multiply = [&](int stage) { tile.template add_product<DEPTH + 4, 1>(a[stage][0], b[stage]); };
    walk((depth + DEPTH - 1) / DEPTH, load, multiply);
    auto line = [&](int row) { return first_row + row < rows ? y + lattice.pixel(first_row + row, g) * f : nullptr; };
    tile.write(line, first_column, f, relu);
}

// partial[p] = im2col(x)ᵀ·dz over piece p of the rows: `span` of them, from p·span on. One block a tile and a piece.
// A step takes 16 windows, and of each the 128 numbers that this tile of dW is about. They lie in shared memory side by
// side again, so here a is transposed: the summed dimension goes down.
template <int BN>
__device__ void convolve_tile_backward(const float* x, const float* dz, float* partial, int rows, int span, int f,
                                       Geometry g)
{
    alignas(16) __shared__ float a[STAGES][DEPTH][ROWS + 8];
    alignas(16) __shared__ float b[STAGES][DEPTH][BN + 8];
    int across = (f + BN - 1) / BN, height = g.kh * g.kw * g.c;
    int first_row = blockIdx.x / across * ROWS, first_column = blockIdx.x % across * BN;
    int begin = blockIdx.y * span, end = min(begin + span, rows);
    // This thread copies the same four numbers, of this tile's 128, of four windows, 4 rows apart.
    int down = threadIdx.x / 32, four = threadIdx.x % 32 * 4, remaining = end - begin - down;
    const Number number(first_row + four, g);
    Window windows[] = {Window(begin + down, g), Window(begin + down + 4, g),
                        Window(begin + down + 8, g), Window(begin + down + 12, g)};
    MatrixRows<BN> matrix(dz, begin, end, first_column, f);
    auto load = [&](int stage) {
#pragma unroll
        for (int q = 0; q < 4; q++) {
            gather(&a[stage][down + 4 * q][four], Corner(x, windows[q], 4 * q < remaining, g), number, g);
            windows[q].advance(DEPTH, g);
        }
        remaining -= DEPTH;
        matrix.copy(b[stage]);
    };
    WarpTile<BN> tile;
    auto multiply = [&](int stage) { tile.template add_product<1, ROWS + 8>(a[stage][0], b[stage]); };
    walk((end - begin + DEPTH - 1) / DEPTH, load, multiply);
    float* piece = partial + (long long)blockIdx.y * height * f;
    auto line = [&](int row) { return first_row + row < height ? piece + (long long)(first_row + row) * f : nullptr; };
    tile.write(line, first_column, f, /*relu=*/false);
}

#define GEOMETRY int h, int w, int c, int oh, int ow, int kh, int kw, int sh, int sw, int top, int left
#define LATTICE int y_h, int y_w, int y_sh, int y_sw, int y_top, int y_left

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_32(
    const float* x, const float* weight, const float* bias, float* y, int relu, int rows, int f, GEOMETRY, LATTICE)
{
    convolve_tile<32>(x, weight, bias, y, relu, rows, f, {h, w, c, oh, ow, kh, kw, sh, sw, top, left},
                      {y_h, y_w, y_sh, y_sw, y_top, y_left});
}

extern "C" __launch_bounds__(THREADS, 4) __global__ void convolve_64(
    const float* x, const float* weight, const float* bias, float* y, int relu, int rows, int f, GEOMETRY, LATTICE)
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
