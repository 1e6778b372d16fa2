// The bodies of all kernels and the table of one instruction set. The includer defines ISA (a
// name), VL (floats in a vector) and MR (rows of a register tile), and sets the target.

#include <math.h>
#include <string.h>

#include "kernels.h"
#include "vmath.h"
#include "madd.h"

#define NV 2         // vectors in a row of a register tile
#define NR (NV * VL) // columns of a panel

#include "transpose.h"
#include "gemm.h"
#include "gemm_conv.h"
#include "attention.h"
#include "attention_window.h"
#include "attention_rotary.h"
#include "element.h"
#include "norm.h"
#include "rope.h"
#include "depthwise.h"
#include "maps.h"
#include "resize.h"
#include "masks.h"
#include "preprocess.h"
#include "peak.h"

#define STRING(x) #x
#define QUOTED(x) STRING(x)
#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(table_, isa)

#define ENTRY(RESULT, NAME, PARAMETERS, ARGUMENTS) .NAME = NAME,

const kernels TABLE(ISA) = {
    .name = QUOTED(ISA),
    .nr = NR,
    .group = GROUP,
    .groups = GROUPS,
    KERNELS(ENTRY)
};
