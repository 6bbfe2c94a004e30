// Which memory belongs to the program: stacks of fibers, variables of libraries, the heap of the kernel.
#include <algorithm>
#ifdef __linux__
#include <link.h>
#endif

#include "checker.h"
#include "fibers.h"
#include "output.h"

namespace tg {
namespace {
struct Range { uintptr_t low, high; };
std::vector<Range> images;

#ifdef __linux__
int add_image(dl_phdr_info* info, size_t, void*) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_LOAD) continue;
        uintptr_t low = info->dlpi_addr + part.p_vaddr;
        images.push_back({low, low + part.p_memsz});
    }
    return 0;
}
#endif
}  // namespace

void find_images() {
    images.clear();
#ifdef __linux__
    dl_iterate_phdr(add_image, nullptr);
#endif
}

bool is_elsewhere(uintptr_t address) {
    if (address >= (uintptr_t)tg_dynamic && address < (uintptr_t)tg_dynamic + DYNAMIC) return false;
    if (address >= (uintptr_t)tg_static && address < (uintptr_t)tg_static + STATIC) return false;
    for (const Range& r : images)
        if (address >= r.low && address < r.high) return true;
    for (const HeapPiece& p : heap)
        if (address >= p.low && address < p.low + p.size) return true;
    return on_a_stack(address);
}
}  // namespace tg
