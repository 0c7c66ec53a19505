/* What a libstapsdt costs: one figure per line, a name, a number and a unit.
 *
 * usage: stapsdt [ROUNDS] */
#include <libstapsdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLS 1000000

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int count)
{
    qsort(times, count, sizeof *times, order);
    return times[count / 2];
}

static void loading(int probes, int rounds)
{
    double *load = malloc(rounds * sizeof *load), *unload = malloc(rounds * sizeof *unload);
    SDTProvider_t *provider = providerInit("bench");
    for (int i = 0; i < probes; i++) {
        char name[32];
        snprintf(name, sizeof name, "probe%d", i);
        providerAddProbe(provider, name, 2, uint64, uint64);
    }
    for (int i = 0; i < rounds; i++) {
        double start = now();
        if (providerLoad(provider) != 0)
            exit(1);
        double loaded = now();
        if (providerUnload(provider) != 0)
            exit(1);
        load[i] = loaded - start;
        unload[i] = now() - loaded;
    }
    providerDestroy(provider);
    printf("load %d\t%.2f\tµs\n", probes, median(load, rounds) / 1e3);
    printf("unload %d\t%.2f\tµs\n", probes, median(unload, rounds) / 1e3);
    free(load);
    free(unload);
}

static SDTProbe_t *none, *six;
static volatile int sink;

static void fire_none(void)
{
    for (int i = 0; i < CALLS; i++)
        probeFire(none);
}

static void fire_six(void)
{
    for (int i = 0; i < CALLS; i++)
        probeFire(six, i, i + 1, i + 2, i + 3, i + 4, i + 5);
}

static void is_enabled(void)
{
    for (int i = 0; i < CALLS; i++)
        sink = probeIsEnabled(none);
}

__attribute__((noinline)) static void empty(int i)
{
    __asm__ volatile("" : : "r"(i) : "memory");
}

static void call_empty(void)
{
    for (int i = 0; i < CALLS; i++)
        empty(i);
}

static void per_call(const char *name, void (*act)(void), int rounds)
{
    double *times = malloc(rounds * sizeof *times);
    for (int i = 0; i < rounds; i++) {
        double start = now();
        act();
        times[i] = now() - start;
    }
    printf("%s\t%.2f\tns\n", name, median(times, rounds) / CALLS);
    free(times);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    if (rounds < 1)
        rounds = 1;
    loading(1, rounds);
    loading(10, rounds);
    loading(100, rounds);
    loading(1000, rounds);
    SDTProvider_t *provider = providerInit("bench");
    none = providerAddProbe(provider, "none", 0);
    six = providerAddProbe(provider, "six", 6, uint64, uint64, uint64, uint64, uint64, uint64);
    if (providerLoad(provider) != 0)
        return 1;
    int turns = rounds / 8 + 1;
    per_call("empty call", call_empty, turns);
    per_call("fire, disabled, no arguments", fire_none, turns);
    per_call("fire, disabled, 6 arguments", fire_six, turns);
    per_call("is enabled", is_enabled, turns);
    providerDestroy(provider);
    return 0;
}
