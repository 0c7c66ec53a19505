/* The layouts that wrappers of other languages have written down, as they were measured with the original. */
#include "libstapsdt.h"
#include <stddef.h>

#ifdef __cplusplus
#define HOLDS(what) static_assert(what, #what)
#else
#define HOLDS(what) _Static_assert(what, #what)
#endif

HOLDS(MAX_ARGUMENTS == 6);
HOLDS(noError == -1 && elfCreationError == 0 && tmpCreationError == 1 && sharedLibraryOpenError == 2);
HOLDS(symbolLoadingError == 3 && sharedLibraryCloseError == 4);
HOLDS(noarg == 0 && uint8 == 1 && int8 == -1 && uint16 == 2 && int16 == -2);
HOLDS(uint32 == 4 && int32 == -4 && uint64 == 8 && int64 == -8);
HOLDS(memfd_disabled == 0 && memfd_enabled == 1);

HOLDS(sizeof(SDTProbe_t) == 56);
HOLDS(offsetof(SDTProbe_t, name) == 0);
HOLDS(offsetof(SDTProbe_t, argFmt) == 8);
HOLDS(offsetof(SDTProbe_t, _fire) == 32);
HOLDS(offsetof(SDTProbe_t, provider) == 40);
HOLDS(offsetof(SDTProbe_t, argCount) == 48);

HOLDS(sizeof(SDTProbeList_t) == 64);
HOLDS(offsetof(SDTProbeList_t, probe) == 0);
HOLDS(offsetof(SDTProbeList_t, next) == 56);

HOLDS(sizeof(SDTProvider_t) == 56);
HOLDS(offsetof(SDTProvider_t, name) == 0);
HOLDS(offsetof(SDTProvider_t, probes) == 8);
HOLDS(offsetof(SDTProvider_t, errno) == 16);
HOLDS(offsetof(SDTProvider_t, error) == 24);
HOLDS(offsetof(SDTProvider_t, _handle) == 32);
HOLDS(offsetof(SDTProvider_t, _filename) == 40);
HOLDS(offsetof(SDTProvider_t, _memfd) == 48);
HOLDS(offsetof(SDTProvider_t, _use_memfd) == 52);

/* Wrappers for cgo name the structures by their tags. */
static struct SDTProbe *probe;
static struct SDTProvider *provider;
static struct SDTProbeList_ *list;

int main(void)
{
    return probe != 0 || provider != 0 || list != 0;
}
