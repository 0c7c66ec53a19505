/* What callers may get wrong. */
#include "libstapsdt.h"
#include "check.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/resource.h>

static void null_pointers(void)
{
    CHECK(providerInit(NULL) == NULL);
    CHECK(providerUseMemfd(NULL, memfd_enabled) == 0);
    CHECK(providerAddProbe(NULL, "probe", 0) == NULL);
    CHECK(providerLoad(NULL) == -1);
    CHECK(providerUnload(NULL) == -1);
    providerDestroy(NULL);
    probeFire(NULL);
    probeFire(NULL, 1, 2, 3, 4, 5, 6);
    CHECK(probeIsEnabled(NULL) == 0);

    SDTProvider_t *provider = providerInit("nulls");
    CHECK(providerAddProbe(provider, NULL, 0) == NULL);
    CHECK(provider->errno == elfCreationError && provider->error != NULL);
    CHECK(provider->probes == NULL);
    SDTProbe_t *probe = providerAddProbe(provider, "text", 1, uint64);
    CHECK(providerLoad(provider) == 0);
    probeFire(probe, (char *)NULL);
    providerDestroy(provider);
}

static void counts_and_types(void)
{
    SDTProvider_t *provider = providerInit("counts");
    CHECK(providerAddProbe(provider, "seven", 7, int8, int8, int8, int8, int8, int8, int8) == NULL);
    CHECK(provider->errno == elfCreationError);
    CHECK(strstr(provider->error, "7") != NULL);
    CHECK(providerAddProbe(provider, "many", 1 << 30) == NULL);
    CHECK(providerAddProbe(provider, "negative", -1) == NULL);
    CHECK(strstr(provider->error, "-1") != NULL);
    CHECK(provider->probes == NULL);
    /* No types of the interface: passed whole. */
    SDTProbe_t *probe = providerAddProbe(provider, "odd", 3, 3, -100, noarg);
    CHECK(probe != NULL && probe->argFmt[1] == -100);
    CHECK(providerLoad(provider) == 0);
    probeFire(probe, 1L, 2L, 3L);
    providerDestroy(provider);
}

static void names(void)
{
    char huge[10001];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    const char *fine[] = {"", "a b", "a/b/c", "../a", "a:b", "a\"b", "\x01\x7f", "\xff\xfe", "%s%n"};
    for (unsigned i = 0; i < sizeof fine / sizeof *fine; i++) {
        for (int memfd = 0; memfd < 2; memfd++) {
            SDTProvider_t *provider = providerInit(fine[i]);
            CHECK(strcmp(provider->name, fine[i]) == 0);
            CHECK(providerUseMemfd(provider, memfd ? memfd_enabled : memfd_disabled) == 1);
            SDTProbe_t *probe = providerAddProbe(provider, fine[i], 1, int32);
            CHECK(strcmp(probe->name, fine[i]) == 0);
            CHECK(providerLoad(provider) == 0);
            probeFire(probe, 1);
            CHECK(providerUnload(provider) == 0);
            providerDestroy(provider);
        }
    }
    /* A memfd's name has an end, and the original's answer is expected. */
    SDTProvider_t *provider = providerInit(huge);
    SDTProbe_t *probe = providerAddProbe(provider, "probe", 0);
    CHECK(providerLoad(provider) == -1);
    CHECK(provider->errno == tmpCreationError && provider->error != NULL);
    CHECK(probe->_fire == NULL && probeIsEnabled(probe) == 0);
    CHECK(providerUnload(provider) == 0);
    CHECK(providerUseMemfd(provider, memfd_disabled) == 1);
    CHECK(providerLoad(provider) == 0);
    providerDestroy(provider);

    provider = providerInit("huge-probe");
    probe = providerAddProbe(provider, huge, 0);
    CHECK(providerLoad(provider) == 0 && probe->_fire != NULL);
    providerDestroy(provider);
}

static void a_handle_closed_by_others(void)
{
    SDTProvider_t *provider = providerInit("closed");
    SDTProbe_t *probe = providerAddProbe(provider, "probe", 0);
    CHECK(providerLoad(provider) == 0);
    if (provider->_handle != NULL) {
        CHECK(dlclose(provider->_handle) == 0);
        CHECK(providerUnload(provider) == -1);
        CHECK(provider->errno == sharedLibraryCloseError && provider->error != NULL);
    }
    probeFire(probe);
    CHECK(providerLoad(provider) == 0);
    probeFire(probe);
    CHECK(providerUnload(provider) == 0);
    providerDestroy(provider);
}

static void no_descriptors(void)
{
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 3;
    SDTProvider_t *provider = providerInit("starved");
    SDTProbe_t *probe = providerAddProbe(provider, "probe", 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(providerLoad(provider) == -1);
    CHECK(provider->errno == tmpCreationError && strstr(provider->error, "memfd_create") != NULL);
    CHECK(probe->_fire == NULL);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(providerLoad(provider) == 0);
    providerDestroy(provider);
}

static void without_probes(void)
{
    SDTProvider_t *provider = providerInit("empty");
    CHECK(providerUnload(provider) == 0);
    CHECK(providerLoad(provider) == 0);
    CHECK(providerLoad(provider) == 0);
    CHECK(providerUnload(provider) == 0);
    providerDestroy(provider);
}

static void many(void)
{
    /* Nothing is left behind: fewer descriptors than rounds. */
    struct rlimit few = {64, 64};
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (int i = 0; i < 2000; i++) {
        SDTProvider_t *provider = providerInit("again");
        providerAddProbe(provider, "probe", 2, int32, uint64);
        CHECK(providerLoad(provider) == 0);
        if (i % 2)
            CHECK(providerUnload(provider) == 0);
        providerDestroy(provider);
    }
}

int main(void)
{
    null_pointers();
    counts_and_types();
    names();
    a_handle_closed_by_others();
    no_descriptors();
    without_probes();
    many();
    return 0;
}
