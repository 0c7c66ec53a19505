/* The matrix program in C, with the probes in a shared library written in Rust. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void matrix_fire(void);
bool matrix_all_enabled(void);

int main(int count, char **words) {
    if (count < 2) return 2;
    if (strcmp(words[1], "check") == 0) return matrix_all_enabled() ? 0 : 1;
    if (strcmp(words[1], "wait") == 0) {
        while (getchar() > '\n') {
        }
        if (!matrix_all_enabled()) return 1;
    }
    matrix_fire();
    return 0;
}
