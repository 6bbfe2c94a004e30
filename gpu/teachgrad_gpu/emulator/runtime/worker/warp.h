// Warp operations: lanes come one after the other, and the last to come works out the answer for all. Who waits and who
// goes on is the scheduler's business; here are the answers, and the lanes that have got theirs.
#pragma once

namespace tg {
unsigned settle_lane(unsigned thread);  // the operation of this thread, if everybody it names has come
unsigned settle_warp(unsigned warp);    // all operations for which everybody has come
unsigned settle_active(unsigned warp);  // who asks which lanes are together, when nobody else can go on
}  // namespace tg
