// The emulator as Go calls it.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
// Runs a kernel to its end. Returns what went wrong, or NULL. Without args it only looks whether the kernel could be launched
// so. Not for two threads at once.
const char *emulator_launch(const char *name, const unsigned *grid, const unsigned *block, size_t shared, const void *args, size_t size, uint64_t order);
#ifdef __cplusplus
}
#endif
