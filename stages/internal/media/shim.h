// What go-astiav lacks: pictures without a copy, colour conversion with the stream's own matrix and
// range, timestamps FFmpeg worked out, interruption of a blocked read, and a log that cannot
// overflow. Whatever differs between the versions of FFmpeg, or of go-astiav, is here as well, so
// that the Go code is the same for all.
#ifndef TACHI_SHIM_H
#define TACHI_SHIM_H

#include <stdint.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/hwcontext.h>
#include <libswscale/swscale.h>

#include "colour.h"

// Messages of FFmpeg at AV_LOG_WARNING and above wait in a ring of fixed size; the oldest are
// overwritten.
enum { TACHI_LOG_TEXT = 240 };
typedef struct {
	uintptr_t context; // the FFmpeg object that spoke, for comparison only
	int level;
	char text[TACHI_LOG_TEXT];
} tachi_message;
void tachi_log_install(void);
int tachi_log_pop(tachi_message *out); // 1 when there was one

// A reader's demuxer and decoder count their own errors: those that FFmpeg logs and hides. The
// counters are C memory, behind the contexts' opaque pointers.
typedef struct { int demuxer, decoder; } tachi_complaints;
tachi_complaints *tachi_complaints_new(void);
void tachi_count_demuxer(AVFormatContext *fc, tachi_complaints *c);
void tachi_count_decoder(AVCodecContext *dec, tachi_complaints *c);
int tachi_taken(int *counter); // the count, which starts again from zero

// An interrupt flag lives in C memory, because FFmpeg polls it from its own threads. Once set,
// reads fail with AVERROR_EXIT.
int *tachi_interrupt_new(AVFormatContext *fc);
int tachi_interrupt_get(int *flag);
void tachi_interrupt_set(int *flag);

// tachi_best_stream returns the index of the stream that plays by default, or -1. Cover pictures
// are no video.
int tachi_best_stream(AVFormatContext *fc, enum AVMediaType type, int related);
void tachi_keep_streams(AVFormatContext *fc, int video, int audio);
int tachi_header_duration(const AVFormatContext *fc); // whether the container itself says how long it is

int tachi_times_jump(const AVFormatContext *fc); // whether times may jump in this container
int tachi_seekable(const AVFormatContext *fc);   // whether the input can go back
int64_t tachi_position(const AVFormatContext *fc); // bytes of the input that were read
int tachi_wrap_bits(const AVStream *st);
int tachi_one_to_one(const AVStream *st);        // whether a packet is one picture as far as the stream's description tells
int tachi_intra_only(enum AVCodecID codec);

// tachi_index counts the samples of an mp4's index that will be shown, and those of them that lie
// whole within size bytes.
void tachi_index(AVStream *st, int64_t size, int *shown, int *whole);

typedef struct {
	int width, height;
	int primaries, transfer, space;
	int depth, full, rgb; // of a sample: its bits, whether it uses all levels, whether it is R, G or B
	int interlaced;
	int64_t pts;      // best effort, AV_NOPTS_VALUE when there is none
	int64_t packet;   // time of the packet that it was decoded from, AV_NOPTS_VALUE when unknown
	int64_t duration; // of the packet, 0 when unknown
	int corrupt;
	int oriented; // 1 when matrix is set
	int32_t matrix[9];
} tachi_picture;
void tachi_describe(const AVFrame *f, tachi_picture *out);
const char *tachi_space_name(int space); // NULL when FFmpeg has no name for it
int tachi_stream_matrix(const AVStream *st, int32_t matrix[9]);

// tachi_surfaces returns the bytes of all surfaces of the decoder that a picture on a GPU is from,
// 0 for other pictures.
int64_t tachi_surfaces(const AVFrame *f);

void tachi_flush(AVCodecContext *dec); // forgets what a decoder holds, after a seek

// tachi_use_device lets a decoder that is not open yet use a GPU: by its number, or the first one
// with NULL.
int tachi_use_device(AVCodecContext *dec, enum AVHWDeviceType type, const char *number);

// The file that a muxer writes. Closing it again does nothing.
int tachi_open_output(AVFormatContext *fc, const char *url);
int tachi_close_output(AVFormatContext *fc);

// tachi_mp4_refuses tries to put a stream, and a packet of it if there is one, into an mp4. It
// returns 0 or FFmpeg's error.
int tachi_mp4_refuses(const AVCodecParameters *par, AVRational time_base, const AVPacket *packet);

// A converter keeps its swscale context between pictures of one kind.
typedef struct {
	struct SwsContext *sws;
	int width, height, format, space, range;
	AVFrame *wide; // room for a picture of 16 bits, NULL while none was needed
} tachi_converter;
int tachi_to_rgb(tachi_converter *c, const AVFrame *f, uint8_t *rgb, int stride);
// tachi_to_rgb_by converts by colours, instead of what swscale makes of the tags.
int tachi_to_rgb_by(tachi_converter *c, const tachi_colours *colours, const AVFrame *f, uint8_t *rgb, int stride);
int tachi_from_rgb(tachi_converter *c, const uint8_t *rgb, int stride, AVFrame *f);
void tachi_converter_free(tachi_converter *c);

#endif
