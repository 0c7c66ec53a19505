/* The matrix program in C, with the probes in a shared library written in Rust. */
#include <stdbool.h>
#include <string.h>
#include <time.h>

void matrix_fire(void);
bool matrix_all_enabled(void);

int main(int count, char **words) {
    if (count < 2) return 2;
    if (strcmp(words[1], "check") == 0) return matrix_all_enabled() ? 0 : 1;
    if (strcmp(words[1], "wait") == 0) {
        time_t end = time(NULL) + 60;
        while (!matrix_all_enabled()) {
            if (time(NULL) > end) return 1;
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
    }
    matrix_fire();
    return 0;
}
