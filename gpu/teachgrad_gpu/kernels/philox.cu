// Random numbers from a counter: Philox4x64-10. Block number b of a draw is a function of (key, counter) alone, so
// thread b computes it without asking anybody, and any computer gets the same bits: those of numpy.random.Philox with
//
//     key = (seed, site),   counter = (b + 1, step, 0, 0)
//
// `cell` holds (seed, site, step), as in teachgrad.random. A block is four words of 64 bits.
//
// Ten times, two of the four words of the counter are multiplied by constants; the halves of the products are mixed
// with the other words and the key, and the key moves on:
//
//     c0 ──×M0──> high, low        c0' = high(M1 c2) ^ c1 ^ k0      c1' = low(M1 c2)
//     c2 ──×M1──> high, low        c2' = high(M0 c0) ^ c3 ^ k1      c3' = low(M0 c0)
//
// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).

// Settings that can be chosen with -D when compiling:
//     #define REAL    the type of normal numbers: float (default) or double
//     #define WHOLE   the type of integers: long long (default), or any other
//     #define UNIT    the bits that make an integer: 64, 32 (default), 16 or 8

#ifndef REAL
#define REAL float
#endif
#ifndef WHOLE
#define WHOLE long long
#endif
#ifndef UNIT
#define UNIT 32
#endif

typedef REAL real;
typedef WHOLE whole;
typedef unsigned long long word;

struct Block {
    word words[4];
};

__device__ Block philox(const word* cell, word number)
{
    word k0 = cell[0], k1 = cell[1], c0 = number + 1, c1 = cell[2], c2 = 0, c3 = 0;
    for (int turn = 0; turn < 10; turn++) {
        word high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0), low0 = 0xD2E7470EE14C6C93ull * c0;
        word high1 = __umul64hi(0xCA5A826395121157ull, c2), low1 = 0xCA5A826395121157ull * c2;
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ull;
        k1 += 0xBB67AE8584CAA73Bull;
    }
    return {{c0, c1, c2, c3}};
}

// Half a word: of each word the low half comes first, as NumPy hands them out.
__device__ unsigned int half_word(const Block& block, int i)
{
    return (unsigned int)(block.words[i / 2] >> (32 * (i % 2)));
}

// The raw words, `Philox.random_raw(n)`.
extern "C" __global__ void philox_words(const word* cell, word* z, int n)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 3) / 4; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (4 * b + i < n)
                z[4 * b + i] = block.words[i];
    }
}

// Random real numbers are made of units: half a word for a float, a word for a double.
const int EACH = sizeof(real) == 4 ? 8 : 4;

__device__ word unit_of(const Block& block, int i)
{
    return EACH == 8 ? (word)half_word(block, i) : block.words[i % 4];
}

// u uniform in [0, 1): the upper 24 bits of half a word, or the upper 53 of a word.
__device__ real uniform_of(word unit)
{
    return EACH == 8 ? (real)(unit >> 8) * (real)(1.0 / 16777216.0)
                     : (real)(unit >> 11) * (real)(1.0 / 9007199254740992.0);
}

// Products that no compiler makes one with a sum that follows: NumPy rounds both, one after the other.
__device__ real product(real x, real y)
{
    return EACH == 8 ? (real)__fmul_rn((float)x, (float)y) : (real)__dmul_rn(x, y);
}

// low + scale u, as `Generator.random(dtype=...)`; scale is high - low.
extern "C" __global__ void philox_uniform(const word* cell, real* z, int n, real low, real scale)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + EACH - 1) / EACH; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < EACH; i++)
            if (EACH * b + i < n) {
                real x = product(uniform_of(unit_of(block, i)), scale);
                z[EACH * b + i] = low == 0 ? x : x + low;
            }
    }
}

// True with probability p: u < p for a u of 24 bits, compared as integers. `below` is p 2^24, rounded up.
extern "C" __global__ void philox_bernoulli(const word* cell, bool* z, int n, unsigned int below)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 7) / 8; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * b + i < n)
                z[8 * b + i] = half_word(block, i) >> 8 < below;
    }
}

