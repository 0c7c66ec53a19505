/* Needs no other header, so that it compiles for any target; must compile where there are no probes as where there are. */
#include "../stapes.h"

#ifdef REFUSED_STRUCT
#define VALUE (refused)
#else
#define VALUE count
#endif

STAPES_DEFINE_SEMAPHORE(plain, lazy);

struct refused {
    int a, b;
};

int main(int count, char **words) {
    struct refused refused = {count, 0};
    int calls = 0;
    STAPES_PROBE(plain, nothing);
    STAPES_PROBE(plain, values, VALUE, words, words[0], 1.5, 2.5f, 'c', refused.a);
    STAPES_PROBE(plain, called, ++calls);
    STAPES_PROBE_LAZY(plain, lazy, refused.b);
    if (STAPES_ENABLED(plain, lazy)) {
        return 2;
    }
#ifdef REFUSED_THIRTEEN
    STAPES_PROBE(plain, thirteen, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
#endif
    /* Where there are probes, arguments are evaluated. */
    return calls == EVALUATED ? 0 : 1;
}
