// The emulator as Go calls it.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
// Memory for a tensor, for free to give back. Under the sanitizer of addresses what lies behind it
// may not be touched.
void *emulator_alloc(size_t bytes);

// Runs a kernel to its end. Returns what went wrong, or NULL. Without args it only looks whether
// the kernel could be launched so. Not for two threads at once.
const char *emulator_launch(const char *name, const unsigned *grid, const unsigned *block, size_t shared, const void *args, size_t size, uint64_t order);
#ifdef __cplusplus
}
#endif
