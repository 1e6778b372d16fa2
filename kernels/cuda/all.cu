// Every kernel of the device, as one text: what is compiled to PTX, and what the emulator compiles as C++.
#include "device.cuh"

#include "element.cu"
#include "weights.cu"
#include "gemm.cu"