// Dropout without a mask in memory: z = x scale where the draw keeps it, else 0. The backward pass is the same kernel
// on the gradient, with the same cell: it draws the same bits again, which is cheaper than reading them.
extern "C" __global__ void philox_dropout(const word* cell, const float* x, float* z, int n, unsigned int below,
                                          float scale)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 7) / 8; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * b + i < n)
                z[8 * b + i] = half_word(block, i) >> 8 < below ? x[8 * b + i] * scale : 0.0f;
    }
}

// Some draws may refuse what they get, so where a number begins is known when all before it are done. One block goes
// through the random bits, tile by tile: every thread tries its part of a tile, and a sum over the threads tells each
// number its place in z.

const int THREADS = 256;

// The sum of `own` over all threads before this one, and in `all` over the whole block: shuffles, then warp by warp.
__device__ int before(int own, int* all)
{
    __shared__ int sums[THREADS / 32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, sum = own, earlier = 0;
    for (int apart = 1; apart < 32; apart *= 2) {
        int other = __shfl_up_sync(0xffffffffu, sum, apart);
        if (lane >= apart)
            sum += other;
    }
    if (lane == 31)
        sums[warp] = sum;
    __syncthreads();
    *all = 0;
    for (int w = 0; w < THREADS / 32; w++) {
        earlier += w < warp ? sums[w] : 0;
        *all += sums[w];
    }
    __syncthreads();  // the sums may be written anew
    return earlier + sum - own;
}

// Integers from `low`, all of `count` equally likely, as `Generator.integers`; count = 0 stands for 2^64. For u of UNIT
// bits, the integer is the upper half of the product u count. Where 2^UNIT is not a multiple of count, some integers
// would come up once too often; those u are refused whose lower half of the product is below 2^UNIT mod count.
// Source: D. Lemire, "Fast random integer generation in an interval" (2019).
extern "C" __global__ void __launch_bounds__(THREADS) philox_integers(const word* cell, whole* z, int n, word low,
                                                                      word count)
{
    const word ones = ~0ull >> (64 - UNIT);
    const word least = count ? (ones - count + 1) % count : 0;  // 2^UNIT - count is no number of 65 bits
    int made = 0, all;
    for (word b = threadIdx.x; made < n; b += THREADS) {
        Block block = philox(cell, b);
        word value[256 / UNIT];
        unsigned int kept = 0;
#pragma unroll
        for (int i = 0; i < 256 / UNIT; i++) {
            word u = block.words[i * UNIT / 64] >> (i * UNIT % 64) & ones;
            if (count == 0)
                value[i] = u;
            else
                value[i] = UNIT == 64 ? __umul64hi(u, count) : u * count >> UNIT % 64;
            kept |= (unsigned int)((u * count & ones) >= least) << i;
        }
        int at = made + before(__popc(kept), &all);
#pragma unroll
        for (int i = 0; i < 256 / UNIT; i++)
            if (kept >> i & 1) {
                if (at < n)
                    z[at] = (whole)(low + value[i]);
                at++;
            }
        made += all;
    }
}

// 0, 1, ..., n - 1 in an order of which each is equally likely, as `Generator.permutation`: the last of those that are
// left changes places with one of them, again and again. Which one, half a word says, as many of its lower bits as the
// number of the last has; more than that number is refused. Each exchange depends on those before, so one thread makes
// them all, and the others have its random bits ready.
// Source: R. Durstenfeld, "Algorithm 235: random permutation" (1964).
extern "C" __global__ void __launch_bounds__(THREADS) philox_permutation(const word* cell, whole* z, int n)
{
    __shared__ unsigned int halves[8 * THREADS];
    __shared__ unsigned int last;
    for (int i = threadIdx.x; i < n; i += THREADS)
        z[i] = (whole)i;
    if (threadIdx.x == 0)
        last = n - 1;
    __syncthreads();
    for (word b = threadIdx.x; last > 0; b += THREADS) {
        Block block = philox(cell, b);
        for (int i = 0; i < 8; i++)
            halves[8 * threadIdx.x + i] = half_word(block, i);
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned int left = last;
            for (int i = 0; i < 8 * THREADS && left > 0; i++) {
                unsigned int chosen = halves[i] & (~0u >> __clz(left));
                if (chosen > left)
                    continue;
                whole kept = z[left];
                z[left] = z[chosen];
                z[chosen] = kept;
                left--;
            }
            last = left;
        }
        __syncthreads();
    }
}

