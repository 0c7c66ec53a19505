/* A program that has errno.h before the header: the field's own name is a macro then. */
#include <errno.h>

#include "libstapsdt.h"
#include "check.h"

int main(void)
{
    SDTProvider_t *provider = providerInit("with_errno");
    CHECK(provider->provider_errno == noError);
    CHECK(providerAddProbe(provider, "probe", 7) == NULL);
    CHECK(provider->provider_errno == elfCreationError);
    errno = 0;
    providerDestroy(provider);
    return 0;
}
