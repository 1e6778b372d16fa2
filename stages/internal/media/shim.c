//go:build !nomedia

#include "shim.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <libavutil/display.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>

// ---- log ----

enum { RING = 64 };
static tachi_message ring[RING];
static unsigned ring_head, ring_tail; // messages written and read since the start
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;

static void log_callback(void *context, int level, const char *format, va_list args) {
	if (level > AV_LOG_WARNING) return;
	pthread_mutex_lock(&ring_lock);
	tachi_message *m = &ring[ring_head++ % RING];
	if (ring_head - ring_tail > RING) ring_tail = ring_head - RING;
	m->context = (uintptr_t)context;
	m->level = level;
	vsnprintf(m->text, sizeof m->text, format, args);
	m->text[strcspn(m->text, "\n")] = 0;
	pthread_mutex_unlock(&ring_lock);
}

void tachi_log_install(void) {
	av_log_set_level(AV_LOG_WARNING);
	av_log_set_callback(log_callback);
}

int tachi_log_pop(tachi_message *out) {
	pthread_mutex_lock(&ring_lock);
	int any = ring_tail != ring_head;
	if (any) *out = ring[ring_tail++ % RING];
	pthread_mutex_unlock(&ring_lock);
	return any;
}

// ---- demuxing ----

static int poll_interrupt(void *flag) { return __atomic_load_n((int *)flag, __ATOMIC_RELAXED); }

int *tachi_interrupt_new(AVFormatContext *fc) {
	int *flag = av_mallocz(sizeof *flag);
	if (flag) fc->interrupt_callback = (AVIOInterruptCB){poll_interrupt, flag};
	return flag;
}

int tachi_interrupt_get(int *flag) { return poll_interrupt(flag); }
void tachi_interrupt_set(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }

int tachi_best_stream(AVFormatContext *fc, enum AVMediaType type, int related) {
	int i = av_find_best_stream(fc, type, -1, related, NULL, 0);
	if (i < 0 || fc->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC) return -1;
	return i;
}

void tachi_keep_streams(AVFormatContext *fc, int video, int audio) {
	for (int i = 0; i < (int)fc->nb_streams; i++)
		if (i != video && i != audio) fc->streams[i]->discard = AVDISCARD_ALL;
}

int tachi_header_duration(const AVFormatContext *fc) {
	return fc->duration > 0 && fc->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
}

void tachi_index(AVStream *st, int64_t size, int *shown, int *whole) {
	*shown = *whole = 0;
	for (int i = 0, n = avformat_index_get_entries_count(st); i < n; i++) {
		const AVIndexEntry *e = avformat_index_get_entry(st, i);
		if (e->flags & AVINDEX_DISCARD_FRAME) continue;
		++*shown;
		*whole += e->pos + e->size <= size;
	}
}

// FFmpeg gives NVDEC a surface to decode to for each picture of its pool, and another to hand it out in.
int64_t tachi_surfaces(const AVFrame *f) {
	if (!f->hw_frames_ctx) return 0;
	const AVHWFramesContext *pool = (const AVHWFramesContext *)f->hw_frames_ctx->data;
	int one = av_image_get_buffer_size(pool->sw_format, pool->width, pool->height, 256);
	return one < 0 ? 0 : 2 * (int64_t)one * pool->initial_pool_size;
}

void tachi_flush(AVCodecContext *dec) { avcodec_flush_buffers(dec); }

int tachi_use_device(AVCodecContext *dec, enum AVHWDeviceType type, const char *number) {
	AVDictionary *options = NULL;
	av_dict_set(&options, "primary_ctx", "1", 0); // the network's, where it is on the same GPU
	int err = av_hwdevice_ctx_create(&dec->hw_device_ctx, type, number, options, 0);
	av_dict_free(&options);
	return err;
}

// ---- muxing ----

int tachi_open_output(AVFormatContext *fc, const char *url) { return avio_open(&fc->pb, url, AVIO_FLAG_WRITE); }
int tachi_close_output(AVFormatContext *fc) { return avio_closep(&fc->pb); }

