// What only C++ has: templates, lambdas, inline functions, classes, and more types.
#include "inlined.hpp"

extern int second(int);
extern void cplusplus();

namespace {

enum class Wide : short { LOW = -4 };

struct Counter {
    int count;

    int add(int more) {
        auto adder = [this](auto by) {
            STAPES_PROBE(header, lambda, count, by);
            return count += by;
        };
        return adder(more);
    }
};

int variable = 6;
int &reference = variable;

}

void cplusplus() {
    STAPES_PROBE(header, kinds, Wide::LOW, U'\u00df', u'y', true, nullptr, reference);
    Counter counter{2};
    counter.add(3);
    inlined(4);
    second(5);
    templated(7);
    templated(-0.5);
}
