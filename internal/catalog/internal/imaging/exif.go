package imaging

import (
	"bytes"
	"encoding/binary"
)

// Where the formats keep EXIF, and what it says of the orientation; 1, as it is, where nothing can be read. Nothing else of it is looked at.

const (
	startOfScan = 0xda // after it come pixels
	app1        = 0xe1
)

func ofJPEG(d []byte) int {
	for d = d[2:]; len(d) >= 4 && d[0] == 0xff; {
		if d[1] == 0xff { // padding
			d = d[1:]
			continue
		}
		length := 2 + int(binary.BigEndian.Uint16(d[2:]))
		if d[1] == startOfScan || length < 4 || length > len(d) {
			break
		}
		if d[1] == app1 && bytes.HasPrefix(d[4:length], []byte("Exif\x00\x00")) {
			return ofEXIF(d[10:length])
		}
		d = d[length:]
	}
	return 1
}

func ofPNG(d []byte) int {
	const framed = 12 // length, type and checksum
	for d = d[8:]; len(d) >= framed; {
		length := int(binary.BigEndian.Uint32(d))
		if length > len(d)-framed {
			break
		}
		if string(d[4:8]) == "eXIf" {
			return ofEXIF(d[8 : 8+length])
		}
		d = d[framed+length:]
	}
	return 1
}

func ofWebP(d []byte) int {
	for d = d[12:]; len(d) >= 8; {
		length := int(binary.LittleEndian.Uint32(d[4:]))
		if length > len(d)-8 {
			break
		}
		if string(d[:4]) == "EXIF" {
			return ofEXIF(bytes.TrimPrefix(d[8:8+length], []byte("Exif\x00\x00"))) // which some programs write here too
		}
		d = d[min(len(d), 8+length+length%2):]
	}
	return 1
}

// ofEXIF looks through the first directory of a TIFF.
func ofEXIF(d []byte) int {
	const orientation, short, entry = 0x0112, 3, 12
	if len(d) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if d[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(d[4:]))
	if at+2 > uint64(len(d)) {
		return 1
	}
	count := int(order.Uint16(d[at:]))
	for d = d[at+2:]; count > 0 && len(d) >= entry; count, d = count-1, d[entry:] {
		if order.Uint16(d) == orientation && order.Uint16(d[2:]) == short {
			if value := int(order.Uint16(d[8:])); 1 <= value && value <= 8 {
				return value
			}
			break
		}
	}
	return 1
}
