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

// complain counts an error where the context that logs it belongs to a reader.
static void complain(void *context) {
	const AVClass *class = context ? *(const AVClass **)context : NULL;
	int *counter = NULL;
	if (class && class == avcodec_get_class()) counter = ((AVCodecContext *)context)->opaque; // threads of a decoder share it
	else if (class && class == avformat_get_class()) counter = ((AVFormatContext *)context)->opaque;
	if (counter) __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void log_callback(void *context, int level, const char *format, va_list args) {
	if (level > AV_LOG_WARNING) return;
	if (level <= AV_LOG_ERROR) complain(context);
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

tachi_complaints *tachi_complaints_new(void) { return av_mallocz(sizeof(tachi_complaints)); }
void tachi_count_demuxer(AVFormatContext *fc, tachi_complaints *c) { fc->opaque = &c->demuxer; }
void tachi_count_decoder(AVCodecContext *dec, tachi_complaints *c) { dec->opaque = &c->decoder; }

int tachi_taken(int *counter) { return __atomic_exchange_n(counter, 0, __ATOMIC_RELAXED); }

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

int tachi_times_jump(const AVFormatContext *fc) { return (fc->iformat->flags & AVFMT_TS_DISCONT) != 0; }

int tachi_seekable(const AVFormatContext *fc) { return !fc->pb || fc->pb->seekable & AVIO_SEEKABLE_NORMAL; }

int64_t tachi_position(const AVFormatContext *fc) { return fc->pb ? avio_tell(fc->pb) : -1; }

int tachi_wrap_bits(const AVStream *st) { return st->pts_wrap_bits; }

int tachi_one_to_one(const AVStream *st) {
	return st->codecpar->field_order == AV_FIELD_UNKNOWN || st->codecpar->field_order == AV_FIELD_PROGRESSIVE;
}

int tachi_intra_only(enum AVCodecID codec) {
	const AVCodecDescriptor *d = avcodec_descriptor_get(codec);
	return d && d->props & AV_CODEC_PROP_INTRA_ONLY;
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

// FFmpeg gives NVDEC a surface to decode to for each picture of its pool, and another to hand it
// out in.
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

int tachi_mp4_refuses(const AVCodecParameters *par, AVRational time_base, const AVPacket *packet) {
	AVFormatContext *fc = NULL;
	AVDictionary *options = NULL;
	AVPacket *copy = NULL;
	uint8_t *written = NULL;
	int err = avformat_alloc_output_context2(&fc, NULL, "mp4", NULL);
	if (err < 0) return err;
	AVStream *st = avformat_new_stream(fc, NULL);
	err = st ? avcodec_parameters_copy(st->codecpar, par) : AVERROR(ENOMEM);
	if (err >= 0) err = avio_open_dyn_buf(&fc->pb);
	if (err >= 0) {
		st->codecpar->codec_tag = 0;
		st->time_base = time_base;
		av_dict_set(&options, "strict", "experimental", 0);
		err = avformat_write_header(fc, &options);
	}
	if (err >= 0 && packet && !(copy = av_packet_clone(packet))) err = AVERROR(ENOMEM);
	if (err >= 0 && copy) {
		copy->stream_index = 0;
		copy->pts = copy->dts = 0;
		err = av_write_frame(fc, copy);
	}
	av_packet_free(&copy);
	av_dict_free(&options);
	if (fc->pb) avio_close_dyn_buf(fc->pb, &written);
	av_free(written);
	avformat_free_context(fc);
	return err < 0 ? err : 0;
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

// full_range says whether the samples use all 256 levels: tagged so, or one of the old yuvj
// formats.
static int full_range(const AVFrame *f) {
	const char *name = av_get_pix_fmt_name(f->format);
	return f->color_range == AVCOL_RANGE_JPEG || (name && !strncmp(name, "yuvj", 4));
}

static int is_rgb(const AVFrame *f) {
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	return d && d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL);
}

static int interlaced(const AVFrame *f) {
#ifdef AV_FRAME_FLAG_INTERLACED
	return (f->flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
	return f->interlaced_frame;
#endif
}

const char *tachi_space_name(int space) { return av_color_space_name(space); }

static int64_t duration(const AVFrame *f) {
#if LIBAVUTIL_VERSION_MAJOR >= 58 // FFmpeg 6
	return f->duration;
#else
	return f->pkt_duration;
#endif
}

void tachi_describe(const AVFrame *f, tachi_picture *out) {
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(f->format);
	*out = (tachi_picture){
		.width = f->width, .height = f->height,
		.primaries = f->color_primaries, .transfer = f->color_trc, .space = f->colorspace,
		.depth = format ? format->comp[0].depth : 8, .full = full_range(f), .rgb = is_rgb(f),
		.interlaced = interlaced(f),
		.pts = f->best_effort_timestamp, .packet = f->pts != AV_NOPTS_VALUE ? f->pts : f->pkt_dts, .duration = duration(f),
		.corrupt = f->decode_error_flags != 0 || f->flags & AV_FRAME_FLAG_CORRUPT,
	};
	const AVFrameSideData *m = av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
	if (m && m->size >= sizeof out->matrix) {
		memcpy(out->matrix, m->data, sizeof out->matrix);
		out->oriented = 1;
	}
}

// The default, as FFmpeg's own tools and decord have it: 4:2:0 to RGB has a fast way of its own,
// ten times as fast as with accurate rounding and interpolated chroma. The way back is as fast with
// them.
enum { to_rgb = SWS_BICUBIC, from_rgb = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP };

// prepare makes c's context fit the conversion; src and dst are the tables and ranges of either
// side.
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

int tachi_to_rgb(tachi_converter *c, const AVFrame *f, uint8_t *rgb, int stride) {
	int err = prepare(c, f->width, f->height, f->format, AV_PIX_FMT_RGB24, f->colorspace, full_range(f), 1);
	if (err) return err;
	uint8_t *const out[4] = {rgb};
	const int strides[4] = {stride};
	return sws_scale(c->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, out, strides);
}

// widen leaves the picture in c->wide as three whole planes of 16 bits: the same colours in the
// same range.
static int widen(tachi_converter *c, const AVFrame *f) {
	int to = is_rgb(f) ? AV_PIX_FMT_GBRP16 : AV_PIX_FMT_YUV444P16, full = full_range(f);
	int err = prepare(c, f->width, f->height, f->format, to, f->colorspace, full, full);
	if (err) return err;
	if (!c->wide && !(c->wide = av_frame_alloc())) return AVERROR(ENOMEM);
	AVFrame *w = c->wide;
	if (w->width != f->width || w->height != f->height || w->format != to) {
		av_frame_unref(w);
		w->width = f->width, w->height = f->height, w->format = to;
		if ((err = av_frame_get_buffer(w, 0)) < 0) return err;
	}
	return sws_scale(c->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, w->data, w->linesize);
}

int tachi_to_rgb_by(tachi_converter *c, const tachi_colours *colours, const AVFrame *f, uint8_t *rgb, int stride) {
	int rows = widen(c, f);
	if (rows < 0) return rows;
	const AVFrame *w = c->wide;
	const uint16_t *const planes[3] = {(uint16_t *)w->data[0], (uint16_t *)w->data[1], (uint16_t *)w->data[2]};
	const int lines[3] = {w->linesize[0] / 2, w->linesize[1] / 2, w->linesize[2] / 2};
	tachi_colour(colours, planes, lines, w->width, w->height, rgb, stride);
	return rows;
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
	av_frame_free(&c->wide);
}