// The right ends of 256 layers of the same area that together make the right half of exp(-x^2 / 2), as NumPy has them,
// from the top. Number 0 is the lowest one: it has the tail, too, and its end here is that of a rectangle of its area.
__device__ const double ENDS[256] = {
    3.910757959524912, 0.21524189598488003, 0.2861745917920715, 0.33573751921442435, 0.3751213328783798,
    0.40838913461199033, 0.4375184022078708, 0.4636343367908815, 0.4874439661392353, 0.509423329602091,
    0.5299097206615574, 0.5491517023271645, 0.5673382570538182, 0.5846167661063788, 0.6011046177559921,
    0.6168969900077509, 0.6320722363860606, 0.6466957148949931, 0.6608225742444191, 0.6744998228372932,
    0.6877678927957878, 0.7006618411068143, 0.7132122851909752, 0.7254461409099988, 0.7373872114342949,
    0.7490566620178146, 0.7604734064301074, 0.7716544242245675, 0.7826150233072324, 0.7933690588406226,
    0.8039291169899705, 0.8143066701352146, 0.8245122087522915, 0.8345553540863815, 0.8444449549091533,
    0.8541891710081632, 0.8637955455533082, 0.87327106808886, 0.882622229585165, 0.891855070732941, 0.9009752244612214,
    0.9099879534967181, 0.9188981836495902, 0.9277105334019996, 0.9364293402865748, 0.945058684468165,
    0.9536024098810856, 0.9620641432230401, 0.970447311064224, 0.9787551552942242, 0.986990747099062,
    0.9951569996350904, 1.0032566795446725, 1.011292417439995, 1.0192667174654835, 1.027181966035645, 1.03504043983344,
    1.0428443131441483, 1.0505956645909291, 1.0582964833306743, 1.0659486747621219, 1.0735540657924356,
    1.0811144097034033, 1.0886313906539793, 1.0961066278520208, 1.103541679424639, 1.110938046013575,
    1.1182971741193444, 1.1256204592155326, 1.1329092486525332, 1.1401648443681507, 1.1473885054208484,
    1.1545814503599272, 1.161744859445611, 1.1688798767308328, 1.1759876120154515, 1.1830691426826863,
    1.1901255154266914, 1.1971577478794408, 1.2041668301443809, 1.2111537262436987, 1.218119375485481,
    1.2250646937565302, 1.2319905747461355, 1.2388978911056867, 1.2457874955486268, 1.2526602218948968,
    1.2595168860637138, 1.266358287018229, 1.273185207665356, 1.2799984157138176, 1.2867986644932434,
    1.2935866937369476, 1.300363230330837, 1.307128989030731, 1.3138846731502203, 1.3206309752210559,
    1.3273685776279256, 1.3340981532193599, 1.3408203658964037, 1.347535871180587, 1.3542453167626347,
    1.3609493430332826, 1.3676485835974759, 1.374343665773166, 1.381035211075855, 1.3877238356899757,
    1.3944101509281406, 1.4010947636792506, 1.4077782768463984, 1.4144612897754707, 1.4211443986753085,
    1.4278281970302555, 1.4345132760058918, 1.4412002248487237, 1.4478896312805758, 1.45458208188841,
    1.4612781625102753, 1.4679784586180793, 1.4746835556978553, 1.481394039628187, 1.4881104970574472,
    1.4948335157804935, 1.5015636851154637, 1.5083015962813113, 1.5150478427767144, 1.5218030207609978,
    1.528567729437712, 1.5353425714415139, 1.5421281532290017, 1.5489250854741732, 1.5557339834691761,
    1.5625554675310445, 1.5693901634151233, 1.576238702735906, 1.583101723396029, 1.5899798700241905,
    1.5968737944227878, 1.6037841560260941, 1.6107116223698297, 1.617656869573015, 1.624620582833034,
    1.6316034569348727, 1.638606196775547, 1.6456295179047817, 1.6526741470830553, 1.659740822858182, 1.666830296161665,
    1.6739433309261247, 1.6810807047251735, 1.688243209437195, 1.6954316519345614, 1.702646854799923,
    1.7098896570713016, 1.7171609150178229, 1.7244615029480448, 1.7317923140529632, 1.7391542612859117,
    1.7465482782817225, 1.7539753203176716, 1.7614363653189102, 1.7689324149112684, 1.7764644955245228,
    1.7840336595494415, 1.7916409865521625, 1.7992875845497203, 1.8069745913508208, 1.8147031759662826,
    1.8224745400938858, 1.830289919682757, 1.8381505865828067, 1.8460578502851857, 1.8540130597602023,
    1.8620176053996746, 1.8700729210712674, 1.8781804862929965, 1.8863418285367834, 1.8945585256707052,
    1.9028322085504297, 1.9111645637712535, 1.9195573365931882, 1.9280123340526658, 1.9365314282756947,
    1.9451165600086784, 1.9537697423846467, 1.962493064944363, 1.9712886979336592, 1.9801588969004766,
    1.989106007617438, 1.9981324713584196, 2.0072408305605287, 2.016433734906204, 2.025713947863854, 2.035084353729619,
    2.0445479652175313, 2.054107931650652, 2.063767547811732, 2.0735302635187427, 2.083399693998304, 2.0933796311387916,
    2.1034740557148766, 2.1136871506866526, 2.1240233156895227, 2.134487182846016, 2.145083634047888,
    2.1558178198767366, 2.1666951803543077, 2.1777214677402923, 2.1889027716263603, 2.200245546611276,
    2.2117566428841604, 2.22344334009251, 2.235313384929921, 2.247375032947389, 2.259637095173787, 2.2721089902283813,
    2.284800802724492, 2.2977233489028634, 2.310888250601372, 2.3243080188711325, 2.3379961487965284,
    2.3519672273791445, 2.366237056717291, 2.3808227951720857, 2.3957431197819274, 2.4110184139011195,
    2.4266709849371466, 2.442725318200364, 2.459208374334705, 2.476149939670523, 2.4935830412710467, 2.511544441626694,
    2.530075232159854, 2.549221550324783, 2.5690354526818435, 2.589575986708286, 2.610910518488823, 2.6331163936315822,
    2.656283037576743, 2.6805146432857447, 2.705933656123062, 2.7326853590440114, 2.7609440052799865,
    2.7909211740019275, 2.8228773968264433, 2.857138730873225, 2.8941210536134125, 2.934366867208888,
    2.9786032798818436, 3.027837791769594, 3.0835261320021434, 3.147889289518001, 3.224575052047802, 3.320244733839826,
    3.4492782985614316, 3.654152885361009,
};

