/* Probes declared in store.d, by the macros of the header that `stapes gen` makes of it.
 *
 *     stapes gen ../store.d --header -o store_probes.h
 *     cc -O2 store.c -o store
 */
#include "store_probes.h"

#include <stdlib.h>

int main(int count, char **words) {
    static char *const items[] = {"apples", "bread", "coffee"};
    int orders = count > 1 ? atoi(words[1]) : 10;
    for (unsigned long id = 1; id <= (unsigned long)orders; id++) {
        if (STORE_ORDER_RECEIVED_ENABLED()) {
            STORE_ORDER_RECEIVED(id, items[id % 3], (int)(id % 5) + 1);
        }
        STORE_ORDER_SHIPPED(id, (double)id * 2.5);
    }
    return 0;
}
