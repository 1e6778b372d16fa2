// Draws textured triangles with a depth buffer, for models.py.
#include <math.h>
#include <stdint.h>

// points [n][3] are x, y in pixels and a depth, nearer is smaller; attributes [n][3] are u, v and light; faces [m][3].
// The texture [th][tw][4] wraps; where its alpha is below `cut` nothing is drawn. out [h][w][4] and depth [h][w] are
// changed.
void raster(const float *points, const float *attributes, const uint16_t *faces, int m, const uint8_t *texture, int tw, int th,
            int cut, uint8_t *out, float *depth, int w, int h) {
	for (int f = 0; f < m; f++) {
		const float *p[3], *a[3];
		for (int i = 0; i < 3; i++) {
			p[i] = points + 3 * faces[3 * f + i];
			a[i] = attributes + 3 * faces[3 * f + i];
		}
		float area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[1][1] - p[0][1]) * (p[2][0] - p[0][0]);
		if (fabsf(area) < 1e-6f)
			continue;
		int x0 = fmaxf(0, floorf(fminf(p[0][0], fminf(p[1][0], p[2][0])))), x1 = fminf(w - 1, ceilf(fmaxf(p[0][0], fmaxf(p[1][0], p[2][0]))));
		int y0 = fmaxf(0, floorf(fminf(p[0][1], fminf(p[1][1], p[2][1])))), y1 = fminf(h - 1, ceilf(fmaxf(p[0][1], fmaxf(p[1][1], p[2][1]))));
		for (int y = y0; y <= y1; y++)
			for (int x = x0; x <= x1; x++) {
				float b[3], px = x + 0.5f, py = y + 0.5f;
				for (int i = 0; i < 3; i++) {
					const float *q = p[(i + 1) % 3], *r = p[(i + 2) % 3];
					b[i] = ((r[0] - q[0]) * (py - q[1]) - (r[1] - q[1]) * (px - q[0])) / area;
				}
				if (b[0] < 0 || b[1] < 0 || b[2] < 0)
					continue;
				float z = b[0] * p[0][2] + b[1] * p[1][2] + b[2] * p[2][2];
				if (z >= depth[y * w + x])
					continue;
				float c[3];
				for (int i = 0; i < 3; i++)
					c[i] = b[0] * a[0][i] + b[1] * a[1][i] + b[2] * a[2][i];
				int u = (int)floorf((c[0] - floorf(c[0])) * tw), v = (int)floorf((c[1] - floorf(c[1])) * th);
				const uint8_t *t = texture + 4 * ((v >= th ? th - 1 : v) * tw + (u >= tw ? tw - 1 : u));
				if (t[3] < cut)
					continue;
				depth[y * w + x] = z;
				uint8_t *o = out + 4 * (y * w + x);
				for (int i = 0; i < 3; i++)
					o[i] = fminf(255, t[i] * c[2]);
				o[3] = 255;
			}
	}
}
