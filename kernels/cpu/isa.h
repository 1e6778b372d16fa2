// The bodies of all kernels and the table of one instruction set. The includer defines ISA (a name), VL (floats in a vector)
// and MR (rows of a register tile), and sets the target.

#include <math.h>
#include <string.h>

#include "kernels.h"
#include "vmath.h"
#include "madd.h"

#define NV 2         // vectors in a row of a register tile
#define NR (NV * VL) // columns of a panel

#include "transpose.h"
#include "gemm.h"
#include "conv.h"
#include "attention.h"
#include "window.h"
#include "rotary.h"
#include "element.h"
#include "norm.h"
#include "rope.h"
#include "depthwise.h"
#include "resize.h"
#include "masks.h"
#include "preprocess.h"
#include "peak.h"

#define STRING(x) #x
#define NAME(x) STRING(x)
#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(table_, isa)

const kernels TABLE(ISA) = {
    .name = NAME(ISA),
    .nr = NR,
    .pack = pack,
    .gemm = gemm,
    .im2col = im2col,
    .scatter = scatter,
    .queries = attendqueries,
    .attendwork = attendwork,
    .attendonce = attendonce,
    .keyblocks = blocksof,
    .copykeys = copykeys,
    .attend = attend,
    .windowwork = windowwork,
    .attendwindows = attendwindows,
    .group = GROUP,
    .groups = GROUPS,
    .rotarywork = rotarywork,
    .rotarypieces = rotarypieces,
    .rotaryonce = rotaryonce,
    .arrange = arrange,
    .attendrotary = attendrotary,
    .add = add,
    .activate = activate,
    .fill = fill,
    .tof16 = tof16,
    .tobf16 = tobf16,
    .fromf16 = fromf16s,
    .frombf16 = frombf16,
    .layernorm = layernorm,
    .rope = rope,
    .depthwise = depthwise,
    .maxpool = maxpool,
    .upsampleadd = upsampleadd,
    .resize = resize,
    .tapsacross = tapsacross,
    .tapsdown = tapsdown,
    .maskbox = maskbox,
    .countabove = countabove,
    .preprocess = preprocess,
    .peak = peak,
};
