/* Probes that a program makes while it runs: the interface of libusdt, as stapes provides it on Linux.
 *
 * Layouts, values and names are those of libusdt. A probe has a function's name there; USDT notes have no place for it,
 * so that probes of one name and several functions are one probe with several sites to a tracer.
 */
#ifndef STAPES_USDT_H
#define STAPES_USDT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most arguments of a probe. */
#define USDT_ARG_MAX 32

typedef enum usdt_error {
    USDT_ERROR_MALLOC = 0,
    USDT_ERROR_VALLOC,
    USDT_ERROR_NOPROBES,
    USDT_ERROR_LOADDOF,
    USDT_ERROR_ALREADYENABLED,
    USDT_ERROR_UNLOADDOF,
    USDT_ERROR_DUP_PROBE,
    USDT_ERROR_REMOVE_PROBE
} usdt_error_t;

typedef struct usdt_probe {
    int (*isenabled_addr)(void); /* always null here: ask usdt_is_enabled */
    void *probe_addr;            /* the site, or null while the provider is disabled */
} usdt_probe_t;

typedef struct usdt_probedef {
    const char *name;
    const char *function;
    size_t argc;
    char *types[USDT_ARG_MAX];
    struct usdt_probe *probe; /* null until the provider is enabled */
    struct usdt_probedef *next;
    int refcnt;
} usdt_probedef_t;

typedef struct usdt_provider {
    const char *name;
    const char *module;
    usdt_probedef_t *probedefs;
    char *error;
    int enabled;
    void *file;
} usdt_provider_t;

/* Whether a tracer is attached: 1 or 0. */
int usdt_is_enabled(usdt_probe_t *probe);

/* Fires with argc values, if the probe is traced. */
void usdt_fire_probe(usdt_probe_t *probe, size_t argc, void **argv);

/* A probe whose arguments have these C types, such as "int" or "char *"; at most USDT_ARG_MAX. Null without a name. */
usdt_probedef_t *usdt_create_probe(const char *func, const char *name, size_t argc, const char **types);

/* Gives up the caller's hold on a probe; it goes when its provider's hold is given up too. */
void usdt_probe_release(usdt_probedef_t *probedef);

usdt_provider_t *usdt_create_provider(const char *name, const char *module);

/* 0, or -1 where the provider has a probe of that function and name. */
int usdt_provider_add_probe(usdt_provider_t *provider, usdt_probedef_t *probedef);

/* 0, or -1 where the provider has no such probe. A removed probe fires no more; the provider's hold on it goes over to
 * the caller. */
int usdt_provider_remove_probe(usdt_provider_t *provider, usdt_probedef_t *probedef);

/* Makes the probes visible to tracers: 0, or -1 with an error; 0 with an error where it was done before. */
int usdt_provider_enable(usdt_provider_t *provider);

/* Takes them away: 0, or -1 with an error. */
int usdt_provider_disable(usdt_provider_t *provider);

/* Disables the provider and gives up its hold on its probes. */
void usdt_provider_free(usdt_provider_t *provider);

/* Sets the provider's error text. */
void usdt_error(usdt_provider_t *provider, usdt_error_t error, ...);

/* What went wrong last, or null. */
char *usdt_errstr(usdt_provider_t *provider);

#ifdef __cplusplus
}
#endif

#endif
