/* Probes that a program makes while it runs: the interface of libstapsdt, as stapes provides it.
 *
 * Layouts, values and names are those of libstapsdt, so that programs compiled for it run on this library.
 */
#ifndef STAPES_LIBSTAPSDT_H
#define STAPES_LIBSTAPSDT_H

#ifdef __cplusplus
extern "C" {
#endif

/* The most arguments of a probe. */
#define MAX_ARGUMENTS 6

typedef enum {
    noError = -1,
    elfCreationError = 0,       /* the image could not be made, as for a bad name */
    tmpCreationError = 1,       /* the memfd or file could not be made */
    sharedLibraryOpenError = 2, /* the image could not be loaded */
    symbolLoadingError = 3,
    sharedLibraryCloseError = 4 /* the dynamic linker would not unload the image */
} SDTError_t;

/* An argument's bytes; negative: signed. */
typedef enum {
    noarg = 0,
    uint8 = 1,
    int8 = -1,
    uint16 = 2,
    int16 = -2,
    uint32 = 4,
    int32 = -4,
    uint64 = 8,
    int64 = -8
} ArgType_t;

typedef enum { memfd_disabled = 0, memfd_enabled = 1 } MemFDOption_t;

struct SDTProvider;

typedef struct SDTProbe {
    char *name;
    ArgType_t argFmt[MAX_ARGUMENTS];
    void *_fire; /* the site, or null while the provider is not loaded */
    struct SDTProvider *provider;
    int argCount;
} SDTProbe_t;

typedef struct SDTProbeList_ {
    SDTProbe_t probe;
    struct SDTProbeList_ *next;
} SDTProbeList_t;

typedef struct SDTProvider {
    char *name;
    SDTProbeList_t *probes;
#ifdef errno
    SDTError_t provider_errno; /* the same field: errno is a macro where errno.h is included */
#else
    SDTError_t errno;
#endif
    char *error; /* what went wrong last, or null */
    void *_handle;
    char *_filename;
    int _memfd;
    MemFDOption_t _use_memfd;
} SDTProvider_t;

/* A provider of this name, or null if the name is. */
SDTProvider_t *providerInit(const char *name);

/* Whether images go into a memfd (the default) or a file in /tmp. 1: done; 0: the provider is loaded. */
int providerUseMemfd(SDTProvider_t *provider, const MemFDOption_t use_memfd);

/* A probe with argCount arguments, whose types follow. Null, with an error in the provider, if there are too many.
 * It can be fired after the next providerLoad; probes that are loaded already stay as they are. */
SDTProbe_t *providerAddProbe(SDTProvider_t *provider, const char *name, int argCount, ...);

/* Makes the probes visible to tracers. 0, or -1 with errno and error set. */
int providerLoad(SDTProvider_t *provider);

/* Takes them away; other threads may be firing meanwhile. 0, or -1 with errno and error set. */
int providerUnload(SDTProvider_t *provider);

/* Unloads and frees the provider and its probes. */
void providerDestroy(SDTProvider_t *provider);

/* Fires with as many values as the probe has arguments: integers or pointers. Nothing happens if it is not traced. */
void probeFire(SDTProbe_t *probe, ...);

/* 1 if a tracer is attached, 0 otherwise. */
int probeIsEnabled(SDTProbe_t *probe);

#ifdef __cplusplus
}
#endif

#endif
