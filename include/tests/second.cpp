// Uses the same functions as cplusplus.cpp.
#include "inlined.hpp"

extern int second(int);

int second(int x) {
    return inlined(x) + templated(x + 3);
}
