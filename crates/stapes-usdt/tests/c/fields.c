/* Every function and field, in the order in which programs use them. */
#include "usdt.h"
#include "check.h"

#include <string.h>

int main(void)
{
    const char *types[] = {"int", "char *"};
    void *values[] = {(void *)1, (void *)"text"};
    usdt_provider_t *provider = usdt_create_provider("fields", "module");
    CHECK(strcmp(provider->name, "fields") == 0 && strcmp(provider->module, "module") == 0);
    CHECK(provider->probedefs == NULL && provider->enabled == 0 && usdt_errstr(provider) == NULL);

    usdt_probedef_t *first = usdt_create_probe("function", "first", 2, types);
    usdt_probedef_t *second = usdt_create_probe("function", "second", 0, NULL);
    CHECK(strcmp(first->name, "first") == 0 && strcmp(first->function, "function") == 0);
    CHECK(first->argc == 2 && second->argc == 0);
    CHECK(strcmp(first->types[0], "int") == 0 && strcmp(first->types[1], "char *") == 0);
    CHECK(first->types[0] != types[0]);
    CHECK(first->probe == NULL && first->next == NULL && first->refcnt == 2);
    CHECK(usdt_is_enabled(first->probe) == 0);
    usdt_fire_probe(first->probe, 2, values);

    CHECK(usdt_provider_add_probe(provider, first) == 0);
    CHECK(usdt_provider_add_probe(provider, second) == 0);
    CHECK(provider->probedefs == first && first->next == second && second->next == NULL);
    /* Function and name together are what is there once. */
    usdt_probedef_t *twin = usdt_create_probe("function", "first", 0, NULL);
    CHECK(usdt_provider_add_probe(provider, twin) == -1);
    CHECK(strstr(usdt_errstr(provider), "fields:module:function:first") != NULL);
    usdt_probedef_t *cousin = usdt_create_probe("other", "first", 0, NULL);
    CHECK(usdt_provider_add_probe(provider, cousin) == 0);

    CHECK(usdt_provider_enable(provider) == 0);
    CHECK(provider->enabled == 1);
    CHECK(first->probe != NULL && first->probe->probe_addr != NULL);
    CHECK(cousin->probe->probe_addr != first->probe->probe_addr);
    CHECK(usdt_is_enabled(first->probe) == 0 && usdt_is_enabled(second->probe) == 0);
    usdt_fire_probe(first->probe, 2, values);
    usdt_fire_probe(second->probe, 0, NULL);
    /* Not fatal, and said so. */
    CHECK(usdt_provider_enable(provider) == 0 && strstr(usdt_errstr(provider), "already") != NULL);
    /* More probes while others are traced. */
    usdt_probedef_t *late = usdt_create_probe("function", "late", 0, NULL);
    CHECK(usdt_provider_add_probe(provider, late) == 0);
    void *site = first->probe->probe_addr;
    CHECK(usdt_provider_enable(provider) == 0);
    CHECK(late->probe->probe_addr != NULL && first->probe->probe_addr == site);

    CHECK(usdt_provider_remove_probe(provider, second) == 0);
    CHECK(first->next == cousin && second->next == NULL);
    CHECK(second->probe->probe_addr == NULL);
    CHECK(usdt_provider_remove_probe(provider, second) == -1);
    CHECK(strstr(usdt_errstr(provider), "fields:module:function:second") != NULL);

    CHECK(usdt_provider_disable(provider) == 0);
    CHECK(provider->enabled == 0 && first->probe->probe_addr == NULL);
    CHECK(usdt_is_enabled(first->probe) == 0 && usdt_is_enabled(second->probe) == 0);
    usdt_fire_probe(first->probe, 2, values);
    usdt_fire_probe(second->probe, 0, NULL);
    CHECK(usdt_provider_disable(provider) == 0);
    CHECK(usdt_provider_enable(provider) == 0 && first->probe->probe_addr != NULL);
    CHECK(usdt_provider_add_probe(provider, second) == 0 && usdt_provider_enable(provider) == 0);
    CHECK(second->probe->probe_addr != NULL);

    /* The creator's holds, then, by freeing the provider, the provider's. */
    usdt_probe_release(first);
    usdt_probe_release(second);
    usdt_probe_release(cousin);
    usdt_probe_release(late);
    CHECK(first->refcnt == 1 && first->probe->probe_addr != NULL);
    usdt_provider_free(provider);
    usdt_probe_release(twin);
    usdt_probe_release(twin);
    return 0;
}
