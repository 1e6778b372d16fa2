// What go-astiav lacks: pictures without a copy, colour conversion with the stream's own matrix and range,
// timestamps FFmpeg worked out, interruption of a blocked read, and a log that cannot overflow. Whatever differs between the
// versions of FFmpeg, or of go-astiav, is here as well, so that the Go code is the same for all.
#ifndef TACHI_SHIM_H
#define TACHI_SHIM_H

#include <stdint.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/hwcontext.h>
#include <libswscale/swscale.h>

// Messages of FFmpeg at AV_LOG_WARNING and above wait in a ring of fixed size; the oldest are overwritten.
enum { TACHI_LOG_TEXT = 240 };
typedef struct {
	uintptr_t context; // the FFmpeg object that spoke, for comparison only
	int level;
	char text[TACHI_LOG_TEXT];
} tachi_message;
void tachi_log_install(void);
int tachi_log_pop(tachi_message *out); // 1 when there was one

// An interrupt flag lives in C memory, because FFmpeg polls it from its own threads. Once set, reads fail with AVERROR_EXIT.
int *tachi_interrupt_new(AVFormatContext *fc);
int tachi_interrupt_get(int *flag);
void tachi_interrupt_set(int *flag);

// tachi_best_stream returns the index of the stream that plays by default, or -1. Cover pictures are no video.
int tachi_best_stream(AVFormatContext *fc, enum AVMediaType type, int related);
void tachi_keep_streams(AVFormatContext *fc, int video, int audio);
int tachi_header_duration(const AVFormatContext *fc); // whether the container itself says how long it is

// tachi_index counts the samples of an mp4's index that will be shown, and those of them that lie whole within size bytes.
void tachi_index(AVStream *st, int64_t size, int *shown, int *whole);

typedef struct {
	int width, height;
	int primaries, transfer;
	int64_t pts;      // best effort, AV_NOPTS_VALUE when there is none
	int64_t duration; // of the packet, 0 when unknown
	int corrupt;
	int oriented; // 1 when matrix is set
	int32_t matrix[9];
} tachi_picture;
void tachi_describe(const AVFrame *f, tachi_picture *out);
int tachi_stream_matrix(const AVStream *st, int32_t matrix[9]);

// tachi_surfaces returns the bytes of all surfaces of the decoder that a picture on a GPU is from, 0 for other pictures.
int64_t tachi_surfaces(const AVFrame *f);

void tachi_flush(AVCodecContext *dec); // forgets what a decoder holds, after a seek

// tachi_use_device lets a decoder that is not open yet use a GPU: by its number, or the first one with NULL.
int tachi_use_device(AVCodecContext *dec, enum AVHWDeviceType type, const char *number);

// The file that a muxer writes. Closing it again does nothing.
int tachi_open_output(AVFormatContext *fc, const char *url);
int tachi_close_output(AVFormatContext *fc);

int tachi_mp4_takes(enum AVCodecID codec);

// A converter keeps its swscale context between pictures of one kind.
typedef struct {
	struct SwsContext *sws;
	int width, height, format, space, range;
} tachi_converter;
int tachi_to_rgb(tachi_converter *c, const AVFrame *f, uint8_t *rgb, int stride);
int tachi_from_rgb(tachi_converter *c, const uint8_t *rgb, int stride, AVFrame *f);
void tachi_converter_free(tachi_converter *c);

#endif
