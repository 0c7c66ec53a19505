/* The target of the benches: fires bench:tick in a loop and says what each turn cost.
 *
 * usage: loop COUNT [RATE] [wait]
 *   COUNT  how often to fire
 *   RATE   at most so many per second, 0 for as fast as it goes
 *   wait   first wait until a tracer has raised the semaphore, and print when that was seen
 *
 * Prints `attached NANOSECONDS` (CLOCK_MONOTONIC) when it waited, and `turns COUNT nanoseconds TOTAL` at the end.
 */
#define _SDT_HAS_SEMAPHORES 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/sdt.h>

__extension__ unsigned short bench_tick_semaphore __attribute__((unused, section(".probes")));

static unsigned long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned long long count = argc > 1 ? strtoull(argv[1], 0, 0) : 0;
    unsigned long long rate = argc > 2 ? strtoull(argv[2], 0, 0) : 0;
    volatile unsigned short *semaphore = &bench_tick_semaphore;
    if (argc > 3 && !strcmp(argv[3], "wait")) {
        struct timespec nap = {0, 20000};
        unsigned long long give_up = now() + 30000000000ull;
        while (!*semaphore && now() < give_up)
            nanosleep(&nap, 0);
        printf("attached %llu\n", now());
        fflush(stdout);
        /* The other sites and programs of the same tracer may still be on their way. */
        nap.tv_nsec = 300000000;
        nanosleep(&nap, 0);
    }
    unsigned long long start = now();
    for (unsigned long long i = 0; i < count; i++) {
        DTRACE_PROBE3(bench, tick, i, i % 1000, "hello world");
        if (rate && !(i & 63))
            while ((now() - start) * rate < i * 1000000000ull)
                ;
    }
    printf("turns %llu nanoseconds %llu\n", count, now() - start);
    return 0;
}
