/* Every kind of argument, in probes that fire once when the program is told to; compiled as C and as C++.

   values fire     fires all probes
   values wait     the same, at the end of its input
   values watch    prints whether somebody listens to header:lazy, at first and when that changes; ends when it changed twice

   What tracers have to read is written in xtask/tests/header.rs. */
#include "../stapes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
#define EMPTY nullptr
extern void cplusplus(void);
#else
#define EMPTY ((void *)0)
#define cplusplus() ((void)0)
#endif
extern int other(int);

#define PROBE_FUNCTION static __attribute__((noinline)) void

struct packed {
    unsigned three : 3;
    int five : 5;
    unsigned long forty : 40;
    bool single : 1;
};
enum fruit { APPLE = 3 };

/* The compiler cannot know them. */
static volatile int one = 1;
static volatile double quarter = 0.25;
static volatile float half = 0.5f;

PROBE_FUNCTION nothing(void) {
    STAPES_PROBE(header, nothing);
}

PROBE_FUNCTION constants(void) {
    STAPES_PROBE(header, constants, (signed char)-5, (unsigned char)200, (short)-300, (unsigned short)65535, -70000,
                 1099511627776ul);
}

PROBE_FUNCTION integers(void) {
    STAPES_PROBE(header, integers, (signed char)(-5 * one), (unsigned char)(200 * one), (short)(-300 * one),
                 (unsigned short)(65535 * one), -70000 * one, 1099511627776ul * (unsigned)one);
}

PROBE_FUNCTION fields(void) {
    struct packed packed = {5, -3, 1ul << 39, true};
    enum fruit fruit = APPLE;
    STAPES_PROBE(header, fields, packed.three, packed.five, packed.forty, packed.single, (bool)one, fruit);
}

PROBE_FUNCTION addresses(void) {
    char array[8] = "array";
    const char *pointer = "pointer";
    /* The program never reads this byte again; the tracer does. */
    array[one] = 'R';
    STAPES_PROBE(header, addresses, array, pointer, "literal", &one, EMPTY, (signed char)'c');
}

PROBE_FUNCTION floats(void) {
    STAPES_PROBE(header, floats, half, -quarter, 1.5f, 2.5);
}

PROBE_FUNCTION many(void) {
    char array[8] = "array";
    STAPES_PROBE(header, many, one, (short)(-2 * one), array, (unsigned char)4, 5ul, half, 7, 8, 9, 10u, -11,
                 (signed char)(-12 * one));
}

/* Two of three sites; the third is in other.c. */
PROBE_FUNCTION shared(void) {
    STAPES_PROBE(header, shared, one);
    STAPES_PROBE(header, shared, one + 1);
}

PROBE_FUNCTION lazy(void) {
    int evaluations = 0;
    if (STAPES_ENABLED(header, lazy)) {
        STAPES_PROBE(header, lazy, ++evaluations);
    }
    STAPES_PROBE_LAZY(header, lazy, ++evaluations);
}

/* Arguments are evaluated once, in order; names that the header uses inside mean what they mean outside. */
PROBE_FUNCTION names(void) {
    int i = 10, argument = 20, symbol = 30;
    STAPES_PROBE(header, names, i++, i, argument, symbol);
}

static void fire(void) {
    nothing();
    constants();
    integers();
    fields();
    addresses();
    floats();
    many();
    shared();
    other(3);
    lazy();
    names();
    cplusplus();
}

static void pause_briefly(void) {
    struct timespec time = {0, 1000000};
    nanosleep(&time, EMPTY);
}

int main(int count, char **words) {
    const char *told = count > 1 ? words[1] : "fire";
    if (strcmp(told, "wait") == 0) {
        while (getchar() != EOF) {
        }
    }
    if (strcmp(told, "watch") == 0) {
        /* A minute is long; the test has given up by then. */
        int pauses = 60000;
        bool before = STAPES_ENABLED(header, lazy);
        printf("%d\n", before);
        fflush(stdout);
        for (int changes = 0; changes < 2 && pauses-- > 0; pause_briefly()) {
            bool now = STAPES_ENABLED(header, lazy);
            if (now != before) {
                printf("%d\n", now);
                fflush(stdout);
                changes++;
            }
            before = now;
        }
        return 0;
    }
    fire();
    return 0;
}
