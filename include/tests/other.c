/* Another file of the program: a further site of a probe, and one in a function that nobody calls. */
#include "../stapes.h"

extern int other(int);
extern int dead(int);

STAPES_DEFINE_SEMAPHORE(header, shared);

int other(int x) {
    STAPES_PROBE(header, shared, x);
    return x;
}

int dead(int x) {
    STAPES_PROBE(header, dead, x);
    STAPES_PROBE(header, shared, x);
    return x;
}
