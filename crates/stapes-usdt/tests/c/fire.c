/* Fires probes with few and with the most arguments until its input ends. */
#include "usdt.h"
#include "check.h"

#include <poll.h>
#include <unistd.h>

int main(void)
{
    const char *few[] = {"char *", "int", "unsigned char", "short"};
    void *few_values[] = {(void *)"text", (void *)(intptr_t)-70000, (void *)200, (void *)(intptr_t)-300};
    const char *many[USDT_ARG_MAX];
    void *many_values[USDT_ARG_MAX];
    for (int i = 0; i < USDT_ARG_MAX; i++) {
        many[i] = "int";
        many_values[i] = (void *)(intptr_t)(i % 2 ? -(i + 1) : i + 1);
    }
    usdt_provider_t *provider = usdt_create_provider("libusdt_test", "module");
    usdt_probedef_t *first = usdt_create_probe("function", "few", 4, few);
    usdt_probedef_t *second = usdt_create_probe("function", "many", USDT_ARG_MAX, many);
    CHECK(usdt_provider_add_probe(provider, first) == 0 && usdt_provider_add_probe(provider, second) == 0);
    CHECK(usdt_provider_enable(provider) == 0);
    struct pollfd input = {0, POLLIN, 0};
    while (poll(&input, 1, 5) == 0) {
        if (usdt_is_enabled(first->probe))
            usdt_fire_probe(first->probe, 4, few_values);
        usdt_fire_probe(second->probe, USDT_ARG_MAX, many_values);
    }
    usdt_probe_release(first);
    usdt_probe_release(second);
    usdt_provider_free(provider);
    return 0;
}
