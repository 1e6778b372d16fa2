package infile

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A message about a file that cannot be read says what the file holds, where its first bytes tell:
// a name is often wrong, and "a WebP picture" or "an HTML page" explains at once what happened.

// signatures are how files of a kind begin. An entry with two parts has the second one at its
// offset.
var signatures = []struct {
	start  string
	at     int
	inside string
	what   string
}{
	{"\x89PNG\r\n\x1a\n", 0, "", "a PNG picture"},
	{"\xff\xd8\xff", 0, "", "a JPEG picture"},
	{"RIFF", 8, "WEBP", "a WebP picture"},
	{"RIFF", 8, "AVI ", "an AVI video"},
	{"RIFF", 8, "WAVE", "WAV sound"},
	{"GIF8", 0, "", "a GIF picture"},
	{"II*\x00", 0, "", "a TIFF picture"},
	{"MM\x00*", 0, "", "a TIFF picture"},
	{"II+\x00", 0, "", "a TIFF picture"},
	{"MM\x00+", 0, "", "a TIFF picture"},
	{"v/1\x01", 0, "", "an OpenEXR picture"},
	{"SDPX", 0, "", "a DPX picture"},
	{"XPDS", 0, "", "a DPX picture"},
	{"\x00\x00\x00\x0cjP  ", 0, "", "a JPEG 2000 picture"},
	{"\xff\x4f\xff\x51", 0, "", "a JPEG 2000 picture"},
	{"\x00\x00\x00\x0cJXL ", 0, "", "a JPEG XL picture"},
	{"\xff\x0a", 0, "", "a JPEG XL picture"},
	{"8BPS", 0, "", "a Photoshop picture"},
	{"#?RADIANCE", 0, "", "a Radiance picture"},
	{"#?RGBE", 0, "", "a Radiance picture"},
	{"qoif", 0, "", "a QOI picture"},
	{"DDS ", 0, "", "a DDS picture"},
	{"\x00\x00\x01\x00", 0, "", "an icon"},
	{"\x1a\x45\xdf\xa3", 0, "", "a Matroska or WebM video"},
	{"\x00\x00\x01\xba", 0, "", "an MPEG video"},
	{"\x00\x00\x01\xb3", 0, "", "an MPEG video"},
	{"YUV4MPEG2", 0, "", "a YUV4MPEG video"},
	{"FLV\x01", 0, "", "a Flash video"},
	{"OggS", 0, "", "an Ogg file"},
	{"fLaC", 0, "", "FLAC sound"},
	{"ID3", 0, "", "MP3 sound"},
	{"%PDF", 0, "", "a PDF document"},
	{"PK\x03\x04", 0, "", "a zip archive"},
	{"PK\x05\x06", 0, "", "an empty zip archive"},
	{"\x1f\x8b", 0, "", "gzip data"},
	{"BZh", 0, "", "bzip2 data"},
	{"\xfd7zXZ\x00", 0, "", "xz data"},
	{"\x28\xb5\x2f\xfd", 0, "", "Zstandard data"},
	{"7z\xbc\xaf\x27\x1c", 0, "", "a 7-Zip archive"},
	{"Rar!\x1a\x07", 0, "", "a RAR archive"},
	{"\x7fELF", 0, "", "a program"},
	{"\x93NUMPY", 0, "", "a NumPy array"},
	{"\x89HDF\r\n\x1a\n", 0, "", "an HDF5 file"},
	{"SQLite format 3\x00", 0, "", "an SQLite database"},
	{"version https://git-lfs", 0, "", "a Git LFS pointer, in place of the file itself"},
	{"\xff\xfe", 0, "", "UTF-16 text"},
	{"\xfe\xff", 0, "", "UTF-16 text"},
}

// Content says what kind of file begins with these bytes, such as "a WebP picture"; "" when they do
// not tell.
func Content(data []byte) string {
	if len(data) == 0 {
		return "empty"
	}
	for _, s := range signatures {
		if bytes.HasPrefix(data, []byte(s.start)) && (s.inside == "" || len(data) > s.at && bytes.HasPrefix(data[s.at:], []byte(s.inside))) {
			return s.what
		}
	}
	switch {
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return container(string(data[8:12]))
	case len(data) >= 8 && (string(data[4:8]) == "moov" || string(data[4:8]) == "mdat"):
		return "an MP4 or QuickTime video"
	case len(data) >= 26 && string(data[:2]) == "BM" && binary.LittleEndian.Uint32(data[6:]) == 0:
		return "a BMP picture"
	case len(data) > 188 && data[0] == 0x47 && data[188] == 0x47:
		return "an MPEG transport stream"
	case len(data) >= 3 && data[0] == 'P' && '1' <= data[1] && data[1] <= '7' && strings.IndexByte(" \t\r\n", data[2]) >= 0:
		return "a PNM picture"
	case len(data) >= 18 && bytes.HasSuffix(data, []byte("TRUEVISION-XFILE.\x00")):
		return "a TGA picture"
	case len(bytes.Trim(data, "\x00")) == 0:
		return "nothing but zeros"
	}
	return textual(data)
}

// container names a file of the MP4 family by its brand.
func container(brand string) string {
	switch brand {
	case "avif", "avis":
		return "an AVIF picture"
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
		return "a HEIC picture"
	case "crx ":
		return "a camera's raw picture"
	}
	return "an MP4 or QuickTime video"
}

// textual tells pages from other text; "" when the bytes are no text.
func textual(data []byte) string {
	head := data[:min(len(data), 1024)]
	for i, r := range string(head) {
		broken := r == utf8.RuneError && i < len(head)-utf8.UTFMax // a character may be cut at the end
		if broken || unicode.IsControl(r) && !unicode.IsSpace(r) {
			return ""
		}
	}
	switch start := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(head), "\uFEFF"))); {
	case start == "":
		return "nothing but white space"
	case strings.HasPrefix(start, "<!doctype html"), strings.HasPrefix(start, "<html"), strings.HasPrefix(start, "<head"):
		return "an HTML page"
	case strings.HasPrefix(start, "<svg"), strings.HasPrefix(start, "<?xml") && strings.Contains(start, "<svg"):
		return "an SVG drawing"
	case strings.HasPrefix(start, "<"):
		return "XML or HTML text"
	}
	return "text"
}
