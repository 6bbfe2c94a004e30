// A kernel computes. What a program on the host may do besides, starting processes or writing files, is switched off.
#pragma once

namespace tg {
void keep_inside();
}
