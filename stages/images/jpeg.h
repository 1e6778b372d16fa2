#ifndef TACHI_JPEG_H
#define TACHI_JPEG_H

#include <stddef.h>
#include <stdint.h>

enum { TACHI_JPEG_TEXT = 200 }; // room for libjpeg's longest message

// Both return 0, or -1 with the reason in message.
int tachi_jpeg_size(const uint8_t *data, size_t size, int *width, int *height, char message[TACHI_JPEG_TEXT]);
int tachi_jpeg_rgb(const uint8_t *data, size_t size, uint8_t *rgb, int width, int height, char message[TACHI_JPEG_TEXT]);

#endif
