/* Threads that fire and ask while another loads and unloads.
 *
 * The sites are made to look traced by a nop of another form, so that they are called as with a tracer. */
#include "libstapsdt.h"
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static SDTProbe_t *probes[2];
static volatile int stop;

/* From `f2 0f 1f 40 00` to `66 0f 1f 40 00`; elsewhere nothing. */
static void arm(SDTProbe_t *probe)
{
#ifdef __x86_64__
    uintptr_t page = (uintptr_t)probe->_fire & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    CHECK(mprotect((void *)page, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    *(volatile unsigned char *)probe->_fire = 0x66;
    CHECK(probeIsEnabled(probe) == 1);
    CHECK((*(unsigned char *)probe->_fire & 0x90) != 0x90);
#else
    (void)probe;
#endif
}

static void *fire(void *unused)
{
    long fired = 0;
    while (!stop) {
        probeFire(probes[0]);
        probeFire(probes[1], 1, "two", 3L, 4, 5, 6L);
        fired += probeIsEnabled(probes[0]) + probeIsEnabled(probes[1]);
    }
    (void)unused;
    return (void *)fired;
}

int main(void)
{
    SDTProvider_t *provider = providerInit("threads");
    probes[0] = providerAddProbe(provider, "none", 0);
    probes[1] = providerAddProbe(provider, "six", 6, int32, uint64, int64, uint8, int16, uint64);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, fire, NULL) == 0);
    for (int i = 0; i < 3000; i++) {
        CHECK(providerLoad(provider) == 0);
        arm(probes[0]);
        arm(probes[1]);
        CHECK(providerUnload(provider) == 0);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    providerDestroy(provider);
    return 0;
}
