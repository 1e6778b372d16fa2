// Every kernel of the device, as one text: what is compiled to PTX, and what the emulator compiles as C++.
#include "device.cuh"

#include "attention.cu"
#include "element.cu"
#include "flash.cu"
#include "weights.cu"
