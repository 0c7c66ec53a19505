/* Counts down and says so through a probe that did not exist when the program was compiled.
 *
 * cc -o first_probe first_probe.c $(pkg-config --cflags --libs libstapsdt)
 * ./first_probe [COUNT [MILLISECONDS]]
 */
#include <libstapsdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 60;
    long pause = argc > 2 ? atol(argv[2]) : 1000;

    SDTProvider_t *provider = providerInit("testProvider");
    SDTProbe_t *probe = providerAddProbe(provider, "firstProbe", 2, uint64, uint64);
    if (providerLoad(provider) == -1) {
        fprintf(stderr, "first_probe: %s\n", provider->error);
        return 1;
    }
    while (count-- > 0) {
        probeFire(probe, count, "My little probe");
        if (probeIsEnabled(probe)) {
            puts("Probe fired!");
            fflush(stdout);
        }
        usleep(pause * 1000);
    }
    providerUnload(provider);
    providerDestroy(provider);
    return 0;
}
