//go:build cuda

// Every function of the driver is a jump through a variable. They are hidden, so that the real library, once it is
// loaded, finds its own functions and not these.
#define SYMBOL(name) .globl name; .hidden name; .type name, @function; name: jmp *libcuda_to_##name(%rip);

	.text
SYMBOL(cuInit)
#include "symbols.h"

	.section .note.GNU-stack,"",@progbits
