/* All that include/stapes.h does, in the common part of C11 and C++17. */
#define STAPES_COMPATIBLE_NAMES
#include "stapes.h"

#ifdef __cplusplus
#define Bool bool
extern "C" {
#else
#define Bool _Bool
#endif

struct opaque;
enum colour { red = 1, blue = 2 };

STAPES_DEFINE_SEMAPHORE(header, elsewhere);

__attribute__((noinline)) void integers(signed char a, unsigned short b, int c, unsigned long long d, long e, Bool f) {
    STAPES_PROBE(header, integers, a, b, c, d, e, f);
}

__attribute__((noinline)) void others(float a, double b, enum colour c, const char *d, struct opaque *e) {
    char local[6] = "local";
    STAPES_PROBE(header, others, a, b, c, d, local, e != 0);
}

__attribute__((noinline)) void many(long n) {
    STAPES_PROBE(header, many, n, (short)(n + 1), n + 2, 1.5f, (unsigned char)(n + 4), n + 5, n + 6, (int)(n + 7), n + 8, "nine",
                 n + 10, -11);
}

static int evaluated;

static int evaluate(int n) {
    evaluated++;
    return n;
}

__attribute__((noinline)) void lazy(int n) { STAPES_PROBE_LAZY(header, lazy, evaluate(n)); }

__attribute__((noinline)) void compatible(int n) {
    DTRACE_PROBE(header, dtrace);
    DTRACE_PROBE2(header, dtrace2, n, n + 1);
    STAP_PROBE1(header, stap1, n);
    STAP_PROBEV(header, stapv, n, n, n);
    FOLLY_SDT(header, folly, n);
    if (FOLLY_SDT_IS_ENABLED(header, folly_counted)) FOLLY_SDT_WITH_SEMAPHORE(header, folly_counted, n);
}

int main(int count, char **words) {
    const Bool all = count > 1 && words[1][0] == 'c';
    if (all) {
        /* Whether somebody listens to the probes that the test traces. */
        return STAPES_ENABLED(header, integers) && STAPES_ENABLED(header, others) && STAPES_ENABLED(header, many) &&
                       STAPES_ENABLED(header, lazy)
                   ? 0
                   : 1;
    }
    integers(-5, 65535, -70000, 1ull << 40, -1, 1);
    /* On the stack: bpftrace does not fault pages in. */
    const char text[] = "text";
    others(1.5f, -0.25, blue, text, (struct opaque *)words);
    many(20);
    lazy(7);
    compatible(count);
    if (STAPES_ENABLED(header, elsewhere)) return 3;
    /* An argument of a lazy probe is evaluated only while somebody listens. */
    return evaluated == (STAPES_ENABLED(header, lazy) ? 1 : 0) ? 0 : 4;
}

#ifdef __cplusplus
}
#endif
