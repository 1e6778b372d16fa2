//go:build !nomedia

#include "colour.h"

#include <math.h>
#include <stddef.h>

static float clamp(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

// A tone curve must not change hues, so it is one factor for all three: that of the largest. Above
// the knee it is Reinhard's curve, which leaves the line with the same slope and arrives at 1 at
// the peak.
static float tone(const tachi_colours *c, float max) {
	if (max <= c->knee) return 1;
	float span = 1 - c->knee, over = (max - c->knee) / span, most = (c->peak - c->knee) / span;
	if (over > most) over = most;
	return (c->knee + span * over * (1 + over / (most * most)) / (1 + over)) / max;
}

static void shown(const tachi_colours *c, const float code[3], uint8_t *rgb) {
	float light[3], out[3];
	for (int i = 0; i < 3; i++) light[i] = c->light[(int)(clamp(code[i]) * TACHI_LEVELS + 0.5f)];
	float gain = 1;
	if (c->hlg) { // the OOTF of BT.2100 for a display of 1000 cd/m2
		float y = c->luminance[0] * light[0] + c->luminance[1] * light[1] + c->luminance[2] * light[2];
		gain = c->peak * powf(y > 0 ? y : 0, 0.2f);
	}
	float max = 0;
	for (int i = 0; i < 3; i++) {
		const float *m = c->bt709[i];
		out[i] = gain * (m[0] * light[0] + m[1] * light[1] + m[2] * light[2]);
		if (out[i] > max) max = out[i];
	}
	gain = tone(c, max);
	for (int i = 0; i < 3; i++) rgb[i] = c->shown[(int)(sqrtf(clamp(gain * out[i])) * TACHI_LEVELS + 0.5f)];
}

void tachi_colour(const tachi_colours *c, const uint16_t *const planes[3], const int lines[3], int width, int height, uint8_t *rgb, int stride) {
	for (int y = 0; y < height; y++) {
		const uint16_t *p[3];
		for (int i = 0; i < 3; i++) p[i] = planes[i] + (size_t)y * lines[i];
		uint8_t *out = rgb + (size_t)y * stride;
		for (int x = 0; x < width; x++, out += 3) {
			float code[3];
			for (int i = 0; i < 3; i++) {
				const float *m = c->code[i];
				code[i] = m[0] * p[0][x] + m[1] * p[1][x] + m[2] * p[2][x] + m[3];
			}
			if (c->hdr) {
				shown(c, code, out);
				continue;
			}
			for (int i = 0; i < 3; i++) out[i] = (uint8_t)(clamp(code[i]) * 255 + 0.5f);
		}
	}
}
