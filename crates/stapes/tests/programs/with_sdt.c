/* A probe by SystemTap's header, to be linked with probes of ours. */
#include <sys/sdt.h>

void from_c(int n) {
    DTRACE_PROBE1(from_c, hello, n);
}
