/* Probes in C, with nothing but one header.
 *
 *     cc -O2 -I../../../include shop.c -o shop
 *     stapes -c './shop 3' -e 'usdt::cshop:order { printf("%d %s\n", arg0, str(arg1)) }'
 */
#include "stapes.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    static const char *const items[] = {"apples", "bread", "coffee"};
    int orders = count > 1 ? atoi(words[1]) : 10;
    for (unsigned long id = 1; id <= (unsigned long)orders; id++) {
        int pieces = (int)(id % 5) + 1;
        double price = (double)id * 2.5;
        STAPES_PROBE(cshop, order, id, items[id % 3], pieces, price);
        if (STAPES_ENABLED(cshop, label)) {
            char label[32];
            snprintf(label, sizeof label, "%d x %s", pieces, items[id % 3]);
            STAPES_PROBE(cshop, label, label);
        }
    }
    return 0;
}
