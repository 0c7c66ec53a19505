/* Fires each probe again and again until its input ends; says when a probe's state changes. */
#include "libstapsdt.h"
#include "check.h"

#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static uint64_t bits(double value)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

int main(int argc, char **argv)
{
    SDTProvider_t *provider = providerInit("cprovider");
    CHECK(providerUseMemfd(provider, argc > 1 && strcmp(argv[1], "file") == 0 ? memfd_disabled : memfd_enabled));
    SDTProbe_t *none = providerAddProbe(provider, "none", 0);
    SDTProbe_t *one = providerAddProbe(provider, "one", 1, int8);
    SDTProbe_t *two = providerAddProbe(provider, "two", 2, uint8, int16);
    SDTProbe_t *three = providerAddProbe(provider, "three", 3, uint16, int32, uint32);
    SDTProbe_t *four = providerAddProbe(provider, "four", 4, int64, uint64, uint64, int8);
    SDTProbe_t *five = providerAddProbe(provider, "five", 5, int32, int32, int32, int32, int32);
    SDTProbe_t *six = providerAddProbe(provider, "six", 6, uint64, int32, uint64, int32, uint64, int32);
    CHECK(providerLoad(provider) == 0);
    printf("%s\n", provider->_filename ? provider->_filename : "memfd");
    fflush(stdout);
    int enabled = 0;
    struct pollfd input = {0, POLLIN, 0};
    while (poll(&input, 1, 5) == 0) {
        probeFire(none);
        probeFire(one, -5);
        probeFire(two, 200, -300);
        probeFire(three, 60000, -70000, 4000000000u);
        probeFire(four, INT64_MIN + 1, UINT64_MAX - 1, bits(-0.5), -1);
        probeFire(five, 1, -2, 3, -4, 5);
        probeFire(six, "first", 1, "second", -2, "third", 3);
        if (probeIsEnabled(six) != enabled) {
            enabled = !enabled;
            printf("enabled %d\n", enabled);
            fflush(stdout);
        }
    }
    providerDestroy(provider);
    return 0;
}
