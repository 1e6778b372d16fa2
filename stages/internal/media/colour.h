// Colours that swscale converts wrongly or not at all: matrices that it has no table for, and HDR.
#ifndef TACHI_COLOUR_H
#define TACHI_COLOUR_H

#include <stdint.h>

enum { TACHI_LEVELS = 4096 };

// tachi_colours says what becomes of a picture; colour.go works it out.
typedef struct {
	float code[3][4]; // the samples of the three planes, and 1, to R'G'B', or to L'M'S' where the picture is ICtCp
	int hdr;          // 0: R'G'B' is the result
	float light[TACHI_LEVELS + 1]; // a code value of 0 to 1 to light; 1 is SDR white
	int hlg;                       // the light is of the scene: a display's depends on its luminance
	float luminance[3];
	float bt709[3][3];               // to the primaries of BT.709
	float knee, peak;                // light below the knee stays, light of the peak becomes 1
	uint8_t shown[TACHI_LEVELS + 1]; // the square root of light to a level
} tachi_colours;

// tachi_colour makes RGB of three planes of 16 bits whose rows are `line` samples apart.
void tachi_colour(const tachi_colours *c, const uint16_t *const planes[3], const int lines[3], int width, int height, uint8_t *rgb, int stride);

#endif
