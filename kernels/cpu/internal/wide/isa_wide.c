// The kernels with the geometry of AVX-512 (vectors of 16 floats, tiles of 12 rows) in instructions
// that every processor has.
#define ISA wide
#define VL 16
#define MR 12
#include "isa.h"

const kernels *kernels_wide(void) { return &table_wide; }
