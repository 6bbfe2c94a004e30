#include "findings.h"

#include <algorithm>
#include <map>
#include <string.h>
#include <tuple>
#include <vector>

#include "scheduler.h"

namespace tg {
namespace {
constexpr size_t MOST = 500;              // findings
constexpr uint64_t LINE = 1ull << 63;     // a site that is a line, not an instruction

std::vector<Finding> found;
std::map<std::tuple<std::string, uint64_t, uint64_t, char, int>, size_t> known;
}  // namespace

uint64_t site_of_line(int line) { return LINE | (uint64_t)line; }

Finding finding_here(const char* kind, uint64_t site, const Region* region, uintptr_t address) {
    Finding f{};
    f.kind = kind;
    f.site = site;
    memcpy(f.block, tg_now.block, sizeof f.block);
    index_of(tg_now.current, f.thread);
    f.origin = region ? region->origin : '-';
    f.number = region ? region->number : 0;
    f.offset = region ? (int64_t)(address - region->low) : (int64_t)address;
    f.count = 1;
    return f;
}

void report(Finding f) {
    std::replace(f.message.begin(), f.message.end(), '\n', ' ');  // it may quote the kernel, and a finding is a line
    auto key = std::make_tuple(f.kind + f.message, f.site, f.other_site, f.origin, f.number);
    auto [place, fresh] = known.try_emplace(key, found.size());
    if (!fresh) {
        found[place->second].count++;
    } else if (found.size() < MOST) {
        found.push_back(std::move(f));
    } else {
        known.erase(place);
    }
}

void forget_findings() {
    found.clear();
    known.clear();
}

void report_failure() {
    if (!failure.kind[0]) return;
    Finding f{};
    f.kind = failure.kind;
    f.message = failure.message;
    f.site = failure.line ? site_of_line(failure.line) : failure.place;
    memcpy(f.block, failure.block, sizeof f.block);
    memcpy(f.thread, failure.thread, sizeof f.thread);
    f.origin = '-';
    f.count = 1;
    report(f);
}

std::set<int> pieces_found() {
    std::set<int> numbers;
    for (const Finding& f : found)
        if (f.origin == 'h') numbers.insert(f.number);
    return numbers;
}

std::string findings_report() {
    auto three = [](const unsigned* n) {
        return std::to_string(n[0]) + " " + std::to_string(n[1]) + " " + std::to_string(n[2]);
    };
    std::string text;
    for (const Finding& f : found) {
        text += "finding";
        for (const std::string& field :
             {f.kind, std::to_string(f.count), std::to_string(f.site), std::to_string(f.other_site), three(f.block),
              three(f.thread), three(f.other_block), three(f.other_thread), std::string(1, f.origin),
              std::to_string(f.number), std::to_string(f.offset), f.message})
            text += "\t" + field;
        text += "\n";
    }
    return text;
}
}  // namespace tg
