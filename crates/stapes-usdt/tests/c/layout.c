/* The layouts of libusdt's structures with 64-bit pointers, by the C rules from its header. */
#include "usdt.h"

#ifdef __cplusplus
#define HOLDS(what) static_assert(what, #what)
#else
#define HOLDS(what) _Static_assert(what, #what)
#endif

HOLDS(USDT_ARG_MAX == 32);
HOLDS(USDT_ERROR_MALLOC == 0 && USDT_ERROR_VALLOC == 1 && USDT_ERROR_NOPROBES == 2 && USDT_ERROR_LOADDOF == 3);
HOLDS(USDT_ERROR_ALREADYENABLED == 4 && USDT_ERROR_UNLOADDOF == 5 && USDT_ERROR_DUP_PROBE == 6);
HOLDS(USDT_ERROR_REMOVE_PROBE == 7);

HOLDS(sizeof(usdt_probe_t) == 16);
HOLDS(offsetof(usdt_probe_t, isenabled_addr) == 0);
HOLDS(offsetof(usdt_probe_t, probe_addr) == 8);

HOLDS(sizeof(usdt_probedef_t) == 304);
HOLDS(offsetof(usdt_probedef_t, name) == 0);
HOLDS(offsetof(usdt_probedef_t, function) == 8);
HOLDS(offsetof(usdt_probedef_t, argc) == 16);
HOLDS(offsetof(usdt_probedef_t, types) == 24);
HOLDS(offsetof(usdt_probedef_t, probe) == 280);
HOLDS(offsetof(usdt_probedef_t, next) == 288);
HOLDS(offsetof(usdt_probedef_t, refcnt) == 296);

HOLDS(sizeof(usdt_provider_t) == 48);
HOLDS(offsetof(usdt_provider_t, name) == 0);
HOLDS(offsetof(usdt_provider_t, module) == 8);
HOLDS(offsetof(usdt_provider_t, probedefs) == 16);
HOLDS(offsetof(usdt_provider_t, error) == 24);
HOLDS(offsetof(usdt_provider_t, enabled) == 32);
HOLDS(offsetof(usdt_provider_t, file) == 40);

static struct usdt_probe *probe;
static struct usdt_probedef *definition;
static struct usdt_provider *provider;

int main(void)
{
    return probe != 0 || definition != 0 || provider != 0;
}
