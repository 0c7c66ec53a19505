/* What other headers call their macros; with _SDT_HAS_SEMAPHORES, the program brings the semaphore, as with sys/sdt.h. */
#define STAPES_COMPATIBLE_NAMES
#include "../stapes.h"

#ifdef _SDT_HAS_SEMAPHORES
#define SEMAPHORE(name) \
    extern unsigned short compatible_##name##_semaphore; \
    unsigned short compatible_##name##_semaphore __attribute__((section(".probes")));
#else
#define SEMAPHORE(name)
#endif
SEMAPHORE(dtrace)
SEMAPHORE(dtrace0)
SEMAPHORE(dtrace12)
SEMAPHORE(stap)
SEMAPHORE(stap0)
SEMAPHORE(stapv)

FOLLY_SDT_DEFINE_SEMAPHORE(compatible, guarded);
FOLLY_SDT_DECLARE_SEMAPHORE(compatible, guarded);

int main(int count, char **words) {
    DTRACE_PROBE(compatible, dtrace0);
    DTRACE_PROBE1(compatible, dtrace, count);
    DTRACE_PROBE12(compatible, dtrace12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, count);
    STAP_PROBE(compatible, stap0);
    STAP_PROBE3(compatible, stap, count, words, words[0]);
    STAP_PROBEV(compatible, stapv, count, 2);
    FOLLY_SDT(compatible, folly, count, words[0]);
    if (FOLLY_SDT_IS_ENABLED(compatible, guarded)) {
        FOLLY_SDT_WITH_SEMAPHORE(compatible, guarded, count);
    }
    return 0;
}
