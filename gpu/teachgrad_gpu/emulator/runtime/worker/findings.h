// What has been found to be wrong with a kernel.
#pragma once
#include <set>
#include <stdint.h>
#include <string>

#include "regions.h"

namespace tg {
// Something that is wrong, once for each pair of places; `count` says how often.
struct Finding {
    std::string kind, message;
    uint64_t site, other_site;
    unsigned block[3], thread[3], other_block[3], other_thread[3];
    char origin;
    int number;
    int64_t offset;
    uint64_t count;
};

uint64_t site_of_line(int line);
// About an access of the current thread; a null region: it is in none, or about no memory.
Finding finding_here(const char* kind, uint64_t site, const Region* region, uintptr_t address);
void report(Finding finding);
void report_failure();                     // what ended the launch is a finding
void forget_findings();
std::set<int> pieces_found();              // the pieces of the heap that findings are about
std::string findings_report();             // as text, one a line
}  // namespace tg
