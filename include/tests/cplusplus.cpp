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

// The compiler cannot know what is read here, nor leave out what is written: it makes no copies of functions for their use.
volatile int one = 1;
volatile double kept;

int variable = 6;
int &reference = variable;

}

void cplusplus() {
    STAPES_PROBE(header, kinds, Wide::LOW, U'\u00df', u'y', true, nullptr, reference);
    Counter counter{2};
    counter.add(3);
    kept = inlined(4 * one);
    kept = second(5 * one);
    kept = templated(7 * one);
    kept = templated(-0.5 * one);
}
