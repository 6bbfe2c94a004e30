// Which memory belongs to the program: stacks of fibers, variables of libraries.
#include <algorithm>
#ifdef __linux__
#include <link.h>
#else
#include <dlfcn.h>
#endif

#include "checker.h"
#include "fibers.h"
#include "output.h"
#include "scheduler.h"

namespace tg {
namespace {
struct Range { uintptr_t low, high, base; };
std::vector<Range> images;
std::vector<uintptr_t> bases;

#ifdef __linux__
int add_image(dl_phdr_info* info, size_t, void*) {
    bases.push_back(info->dlpi_addr);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_LOAD) continue;
        uintptr_t low = info->dlpi_addr + part.p_vaddr;
        images.push_back({low, low + part.p_memsz, info->dlpi_addr});
    }
    return 0;
}
#endif
}  // namespace

void find_images() {
    images.clear();
    bases.clear();
#ifdef __linux__
    dl_iterate_phdr(add_image, nullptr);
#endif
}

uint64_t image_size(uintptr_t base) {
    uint64_t size = 0;
#ifdef __linux__
    // The parts of a library lie in one piece, and the next library does not begin inside of it.
    for (const Range& r : images)
        if (r.low >= base && r.low - base < (1u << 30)) {
            uintptr_t next = ~(uintptr_t)0;
            for (uintptr_t other : bases)
                if (other > base && other < next) next = other;
            if (r.high <= next) size = std::max<uint64_t>(size, r.high - base);
        }
#else
    size = base ? 64 << 20 : 0;
#endif
    return size;
}

bool is_elsewhere(uintptr_t address) {
    if (address >= (uintptr_t)tg_dynamic && address < (uintptr_t)tg_dynamic + DYNAMIC) return false;
    if (address >= (uintptr_t)tg_static && address < (uintptr_t)tg_static + STATIC) return false;
    for (const Range& r : images)  // a kernel has business in its own library and in this program, which is the first
        if (address >= r.low && address < r.high) return r.base == launch.base || r.base == bases[0];
#ifndef __linux__
    Dl_info info;
    if (dladdr((void*)address, &info)) return true;
#endif
    return on_a_stack(address);
}
}  // namespace tg
