package images

import (
	"bytes"
	"encoding/binary"
)

// Cameras store a picture as the sensor saw it and say in a tag how it is to be turned. The tag
// stands in Exif data: a TIFF directory within a JPEG's APP1 segment or a PNG's eXIf chunk. Its
// eight values are where row 0 and column 0 of what is stored are shown:
//
//	1 top left     2 top right    3 bottom right  4 bottom left
//	5 left top     6 right top    7 right bottom  8 left bottom

// orientation returns the tag of a JPEG or PNG file, 1 when it has none that makes sense.
func orientation(data []byte) int {
	exif := jpegExif
	if isPNG(data) {
		exif = pngExif
	}
	if tag := tiffOrientation(exif(data)); tag >= 1 && tag <= 8 {
		return tag
	}
	return 1
}

// jpegExif returns the TIFF data of a JPEG's first Exif segment.
func jpegExif(data []byte) []byte {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker := data[at+1]
		if marker == 0xff { // filling
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(data) { // the picture begins
			break
		}
		if body, ok := bytes.CutPrefix(data[at+4:at+2+size], []byte("Exif\x00\x00")); marker == 0xe1 && ok {
			return body
		}
		at += 2 + size
	}
	return nil
}

// pngExif returns the TIFF data of a PNG's eXIf chunk.
func pngExif(data []byte) []byte {
	for at := 8; at+12 <= len(data); {
		size := int(binary.BigEndian.Uint32(data[at:]))
		if size > len(data)-at-12 {
			break
		}
		if string(data[at+4:at+8]) == "eXIf" {
			return data[at+8 : at+8+size]
		}
		at += 12 + size
	}
	return nil
}

// tiffOrientation reads the tag from the first directory, 0 when it is not there.
func tiffOrientation(tiff []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(tiff, []byte("II*\x00")):
		return 0
	}
	if len(tiff) < 8 {
		return 0
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 8 || at > len(tiff)-2 {
		return 0
	}
	for range order.Uint16(tiff[at:]) {
		if at+14 > len(tiff) {
			return 0
		}
		const tag, short = 0x0112, 3
		if entry := tiff[at+2:]; order.Uint16(entry) == tag && order.Uint16(entry[2:]) == short {
			return int(order.Uint16(entry[8:]))
		}
		at += 12
	}
	return 0
}

// turn returns a picture of w by h stored pixels as it is shown. From 5 on width and height change
// places.
func turn(rgb []uint8, w, h, tag int) []uint8 {
	if tag == 1 {
		return rgb
	}
	out := make([]uint8, len(rgb))
	for y := range h {
		for x := range w {
			u, v, shown := x, y, w
			if tag == 2 || tag == 3 || tag == 7 || tag == 8 {
				u = w - 1 - x
			}
			if tag == 3 || tag == 4 || tag == 6 || tag == 7 {
				v = h - 1 - y
			}
			if tag >= 5 {
				u, v, shown = v, u, h
			}
			copy(out[(v*shown+u)*3:][:3], rgb[(y*w+x)*3:][:3])
		}
	}
	return out
}
