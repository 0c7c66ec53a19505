/* The peer in C: SystemTap's sys/sdt.h, without and with a semaphore. Sixteen probes per round, as in cost.rs. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

__extension__ unsigned short bench_c_guarded_semaphore __attribute__((section(".probes")));
__extension__ unsigned short bench_c_eager_semaphore __attribute__((section(".probes")));

#define FOUR(x) x x x x
#define SIXTEEN(x) FOUR(FOUR(x))

void c_eager_4(unsigned long rounds, unsigned long a, unsigned b, long c, unsigned long d) {
    for (unsigned long i = 0; i < rounds; i++) {
        SIXTEEN(DTRACE_PROBE4(bench_c, eager, a, b, c, d);)
    }
}

void c_guarded_4(unsigned long rounds, unsigned long a, unsigned b, long c, unsigned long d) {
    for (unsigned long i = 0; i < rounds; i++) {
        SIXTEEN(if (__builtin_expect(*(volatile unsigned short *)&bench_c_guarded_semaphore, 0))
                    DTRACE_PROBE4(bench_c, guarded, a, b, c, d);)
    }
}