int tachi_mp4_takes(enum AVCodecID codec) {
	return avformat_query_codec(av_guess_format("mp4", NULL, NULL), codec, FF_COMPLIANCE_NORMAL) == 1;
}

// ---- pictures ----

int tachi_stream_matrix(const AVStream *st, int32_t matrix[9]) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 101) // FFmpeg 6.1
	const AVCodecParameters *p = st->codecpar;
	const AVPacketSideData *m = av_packet_side_data_get(p->coded_side_data, p->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
	const uint8_t *data = m ? m->data : NULL;
	size_t size = m ? m->size : 0;
#else
	size_t size = 0;
	const uint8_t *data = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
	if (!data || size < 9 * sizeof *matrix) return 0;
	memcpy(matrix, data, 9 * sizeof *matrix);
	return 1;
}

static int64_t duration(const AVFrame *f) {
#if LIBAVUTIL_VERSION_MAJOR >= 58 // FFmpeg 6
	return f->duration;
#else
	return f->pkt_duration;
#endif
}

void tachi_describe(const AVFrame *f, tachi_picture *out) {
	*out = (tachi_picture){
		.width = f->width, .height = f->height,
		.primaries = f->color_primaries, .transfer = f->color_trc,
		.pts = f->best_effort_timestamp, .duration = duration(f),
		.corrupt = f->decode_error_flags != 0 || f->flags & AV_FRAME_FLAG_CORRUPT,
	};
	const AVFrameSideData *m = av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
	if (m && m->size >= sizeof out->matrix) {
		memcpy(out->matrix, m->data, sizeof out->matrix);
		out->oriented = 1;
	}
}

// The default, as FFmpeg's own tools and decord have it: 4:2:0 to RGB has a fast way of its own, ten times as fast as with
// accurate rounding and interpolated chroma. The way back is as fast with them.
enum { to_rgb = SWS_BICUBIC, from_rgb = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP };

// prepare makes c's context fit the conversion; src and dst are the tables and ranges of either side.
static int prepare(tachi_converter *c, int width, int height, int from, int to, int space, int from_full, int to_full) {
	int full = from_full << 1 | to_full;
	if (c->sws && c->width == width && c->height == height && c->format == from && c->space == space && c->range == full) return 0;
	sws_freeContext(c->sws);
	c->sws = sws_getContext(width, height, from, width, height, to, to == AV_PIX_FMT_RGB24 ? to_rgb : from_rgb, NULL, NULL, NULL);
	if (!c->sws) return AVERROR(EINVAL);
	c->width = width, c->height = height, c->format = from, c->space = space, c->range = full;
	const int *table = sws_getCoefficients(space); // BT.601 for anything that has no table of its own
	sws_setColorspaceDetails(c->sws, table, from_full, table, to_full, 0, 1 << 16, 1 << 16); // refuses RGB to RGB, which needs none
	return 0;
}

// full_range says whether the samples use all 256 levels: tagged so, or one of the old yuvj formats.
static int full_range(const AVFrame *f) {
	const char *name = av_get_pix_fmt_name(f->format);
	return f->color_range == AVCOL_RANGE_JPEG || (name && !strncmp(name, "yuvj", 4));
}

int tachi_to_rgb(tachi_converter *c, const AVFrame *f, uint8_t *rgb, int stride) {
	int err = prepare(c, f->width, f->height, f->format, AV_PIX_FMT_RGB24, f->colorspace, full_range(f), 1);
	if (err) return err;
	uint8_t *const out[4] = {rgb};
	const int strides[4] = {stride};
	return sws_scale(c->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, out, strides);
}

int tachi_from_rgb(tachi_converter *c, const uint8_t *rgb, int stride, AVFrame *f) {
	int err = prepare(c, f->width, f->height, AV_PIX_FMT_RGB24, f->format, AVCOL_SPC_BT709, 1, 0);
	if (err) return err;
	const uint8_t *const in[4] = {rgb};
	const int strides[4] = {stride};
	return sws_scale(c->sws, in, strides, 0, f->height, f->data, f->linesize);
}

void tachi_converter_free(tachi_converter *c) {
	sws_freeContext(c->sws);
	c->sws = NULL;
}
