// JPEG to RGB exactly as Pillow's convert("RGB") sees it: libjpeg's defaults (the slow integer DCT,
// smooth chroma upsampling, block smoothing), gray repeated in all channels, CMYK taken as inverted
// the way Adobe writes it. A file that ends early is an error, not a gray lower half.

#include "jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include <jerror.h>

typedef struct {
	struct jpeg_error_mgr base;
	jmp_buf back;
	char *message;
} error_manager;

static void fail(j_common_ptr j) {
	error_manager *e = (error_manager *)j->err;
	char text[JMSG_LENGTH_MAX];
	e->base.format_message(j, text);
	snprintf(e->message, TACHI_JPEG_TEXT, "%s", text);
	longjmp(e->back, 1);
}

// A warning is passed over, unless it says that data is missing.
static void warn(j_common_ptr j, int level) {
	if (level < 0 && j->err->msg_code == JWRN_JPEG_EOF) fail(j);
}

static void silent(j_common_ptr j) { (void)j; }

static void start(struct jpeg_decompress_struct *j, error_manager *e, char *message) {
	j->err = jpeg_std_error(&e->base);
	e->base.error_exit = fail;
	e->base.emit_message = warn;
	e->base.output_message = silent;
	e->message = message;
}

int tachi_jpeg_size(const uint8_t *data, size_t size, int *width, int *height, char message[TACHI_JPEG_TEXT]) {
	struct jpeg_decompress_struct j = {0};
	error_manager e;
	start(&j, &e, message);
	if (setjmp(e.back)) {
		jpeg_destroy_decompress(&j);
		return -1;
	}
	jpeg_create_decompress(&j);
	jpeg_mem_src(&j, data, size);
	jpeg_read_header(&j, TRUE);
	*width = j.image_width;
	*height = j.image_height;
	jpeg_destroy_decompress(&j);
	return 0;
}

// cmyk converts one row of inverted CMYK, with the rounding of an exact division by 255.
static void cmyk(const uint8_t *in, uint8_t *rgb, int width) {
	for (int x = 0; x < width; x++, in += 4, rgb += 3) {
		int light = in[3]; // 255 - K, as stored
		for (int c = 0; c < 3; c++) {
			int t = (255 - in[c]) * light + 128;
			rgb[c] = light - ((t + (t >> 8)) >> 8);
		}
	}
}

int tachi_jpeg_rgb(const uint8_t *data, size_t size, uint8_t *rgb, int width, int height, char message[TACHI_JPEG_TEXT]) {
	struct jpeg_decompress_struct j = {0};
	error_manager e;
	uint8_t *volatile row = NULL;
	start(&j, &e, message);
	if (setjmp(e.back)) {
		jpeg_destroy_decompress(&j);
		free(row);
		return -1;
	}
	jpeg_create_decompress(&j);
	jpeg_mem_src(&j, data, size);
	jpeg_read_header(&j, TRUE);
	if ((int)j.image_width != width || (int)j.image_height != height) ERREXIT(&j, JERR_CONVERSION_NOTIMPL);
	int four = j.num_components == 4;
	j.out_color_space = four ? JCS_CMYK : JCS_RGB;
	jpeg_start_decompress(&j);
	if (four && !(row = malloc((size_t)width * 4))) ERREXIT1(&j, JERR_OUT_OF_MEMORY, 0);
	while (j.output_scanline < j.output_height) {
		uint8_t *out = rgb + (size_t)j.output_scanline * width * 3;
		JSAMPROW to = four ? row : out;
		jpeg_read_scanlines(&j, &to, 1);
		if (four) cmyk(row, out, width);
	}
	jpeg_finish_decompress(&j);
	jpeg_destroy_decompress(&j);
	free(row);
	return 0;
}
