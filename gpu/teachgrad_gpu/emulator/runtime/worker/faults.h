// When a kernel touches memory that is not there, or does not end: say which thread was where, and leave.
#pragma once

namespace tg {
void catch_faults(int socket);
void start_clock(double seconds);  // take turns from now on, and give up after so long
void stop_clock();
double seconds_taken();    // since the launch began
double seconds_in_block(); // since another block than this one was seen at work
}  // namespace tg
