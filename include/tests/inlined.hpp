// Functions that two files of a program have in common: the linker keeps one copy of each, with one note.
#include "../stapes.h"

inline __attribute__((noinline)) int inlined(int x) {
    if (STAPES_ENABLED(header, inlined)) {
        STAPES_PROBE(header, inlined, x, "inlined");
    }
    return x;
}

template <typename T> __attribute__((noinline)) T templated(T x) {
    STAPES_PROBE(header, templated, x);
    return x;
}