const int BITS = sizeof(real) == 4 ? 23 : 52;
const int TILE = EACH * THREADS;

// The unit at a position, as a number in [0, 1).
__device__ real uniform_at(const word* cell, word position)
{
    return uniform_of(unit_of(philox(cell, position / EACH), position % EACH));
}

// exp(-x^2 / 2) at the right end of a layer; the top one begins at 1.
__device__ real height(int layer)
{
    return layer == 0 ? (real)1 : (real)exp(-0.5 * ENDS[layer] * ENDS[layer]);
}

// The few numbers for which a place in a layer is not enough: a second number decides, a height within
// the layer; or, in the lowest layer, pairs of them give a number of the tail (G. Marsaglia, 1964).
__device__ __noinline__ int second_try(const word* cell, word position, int layer, bool right, real* z)
{
    if (layer > 0) {
        real bottom = height(layer), within = product(height(layer - 1) - bottom, uniform_at(cell, position + 1));
        return (double)(within + bottom) < exp(-0.5 * *z * *z) ? 2 : -2;
    }
    for (int units = 3;; units += 2) {
        real beyond = product((real)-0.27366123732975827203, log1p(-uniform_at(cell, position + units - 2)));
        real y = -log1p(-uniform_at(cell, position + units - 1));
        if (y + y > product(beyond, beyond)) {
            *z = right ? (real)ENDS[255] + beyond : -((real)ENDS[255] + beyond);
            return units;
        }
    }
}

