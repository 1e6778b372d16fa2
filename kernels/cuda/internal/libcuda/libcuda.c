//go:build cuda

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#include "libcuda.h"

enum { NO_DEVICE = 100, NOT_SUPPORTED = 801 }; // of CUresult

static int no_device(void) { return NO_DEVICE; }         // before the library is loaded
static int not_supported(void) { return NOT_SUPPORTED; } // the library is too old to have it
static int succeed(void) { return 0; }

// Where the jumps lead.
#define SYMBOL(name) __attribute__((visibility("hidden"))) void *libcuda_to_##name = no_device;
#include "symbols.h"
#undef SYMBOL

__attribute__((visibility("hidden"))) void *libcuda_to_cuInit = succeed;

static int (*init)(unsigned) = NULL;

const char *libcuda_load(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    init = (int (*)(unsigned))dlsym(library, "cuInit");
    void *at;
#define SYMBOL(name) libcuda_to_##name = (at = dlsym(library, #name)) ? at : not_supported;
#include "symbols.h"
#undef SYMBOL
    return NULL;
}

int libcuda_init(void) { return init ? init(0) : NOT_SUPPORTED; }
