// Copies in the background: which are on their way.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tg {
void forget_copies();               // a launch begins
void drop_copies();                 // the current thread is stopped
void finish_copies(size_t but);     // of the current thread, except its last batches
void finish_all_copies();           // the current thread returns
// Whether an access meets a copy of this block that nobody has waited for: its line and its thread.
bool is_on_its_way(uintptr_t address, unsigned size, bool writes, uint64_t* site, unsigned* thread);
}  // namespace tg