// A normal number whose bits begin with this unit: how many units it takes, negative if there is none in them. The unit
// chooses a layer, a sign, and a place in the layer, nearly always left of the end of the layer above: under the curve.
__device__ int attempt(const word* cell, word position, word unit, const word* inside, real* z)
{
    int layer = unit & 255;
    word place = unit >> 9 & ((1ull << BITS) - 1);
    real x = (real)place * (real)(ENDS[layer] / (double)(1ull << BITS));
    *z = unit >> 8 & 1 ? -x : x;
    return place < inside[layer] ? 1 : second_try(cell, position, layer, (place >> 8 & 1) == 0, z);
}

// Mark the units of a tile at which no number begins: the first `begin`, which belong to a number of the tile before,
// and those inside of numbers that take more than one. So many units of the next tile belong to the last number.
__device__ int left_out(short* taken, const unsigned int* longer, int begin)
{
    int next = begin;
    for (int i = 0; i < begin && i < TILE; i++)
        taken[i] = 0;
    for (int k = 0; k < TILE / 32; k++)
        for (unsigned int left = longer[k]; left; left &= left - 1) {
            int at = 32 * k + __ffs((int)left) - 1;
            if (at < next)
                continue;
            next = at + (taken[at] < 0 ? -taken[at] : taken[at]);
            for (int i = at + 1; i < next && i < TILE; i++)
                taken[i] = 0;
        }
    return next > TILE ? next - TILE : 0;
}

// mean + scale x, x from the normal distribution, as `Generator.standard_normal`: the ziggurat. Every thread tries its
// units as if a number began at each; then one thread goes through the few numbers that are longer than a unit.
// Source: G. Marsaglia, W. Tsang, "The ziggurat method for generating random variables" (2000).
extern "C" __global__ void __launch_bounds__(THREADS) philox_normal(const word* cell, real* z, int n, real mean,
                                                                    real scale)
{
    __shared__ word inside[256];
    __shared__ short taken[TILE];
    __shared__ unsigned int longer[TILE / 32];
    __shared__ int begin;
    int k = threadIdx.x;
    inside[k] = k == 1 ? 0 : (word)rint(ENDS[k == 0 ? 255 : k - 1] / ENDS[k] * (double)(1ull << BITS));
    if (k == 0)
        begin = 0;
    int made = 0, all;
    for (word tile = 0; made < n; tile++) {
        if (k < TILE / 32)
            longer[k] = 0;
        __syncthreads();
        Block block = philox(cell, tile * THREADS + k);
        real value[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int at = EACH * k + i;
            real x;
            int units = attempt(cell, tile * TILE + at, unit_of(block, i), inside, &x);
            value[i] = x;
            taken[at] = (short)units;
            if (units != 1)
                atomicOr(&longer[at / 32], 1u << at % 32);
        }
        __syncthreads();
        if (k == 0)
            begin = left_out(taken, longer, begin);
        __syncthreads();
        int own = 0;
        for (int i = 0; i < EACH; i++)
            own += taken[EACH * k + i] > 0;
        int at = made + before(own, &all);
#pragma unroll
        for (int i = 0; i < EACH; i++)
            if (taken[EACH * k + i] > 0) {
                real x = product(value[i], scale);
                if (at < n)
                    z[at] = mean == 0 ? x : x + mean;
                at++;
            }
        made += all;
    }
}
