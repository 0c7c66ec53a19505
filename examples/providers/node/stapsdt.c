/* Probes for Node: a small addon on libstapsdt by Node-API, for there is no such package in npm's registry.
 *
 *     const { Provider, types } = require("./stapsdt.node");
 *     const provider = new Provider("name");
 *     const probe = provider.addProbe("probe", types.uint64, types.uint64);
 *     provider.load();
 *     probe.fire(() => [42, "text"]);     // asked only while somebody traces; true if so
 *     provider.unload();
 *
 * gcc -shared -fPIC -I/usr/include/node -o stapsdt.node stapsdt.c $(pkg-config --cflags --libs libstapsdt)
 */
#include <libstapsdt.h>
#include <node_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A probe lives as long as its provider, which its object holds. */
static SDTProvider_t *provider_of(napi_env env, napi_value object)
{
    void *provider = NULL;
    napi_unwrap(env, object, &provider);
    return provider;
}

static napi_value undefined(napi_env env)
{
    napi_value value;
    napi_get_undefined(env, &value);
    return value;
}

static void destroy(napi_env env, void *provider, void *hint)
{
    (void)env, (void)hint;
    providerDestroy(provider);
}

/* A copy of a string, or null for what is none. */
static char *text(napi_env env, napi_value value)
{
    size_t length;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
        return NULL;
    char *copy = malloc(length + 1);
    if (copy)
        napi_get_value_string_utf8(env, value, copy, length + 1, &length);
    return copy;
}

static napi_value new_provider(napi_env env, napi_callback_info info)
{
    napi_value self, name;
    size_t count = 1;
    napi_get_cb_info(env, info, &count, &name, &self, NULL);
    char *copy = text(env, name);
    SDTProvider_t *provider = providerInit(copy);
    free(copy);
    if (!provider) {
        napi_throw_type_error(env, NULL, "a provider needs a name");
        return NULL;
    }
    napi_wrap(env, self, provider, destroy, NULL, NULL);
    return self;
}

/* fire(values): calls `values` for an array and fires it, if somebody traces. */
static napi_value fire(napi_env env, napi_callback_info info)
{
    napi_value values, self, array, result = NULL;
    size_t count = 1;
    void *data;
    uint64_t words[MAX_ARGUMENTS] = {0};
    char *texts[MAX_ARGUMENTS] = {NULL};
    napi_get_cb_info(env, info, &count, &values, &self, &data);
    SDTProbe_t *probe = data;
    int enabled = probeIsEnabled(probe);
    if (enabled && napi_call_function(env, self, values, 0, NULL, &array) == napi_ok) {
        for (uint32_t i = 0; i < MAX_ARGUMENTS; i++) {
            napi_value value;
            int64_t number;
            bool whole;
            if (napi_get_element(env, array, i, &value) != napi_ok)
                break;
            if (napi_get_value_bigint_uint64(env, value, &words[i], &whole) == napi_ok)
                continue;
            if (napi_get_value_int64(env, value, &number) == napi_ok)
                words[i] = number;
            else if ((texts[i] = text(env, value)))
                words[i] = (uintptr_t)texts[i];
        }
        probeFire(probe, words[0], words[1], words[2], words[3], words[4], words[5]);
        for (size_t i = 0; i < COUNT(texts); i++)
            free(texts[i]);
    }
    napi_get_boolean(env, enabled, &result);
    return result;
}

static napi_value is_enabled(napi_env env, napi_callback_info info)
{
    void *probe;
    napi_value result;
    napi_get_cb_info(env, info, NULL, NULL, NULL, &probe);
    napi_get_boolean(env, probeIsEnabled(probe), &result);
    return result;
}

/* addProbe(name, types…): an object with `fire` and `isEnabled`. */
static napi_value add_probe(napi_env env, napi_callback_info info)
{
    napi_value arguments[1 + MAX_ARGUMENTS + 1], self, object;
    size_t count = COUNT(arguments);
    napi_get_cb_info(env, info, &count, arguments, &self, NULL);
    SDTProvider_t *provider = provider_of(env, self);
    int32_t types[MAX_ARGUMENTS + 1] = {0};
    char *name = count > 0 ? text(env, arguments[0]) : NULL;
    for (size_t i = 1; i < count && i < COUNT(arguments); i++)
        napi_get_value_int32(env, arguments[i], &types[i - 1]);
    SDTProbe_t *probe = providerAddProbe(provider, name, count ? (int)count - 1 : 0, types[0], types[1], types[2],
                                         types[3], types[4], types[5]);
    free(name);
    if (!probe) {
        napi_throw_error(env, NULL, provider ? provider->error : "no provider");
        return NULL;
    }
    napi_create_object(env, &object);
    napi_property_descriptor properties[] = {
        {"fire", NULL, fire, NULL, NULL, NULL, napi_default, probe},
        {"isEnabled", NULL, NULL, is_enabled, NULL, NULL, napi_default, probe},
        {"provider", NULL, NULL, NULL, NULL, self, napi_default, NULL},
    };
    napi_define_properties(env, object, COUNT(properties), properties);
    return object;
}

static napi_value load(napi_env env, napi_callback_info info)
{
    napi_value self;
    napi_get_cb_info(env, info, NULL, NULL, &self, NULL);
    SDTProvider_t *provider = provider_of(env, self);
    if (providerLoad(provider) != 0)
        napi_throw_error(env, NULL, provider ? provider->error : "no provider");
    return undefined(env);
}

static napi_value unload(napi_env env, napi_callback_info info)
{
    napi_value self;
    napi_get_cb_info(env, info, NULL, NULL, &self, NULL);
    providerUnload(provider_of(env, self));
    return undefined(env);
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        ArgType_t type;
    } known[] = {{"uint8", uint8}, {"int8", int8}, {"uint16", uint16}, {"int16", int16},
                 {"uint32", uint32}, {"int32", int32}, {"uint64", uint64}, {"int64", int64}};
    napi_property_descriptor methods[] = {
        {"addProbe", NULL, add_probe, NULL, NULL, NULL, napi_default, NULL},
        {"load", NULL, load, NULL, NULL, NULL, napi_default, NULL},
        {"unload", NULL, unload, NULL, NULL, NULL, napi_default, NULL},
    };
    napi_value provider, types;
    napi_define_class(env, "Provider", NAPI_AUTO_LENGTH, new_provider, NULL, COUNT(methods), methods, &provider);
    napi_create_object(env, &types);
    for (size_t i = 0; i < COUNT(known); i++) {
        napi_value type;
        napi_create_int32(env, known[i].type, &type);
        napi_set_named_property(env, types, known[i].name, type);
    }
    napi_set_named_property(env, exports, "Provider", provider);
    napi_set_named_property(env, exports, "types", types);
    return exports;
}
