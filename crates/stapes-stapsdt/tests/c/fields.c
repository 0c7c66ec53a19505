/* Every function, and every field that wrappers read or write. */
#include "libstapsdt.h"
#include "check.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fields_of_a_provider(int is_static)
{
    SDTProvider_t *provider = providerInit("fields");
    CHECK(strcmp(provider->name, "fields") == 0);
    CHECK(provider->probes == NULL);
    CHECK(provider->errno == noError);
    CHECK(provider->error == NULL);
    CHECK(provider->_handle == NULL);
    CHECK(provider->_filename == NULL);
    CHECK(provider->_use_memfd == memfd_enabled);

    SDTProbe_t *first = providerAddProbe(provider, "first", 0);
    SDTProbe_t *second = providerAddProbe(provider, "second", 6, uint8, int16, uint32, int64, uint64, int8);
    CHECK(strcmp(first->name, "first") == 0 && strcmp(second->name, "second") == 0);
    CHECK(first->provider == provider && second->provider == provider);
    CHECK(first->argCount == 0 && second->argCount == 6);
    CHECK(second->argFmt[0] == uint8 && second->argFmt[1] == int16 && second->argFmt[2] == uint32);
    CHECK(second->argFmt[3] == int64 && second->argFmt[4] == uint64 && second->argFmt[5] == int8);
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        CHECK(first->argFmt[i] == noarg);
    CHECK(first->_fire == NULL && second->_fire == NULL);
    /* The last one added is the list's first. */
    CHECK(&provider->probes->probe == second);
    CHECK(&provider->probes->next->probe == first);
    CHECK(provider->probes->next->next == NULL);

    CHECK(probeIsEnabled(first) == 0);
    probeFire(first);
    CHECK(providerLoad(provider) == 0);
    CHECK(provider->errno == noError && provider->error == NULL);
    /* A static program may have a dynamic linker or not. */
    CHECK(provider->_handle != NULL || is_static);
    struct stat status;
    CHECK(provider->_memfd >= 0 && fstat(provider->_memfd, &status) == 0);
    CHECK(provider->_filename == NULL);
    /* As wrappers look by themselves whether a probe is traced. */
    CHECK((*(unsigned char *)first->_fire & 0x90) == 0x90);
    CHECK((*(unsigned char *)second->_fire & 0x90) == 0x90);
    CHECK(first->_fire != second->_fire);
    CHECK(probeIsEnabled(first) == 0 && probeIsEnabled(second) == 0);
    probeFire(first);
    probeFire(second, 1, 2, 3, 4, 5, 6);
    if (provider->_handle != NULL)
        CHECK(dlsym(provider->_handle, "second") == second->_fire);

    /* Not while it is loaded. */
    CHECK(providerUseMemfd(provider, memfd_disabled) == 0);
    CHECK(provider->_use_memfd == memfd_enabled);
    /* A second load changes nothing. */
    void *fire = first->_fire;
    CHECK(providerLoad(provider) == 0 && first->_fire == fire);

    int descriptor = provider->_memfd;
    CHECK(providerUnload(provider) == 0);
    CHECK(first->_fire == NULL && second->_fire == NULL);
    CHECK(provider->_handle == NULL && provider->_filename == NULL);
    CHECK(fstat(descriptor, &status) != 0);
    probeFire(second, 1, 2, 3, 4, 5, 6);
    CHECK(probeIsEnabled(second) == 0);
    CHECK(providerUnload(provider) == 0);
    CHECK(providerLoad(provider) == 0 && first->_fire != NULL);
    /* Loaded still. */
    providerDestroy(provider);
}

static void files(void)
{
    SDTProvider_t *provider = providerInit("in-a-file");
    CHECK(providerUseMemfd(provider, memfd_disabled) == 1);
    CHECK(provider->_use_memfd == memfd_disabled);
    providerAddProbe(provider, "probe", 1, int32);
    CHECK(providerLoad(provider) == 0);
    CHECK(strncmp(provider->_filename, "/tmp/", 5) == 0);
    CHECK(strcmp(provider->_filename + strlen(provider->_filename) - 3, ".so") == 0);
    char *name = strdup(provider->_filename);
    CHECK(access(name, R_OK) == 0);
    CHECK(providerUnload(provider) == 0);
    CHECK(access(name, R_OK) != 0);
    free(name);

    /* A wrapper keeps the file's name to itself and takes it out of the structure before it unloads. */
    CHECK(providerLoad(provider) == 0);
    name = provider->_filename;
    provider->_filename = NULL;
    CHECK(providerUnload(provider) == 0);
    CHECK(access(name, R_OK) != 0);
    free(name);
    CHECK(providerUseMemfd(provider, memfd_enabled) == 1);
    CHECK(providerLoad(provider) == 0 && provider->_filename == NULL && provider->_memfd >= 0);
    providerDestroy(provider);
}

static void probes_added_later(void)
{
    SDTProvider_t *provider = providerInit("later");
    SDTProbe_t *early = providerAddProbe(provider, "early", 1, uint64);
    CHECK(providerLoad(provider) == 0);
    void *site = early->_fire;
    SDTProbe_t *late = providerAddProbe(provider, "late", 1, uint64);
    CHECK(late->_fire == NULL);
    probeFire(late, 1L);
    CHECK(providerLoad(provider) == 0);
    CHECK(early->_fire == site && late->_fire != NULL && late->_fire != site);
    /* One name twice is two probes. */
    SDTProbe_t *again = providerAddProbe(provider, "early", 0);
    CHECK(providerLoad(provider) == 0 && again->_fire != site);
    CHECK(providerUnload(provider) == 0);
    CHECK(early->_fire == NULL && late->_fire == NULL && again->_fire == NULL);
    CHECK(providerLoad(provider) == 0);
    providerDestroy(provider);
}

int main(int argc, char **argv)
{
    fields_of_a_provider(argc > 1 && strcmp(argv[1], "static") == 0);
    files();
    probes_added_later();
    return 0;
}
