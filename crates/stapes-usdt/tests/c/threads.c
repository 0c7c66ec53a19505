/* Threads that fire and ask while another enables and disables.
 *
 * The sites are made to look traced by a nop of another form, so that they are called as with a tracer. */
#include "usdt.h"
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static usdt_probedef_t *definition;
static volatile int stop;

/* From `f2 0f 1f 40 00` to `66 0f 1f 40 00`; elsewhere nothing. */
static void arm(usdt_probe_t *probe)
{
#ifdef __x86_64__
    uintptr_t page = (uintptr_t)probe->probe_addr & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    CHECK(mprotect((void *)page, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    *(volatile unsigned char *)probe->probe_addr = 0x66;
    CHECK(usdt_is_enabled(probe) == 1);
#else
    (void)probe;
#endif
}

static void *fire(void *unused)
{
    void *values[USDT_ARG_MAX] = {NULL};
    long fired = 0;
    while (!stop) {
        fired += usdt_is_enabled(definition->probe);
        usdt_fire_probe(definition->probe, USDT_ARG_MAX, values);
    }
    (void)unused;
    return (void *)fired;
}

int main(void)
{
    const char *types[USDT_ARG_MAX];
    for (int i = 0; i < USDT_ARG_MAX; i++)
        types[i] = i % 2 ? "int" : "char *";
    usdt_provider_t *provider = usdt_create_provider("threads", "module");
    definition = usdt_create_probe("function", "probe", USDT_ARG_MAX, types);
    CHECK(usdt_provider_add_probe(provider, definition) == 0);
    /* The field is there from the first enable on. */
    CHECK(usdt_provider_enable(provider) == 0);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, fire, NULL) == 0);
    for (int i = 0; i < 3000; i++) {
        arm(definition->probe);
        CHECK(usdt_provider_disable(provider) == 0);
        CHECK(usdt_provider_enable(provider) == 0);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    usdt_probe_release(definition);
    usdt_provider_free(provider);
    return 0;
}
