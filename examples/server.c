/* A small program with probes, for the guides: requests with a path, a status and a duration.
 *
 * cc -O2 -o server server.c      (needs sys/sdt.h: Debian's systemtap-sdt-dev)
 * ./server [REQUESTS]            without a number it goes on until it is stopped
 */
#define _SDT_HAS_SEMAPHORES 1
#include <stdlib.h>
#include <sys/sdt.h>
#include <time.h>

/* While nobody traces, these are 0, and the probes cost one test of them. */
__extension__ unsigned short server_request_start_semaphore __attribute__((section(".probes")));
__extension__ unsigned short server_request_done_semaphore __attribute__((section(".probes")));

static const char *const paths[] = {"/", "/search", "/login", "/report"};

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

__attribute__((noinline)) static int handle(long id, const char *path)
{
    long start = now();
    if (server_request_start_semaphore)
        DTRACE_PROBE2(server, request_start, id, path);
    struct timespec work = {0, 200000 * (1 + id % 7)};
    nanosleep(&work, 0);
    int status = id % 19 ? 200 : 500;
    if (server_request_done_semaphore)
        DTRACE_PROBE4(server, request_done, id, path, status, now() - start);
    return status;
}

int main(int argc, char **argv)
{
    long requests = argc > 1 ? atol(argv[1]) : -1;
    int failures = 0;
    for (long id = 0; id != requests; id++)
        failures += handle(id, paths[(id * id + id / 3) % 4]) >= 500;
    return failures > 100;
}
