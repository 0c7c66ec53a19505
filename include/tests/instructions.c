/* Functions whose instructions a test looks at. */
#include "../stapes.h"

extern long guarded(long a, int b, const char *c, short d);
extern long lazy(long a, int b, const char *c, short d);
extern long eager(long a, int b, const char *c, short d);
extern long without(long a, int b, const char *c, short d);
extern long twice(long a);
extern void loop(int count);

long guarded(long a, int b, const char *c, short d) {
    if (STAPES_ENABLED(header, guarded)) {
        STAPES_PROBE(header, guarded, a, b, c, d);
    }
    return a;
}

long lazy(long a, int b, const char *c, short d) {
    STAPES_PROBE_LAZY(header, lazy, a, b, c[a], d);
    return a;
}

long eager(long a, int b, const char *c, short d) {
    STAPES_PROBE(header, eager, a, b, c, d);
    return a;
}

long without(long a, int b, const char *c, short d) {
    (void)b;
    (void)c;
    (void)d;
    return a;
}

/* Somebody may begin to listen in between: two questions have two answers. */
long twice(long a) {
    if (STAPES_ENABLED(header, twice)) {
        a++;
    }
    if (STAPES_ENABLED(header, twice)) {
        a++;
    }
    return a;
}

void loop(int count) {
    for (int i = 0; i < count; i++) {
        if (STAPES_ENABLED(header, loop)) {
            STAPES_PROBE(header, loop, i);
        }
    }
}
