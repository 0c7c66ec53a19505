/* What the script suite traces: probes with arguments of every kind, and functions.
 *
 * Usage: target [ROUNDS [MICROSECONDS]]   fires each probe ROUNDS times (1), with a pause between rounds.
 */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEMAPHORE(name) \
    __extension__ unsigned short suite_##name##_semaphore __attribute__((section(".probes"), used))
SEMAPHORE(round);
SEMAPHORE(integers);
SEMAPHORE(strings);
SEMAPHORE(places);
SEMAPHORE(guarded);
SEMAPHORE(unread);

struct point {
    int32_t x;
    int32_t y;
    const char *name;
};

/* Fires once per round with the number of the round, from 0. */
__attribute__((noinline)) void fire_round(long round) { STAP_PROBE1(suite, round, round); }

/* Every width and sign, each with a value that shows both. */
__attribute__((noinline)) void fire_integers(int8_t a, uint8_t b, int16_t c, uint16_t d,
                                             int32_t e, uint32_t f, int64_t g, uint64_t h) {
    STAP_PROBE8(suite, integers, a, b, c, d, e, f, g, h);
}

/* text, its length without the NUL, bytes that are not text, nothing, and no address */
__attribute__((noinline)) void fire_strings(const char *text, size_t length, const char *bytes, const char *empty,
                                            const char *nowhere) {
    STAP_PROBE5(suite, strings, text, length, bytes, empty, nowhere);
}

/* One probe at three sites, whose argument lives in a register, on the stack, and in a constant. */
__attribute__((noinline)) void fire_places(long value) {
    STAP_PROBE1(suite, places, value);
    volatile long kept = value + 1;
    STAP_PROBE1(suite, places, kept);
    STAP_PROBE1(suite, places, 42);
}

/* Only while somebody listens. */
__attribute__((noinline)) void fire_guarded(void) {
    if (suite_guarded_semaphore) STAP_PROBE1(suite, guarded, suite_guarded_semaphore);
}

/* A string on a page of a file that nothing has touched. */
__attribute__((noinline)) void fire_unread(const char *page) { STAP_PROBE1(suite, unread, page); }

__attribute__((noinline)) long add(long a, long b) {
    __asm__ volatile("");
    return a + b;
}

__attribute__((noinline)) long move_point(struct point *p) {
    __asm__ volatile("" ::: "memory");
    return p->x + p->y;
}

static const char *untouched_page(void) {
    char name[] = "/tmp/stapes-suite-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0) return NULL;
    unlink(name);
    char page[4096] = "read from the file";
    if (write(fd, page, sizeof page) != (ssize_t)sizeof page) return NULL;
    char *mapped = mmap(NULL, sizeof page, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 1;
    useconds_t pause = argc > 2 ? (useconds_t)atol(argv[2]) : 0;
    struct point p = {3, -4, "point"};
    for (long round = 0; round < rounds; round++) {
        fire_round(round);
        fire_integers(-1, 255, -2, 65535, -3, 4294967295u, -4, 18446744073709551615u);
        fire_strings("hello world", 11, "a\x01\xff" "b", "", (const char *)8);
        fire_places(round);
        fire_guarded();
        fire_unread(untouched_page());
        add(round, 10);
        move_point(&p);
        if (pause) usleep(pause);
    }
    return 0;
}
