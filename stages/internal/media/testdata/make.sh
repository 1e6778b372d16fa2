#!/bin/sh
# Makes the clips of this folder with the ffmpeg command line (5.1). The picture has a red, a green, a blue and a
# white quarter (top left, top right, bottom left, bottom right), so that every turn and flip shows, and a black
# bar that moves one pixel per frame.
set -e
cd "$(dirname "$0")"
run() { ffmpeg -hide_banner -v error -y -fflags +bitexact "$@"; }
# quarters WIDTH HEIGHT SECONDS: a lavfi graph at 25 frames a second
quarters() {
	echo "color=white:s=$1x$2:r=25:d=$3,drawbox=0:0:$1/2:$2/2:red:fill,drawbox=$1/2:0:$1:$2/2:0x00FF00:fill,drawbox=0:$2/2:$1/2:$2:blue:fill[q];color=black:s=4x$2:r=25:d=$3[b];[q][b]overlay=x=n:y=0:shortest=1,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
}
x264="-c:v libx264 -preset veryslow -crf 18 -x264-params log-level=error:keyint=10:bframes=2 -flags:v +bitexact -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"

run -f lavfi -i "$(quarters 96 64 1.2)" -f lavfi -i "sine=440:r=16000:d=1.2" $x264 -c:a aac -b:a 16k -flags:a +bitexact -movflags +faststart plain.mp4
run -i plain.mp4 -c copy plain.mkv
# displayed turned clockwise by so many degrees; ffmpeg 5.1 counts this option the other way round
for turn in 90 180 270; do run -i plain.mp4 -c copy -an -t 0.2 -metadata:s:v rotate=$((360 - turn)) turned$turn.mp4; done
run -f lavfi -i "$(quarters 96 64 1.2)" -vf "select='not(mod(n,7))+not(mod(n,5))'" -vsync vfr $x264 variable.mp4
run -f lavfi -i "$(quarters 98 64 0.4),format=rgb24,crop=97:63:0:0,format=yuv420p" -c:v mpeg4 -q:v 3 -flags:v +bitexact odd.mp4
run -f lavfi -i "$(quarters 96 64 0.4),format=yuv420p10le" $x264 tenbit.mkv
run -f lavfi -i "$(quarters 96 64 0.4)" $x264 raw.h264
run -f lavfi -i "$(quarters 128 80 0.4)" $x264 larger.h264
cat raw.h264 larger.h264 >resize.h264
rm larger.h264
# what the stream cuts off at its edges: 22 columns and 6 rows at the left and the top, so that a decoder that wants
# aligned rows would keep them
crop=crop_left=22:crop_top=6:crop_right=10:crop_bottom=2
run -i raw.h264 -c copy -bsf:v h264_metadata=$crop cropped.h264
run -f lavfi -i "$(quarters 96 64 0.4)" -c:v libx265 -preset fast -crf 20 -x265-params log-level=error:info=0:colorprim=bt709:transfer=bt709:colormatrix=bt709 -bsf:v hevc_metadata=$crop cropped.hevc
# cropped, with pixels that are 4/3 as wide as high, and turned
run -f lavfi -i "$(quarters 96 64 0.4),setsar=4/3" $x264 -bsf:v h264_metadata=$crop aspect.mp4
run -i aspect.mp4 -c copy -metadata:s:v rotate=270 aspect90.mp4
run -f lavfi -i "$(quarters 96 64 0.4),tinterlace=mode=interleave_top" -flags:v +ildct+ilme+bitexact -c:v mpeg2video -q:v 4 laced.m2v
run -f lavfi -i "$(quarters 96 64 0.4)" -f lavfi -i "sine=440:r=8000:d=0.4" $x264 -c:a flac -flags:a +bitexact flac.mkv
# the same in containers that promise other things of their length: at 0, 50 minutes later, over the end of a 33-bit clock
run -i plain.mp4 -c copy plain.ts
run -i plain.mp4 -c copy -output_ts_offset 3000 late.ts
run -i plain.mp4 -c copy -output_ts_offset 95442 wrap.ts
run -i plain.mp4 -an -c:v mjpeg -q:v 3 -pix_fmt yuvj420p -flags:v +bitexact mjpeg.avi
run -i plain.mp4 -an $x264 -bf 0 h264.avi
run -i plain.mp4 -c copy -output_ts_offset 100 offset.mkv
