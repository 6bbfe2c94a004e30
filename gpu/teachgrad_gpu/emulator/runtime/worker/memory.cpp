// Static shared memory, and what a kernel prints.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "output.h"
#include "scheduler.h"

extern "C" {
alignas(1024) char tg_static[tg::STATIC];
}

namespace tg {
Layout* layout;
std::vector<char> printed;
uint64_t unprinted;
constexpr size_t PRINTED = 1 << 20;  // as on a device, where it is a setting
constexpr unsigned LARGEST = 48 << 10;  // static; more must be dynamic
}  // namespace tg

using namespace tg;

unsigned tg_reserve(const void* declaration, const char* name, const char* type, unsigned size, unsigned align,
                    unsigned element, int plain, const unsigned* shape, int line) {
    Outside now;
    for (const SharedArray& known : layout->arrays)  // two threads may come here at once
        if (known.declaration == declaration) return known.place;
    unsigned place = (layout->used + align - 1) / align * align;
    if (place + size > sizeof tg_static || size > LARGEST) {
        fail("shared memory", line,
             "__shared__ %s has %u bytes; %u are the most, unless it is dynamic (extern __shared__)", name, size,
             LARGEST);
        give_up();
    }
    layout->used = (place + size + 2 * GAP - 1) / GAP * GAP;
    layout->arrays.push_back(
        {declaration, name, type, plain != 0, place, size, element, {shape[0], shape[1], shape[2]}});
    memset(tg_static + place, 0xCD, size);
    if (launch.checked) check_shared_array(layout->arrays.size() - 1);
    return place;
}

int tg_printf(const char* format, ...) {
    Outside now;
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) return length;
    size_t kept = (size_t)length < sizeof text ? length : sizeof text - 1;
    if (printed.size() + kept > PRINTED) unprinted++;
    else printed.insert(printed.end(), text, text + kept);
    return length;
}

void tg_trap(const char* why, const char* text, int line) {
    Outside now;
    if (text[0]) fail(why, line, "the assertion `%s` does not hold", text);
    else fail(why, line, "the kernel called __trap()");
    give_up();
}
