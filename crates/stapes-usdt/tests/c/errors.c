/* What callers may get wrong. */
#include "usdt.h"
#include "check.h"

#include <string.h>
#include <sys/resource.h>

static void null_pointers(void)
{
    CHECK(usdt_create_provider(NULL, NULL) == NULL);
    CHECK(usdt_create_provider(NULL, "module") == NULL);
    CHECK(usdt_create_probe("function", NULL, 0, NULL) == NULL);
    CHECK(usdt_provider_add_probe(NULL, NULL) == -1);
    CHECK(usdt_provider_remove_probe(NULL, NULL) == -1);
    CHECK(usdt_provider_enable(NULL) == -1);
    CHECK(usdt_provider_disable(NULL) == -1);
    CHECK(usdt_errstr(NULL) == NULL);
    CHECK(usdt_is_enabled(NULL) == 0);
    usdt_provider_free(NULL);
    usdt_probe_release(NULL);
    usdt_error(NULL, USDT_ERROR_NOPROBES);
    usdt_fire_probe(NULL, 3, NULL);

    usdt_provider_t *provider = usdt_create_provider("nulls", NULL);
    CHECK(strcmp(provider->module, "") == 0);
    CHECK(usdt_provider_add_probe(provider, NULL) == -1);
    CHECK(usdt_provider_remove_probe(provider, NULL) == -1);
    const char *types[] = {NULL, "int"};
    usdt_probedef_t *definition = usdt_create_probe(NULL, "probe", 2, types);
    CHECK(strcmp(definition->function, "") == 0 && strcmp(definition->types[0], "") == 0);
    /* Types that are not given are none. */
    usdt_probedef_t *untyped = usdt_create_probe("function", "untyped", 3, NULL);
    CHECK(untyped->argc == 0);
    CHECK(usdt_provider_add_probe(provider, definition) == 0);
    CHECK(usdt_provider_add_probe(provider, untyped) == 0);
    CHECK(usdt_provider_enable(provider) == 0);
    usdt_fire_probe(definition->probe, 2, NULL);
    usdt_fire_probe(definition->probe, 0, NULL);
    usdt_probe_release(definition);
    usdt_probe_release(untyped);
    usdt_provider_free(provider);
}

static void without_probes(void)
{
    usdt_provider_t *provider = usdt_create_provider("empty", "module");
    CHECK(usdt_provider_disable(provider) == 0);
    CHECK(usdt_provider_enable(provider) == -1);
    CHECK(strstr(usdt_errstr(provider), "no probes") != NULL);
    CHECK(provider->enabled == 0);
    usdt_error(provider, USDT_ERROR_DUP_PROBE, "a", "b", "c", "d");
    CHECK(strstr(usdt_errstr(provider), "a:b:c:d") != NULL);
    usdt_error(provider, USDT_ERROR_LOADDOF, "a reason");
    CHECK(strstr(usdt_errstr(provider), "a reason") != NULL);
    usdt_error(provider, (usdt_error_t)1000);
    CHECK(strstr(usdt_errstr(provider), "a reason") != NULL);
    usdt_provider_free(provider);
}

static void more_arguments_than_there_are(void)
{
    const char *types[100];
    void *values[100];
    for (int i = 0; i < 100; i++) {
        types[i] = "long";
        values[i] = NULL;
    }
    usdt_provider_t *provider = usdt_create_provider("many", "module");
    usdt_probedef_t *definition = usdt_create_probe("function", "probe", 100, types);
    CHECK(definition->argc == USDT_ARG_MAX);
    CHECK(usdt_provider_add_probe(provider, definition) == 0);
    CHECK(usdt_provider_enable(provider) == 0);
    usdt_fire_probe(definition->probe, 100, values);
    usdt_probe_release(definition);
    usdt_provider_free(provider);
}

static void odd_names(void)
{
    char huge[10001];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    const char *names[] = {"", "a b", "a/b/c", "a:b", "\x01\x7f", "\xff\xfe", "%s%n", huge};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        usdt_provider_t *provider = usdt_create_provider(names[i], names[i]);
        const char *types[] = {names[i]};
        usdt_probedef_t *definition = usdt_create_probe(names[i], names[i], 1, types);
        CHECK(usdt_provider_add_probe(provider, definition) == 0);
        CHECK(usdt_provider_enable(provider) == 0);
        CHECK(usdt_provider_add_probe(provider, definition) == -1);
        usdt_probe_release(definition);
        usdt_provider_free(provider);
    }
}

static void no_descriptors(void)
{
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 3;
    usdt_provider_t *provider = usdt_create_provider("starved", "module");
    usdt_probedef_t *definition = usdt_create_probe("function", "probe", 0, NULL);
    CHECK(usdt_provider_add_probe(provider, definition) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(usdt_provider_enable(provider) == -1);
    CHECK(strstr(usdt_errstr(provider), "memfd_create") != NULL && provider->enabled == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(usdt_provider_enable(provider) == 0 && provider->enabled == 1);
    usdt_probe_release(definition);
    usdt_provider_free(provider);
}

int main(void)
{
    null_pointers();
    without_probes();
    more_arguments_than_there_are();
    odd_names();
    no_descriptors();
    return 0;
}
