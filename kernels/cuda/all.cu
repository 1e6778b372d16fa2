// Every kernel of the device, as one text: what is compiled to PTX, and what the emulator compiles as C++.
#include "device.cuh"

#include "depthwise.cu"
#include "element.cu"
#include "maps.cu"
#include "norm.cu"
#include "resize.cu"
#include "rope.cu"
#include "masks.cu"
#include "preprocess.cu"
#include "weights.cu"
#include "gemm.cu"
