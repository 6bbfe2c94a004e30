#include "regions.h"

#include <algorithm>
#include <vector>

namespace tg {
namespace {
constexpr size_t PAGE_WORDS = 1024;
constexpr uintptr_t FAR = 1 << 30;
std::vector<Region> regions;  // by address

size_t pages_of(const Region& region) { return (region.size + 4 * PAGE_WORDS - 1) / (4 * PAGE_WORDS) + 1; }

std::vector<Region>::iterator first_above(uintptr_t address) {
    return std::upper_bound(regions.begin(), regions.end(), address,
                            [](uintptr_t a, const Region& r) { return a < r.low; });
}
}  // namespace

void open_region(Region& region) {
    region.pages = new Cell*[pages_of(region)]();
    region.from = region.low;
}

void close_region(Region& region) {
    if (!region.pages) return;
    for (size_t i = 0; i < pages_of(region); i++)
        if (region.pages[i]) forget_page(region, region.from + 4 * PAGE_WORDS * i);
    delete[] region.pages;
    region.pages = nullptr;
}

void add_region(Region region) {
    open_region(region);
    regions.insert(first_above(region.low), region);
}

void forget_regions() {
    for (Region& region : regions) close_region(region);
    regions.clear();
}

const Region* region_of(uintptr_t address, unsigned size) {
    for (auto after = first_above(address); after != regions.begin();) {  // an argument may lie inside of another one
        const Region& r = *--after;
        if (address + size <= r.low + r.size) return &r;
    }
    return nullptr;
}

const Region* nearest_region(uintptr_t address) {
    const Region* nearest = nullptr;
    uintptr_t best = FAR + 1;
    for (const Region& r : regions) {
        uintptr_t distance = address < r.low ? r.low - address : address - r.low - r.size + 1;
        if (address >= r.low && address < r.low + r.size) distance = 0;
        if (distance < best) best = distance, nearest = &r;
    }
    return nearest;
}

void exchange_shared(SharedPages& others) {
    for (Region& region : regions) {
        if (region.space != Space::SHARED) continue;
        std::swap(region.pages, others[region.low]);
        if (!region.pages) open_region(region);
    }
}

void drop_shared(SharedPages& pages) {
    for (Region region : regions) {
        if (region.space != Space::SHARED) continue;
        region.pages = pages[region.low];
        close_region(region);
    }
    pages.clear();
}

Cell& cell_of(const Region& region, uintptr_t word) {
    size_t index = word / 4 - region.from / 4;
    Cell*& page = region.pages[index / PAGE_WORDS];
    if (!page) page = new Cell[PAGE_WORDS];
    return page[index % PAGE_WORDS];
}

bool is_untouched(const Region& region, uintptr_t word) {
    return !region.pages[(word / 4 - region.from / 4) / PAGE_WORDS];
}

void forget_page(const Region& region, uintptr_t word) {
    Cell*& page = region.pages[(word / 4 - region.from / 4) / PAGE_WORDS];
    if (!page) return;
    for (size_t k = 0; k < PAGE_WORDS; k++) delete[] page[k].bytes;
    delete[] page;
    page = nullptr;
}

uintptr_t page_end(const Region& region, uintptr_t word) {
    size_t index = word / 4 - region.from / 4;
    return (word & ~(uintptr_t)3) + 4 * (PAGE_WORDS - index % PAGE_WORDS);
}
}  // namespace tg
