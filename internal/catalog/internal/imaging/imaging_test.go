package imaging_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/imaging"
)

var (
	red   = color.RGBA{220, 20, 20, 255}
	green = color.RGBA{20, 200, 20, 255}
	blue  = color.RGBA{20, 20, 220, 255}
	white = color.RGBA{255, 255, 255, 255}
)

// corners is a picture that looks different from every side: red, green and blue clockwise from the top left, white at the bottom left.
func corners(w, h int) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			switch left, top := x < w/2, y < h/2; {
			case left && top:
				p.SetRGBA(x, y, red)
			case top:
				p.SetRGBA(x, y, green)
			case left:
				p.SetRGBA(x, y, white)
			default:
				p.SetRGBA(x, y, blue)
			}
		}
	}
	return p
}

func asJPEG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, p, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func asPNG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

// exif says an orientation, and where the picture was taken.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	d := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		d = []byte("MM")
	}
	d = order.AppendUint32(order.AppendUint16(d, 42), 8)
	d = order.AppendUint16(d, 2)
	d = order.AppendUint32(order.AppendUint16(order.AppendUint16(d, 0x010e), 2), 4) // ImageDescription
	d = append(d, "GPS\x00"...)
	d = order.AppendUint32(order.AppendUint16(order.AppendUint16(d, 0x0112), 3), 1)
	d = order.AppendUint16(order.AppendUint16(d, uint16(orientation)), 0)
	return append(order.AppendUint32(d, 0), "taken at 37.5665 126.9780"...)
}

// jpegWith is a JPEG with EXIF in it, after what programs put before it.
func jpegWith(t testing.TB, p image.Image, exif []byte) []byte {
	plain := asJPEG(t, p)
	segment := func(marker byte, content []byte) []byte {
		return append([]byte{0xff, marker, byte((len(content) + 2) >> 8), byte(len(content) + 2)}, content...)
	}
	jfif := segment(0xe0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	return bytes.Join([][]byte{plain[:2], jfif, segment(0xfe, []byte("a comment")), segment(0xe1, append([]byte("Exif\x00\x00"), exif...)), plain[2:]}, nil)
}

// chunk is a chunk of a PNG.
func chunk(kind string, content []byte) []byte {
	c := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), kind...)
	c = append(c, content...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

// pngWith is a PNG with a chunk before its end.
func pngWith(t testing.TB, p image.Image, chunk []byte) []byte {
	plain := asPNG(t, p)
	end := len(plain) - 12
	return bytes.Join([][]byte{plain[:end], chunk, plain[end:]}, nil)
}

// webpFile is corners as a WebP without loss.
func webpFile(t testing.TB) []byte {
	t.Helper()
	d, err := os.ReadFile(filepath.Join("testdata", "corners.webp"))
	require.NoError(t, err)
	return d
}

func webpWith(t testing.TB, exif []byte) []byte {
	plain := webpFile(t)
	c := binary.LittleEndian.AppendUint32([]byte("EXIF"), uint32(len(exif)))
	c = append(c, exif...)
	if len(exif)%2 == 1 {
		c = append(c, 0)
	}
	whole := append(bytes.Clone(plain), c...)
	binary.LittleEndian.PutUint32(whole[4:], uint32(len(whole)-8))
	return whole
}

// thumbnail decodes what is made of a file.
func thumbnail(t testing.TB, file []byte, side int) image.Image {
	t.Helper()
	p, err := imaging.Read(file)
	require.NoError(t, err)
	made, err := p.Within(side).JPEG()
	require.NoError(t, err)
	decoded, err := jpeg.Decode(bytes.NewReader(made))
	require.NoError(t, err)
	return decoded
}

// looks describes a picture by its size and the colours at its corners, clockwise from the top left.
func looks(p image.Image) string {
	b := p.Bounds()
	at := func(x, y int) string {
		r, g, bl, _ := p.At(b.Min.X+x*(b.Dx()-1)/8, b.Min.Y+y*(b.Dy()-1)/8).RGBA()
		names := map[[3]bool]string{{true, false, false}: "red", {false, true, false}: "green", {false, false, true}: "blue", {true, true, true}: "white"}
		return names[[3]bool{r > 1<<15, g > 1<<15, bl > 1<<15}]
	}
	return fmt.Sprintf("%dx%d %s %s %s %s", b.Dx(), b.Dy(), at(1, 1), at(7, 1), at(7, 7), at(1, 7))
}

func TestOrientation(t *testing.T) {
	t.Parallel()

	// The camera's picture is 64 × 32, red, green, blue, white clockwise from the top left; this is what people must see.
	golden := map[int]string{
		1: "64x32 red green blue white",
		2: "64x32 green red white blue",
		3: "64x32 blue white red green",
		4: "64x32 white blue green red",
		5: "32x64 red white blue green",
		6: "32x64 white red green blue",
		7: "32x64 blue green red white",
		8: "32x64 green blue white red",
	}
	for orientation, want := range golden {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			tiff := exif(order, orientation)
			for name, file := range map[string][]byte{
				"JPEG": jpegWith(t, corners(64, 32), tiff),
				"PNG":  pngWith(t, corners(64, 32), chunk("eXIf", tiff)),
				"WebP": webpWith(t, tiff),
			} {
				require.Equal(t, want, looks(thumbnail(t, file, 160)), "%s %d %v", name, orientation, order)
				p, err := imaging.Read(file)
				require.NoError(t, err)
				w, h := p.Size()
				require.Equal(t, want[:5], fmt.Sprintf("%dx%d", w, h))
			}
		}
	}

	t.Run("WhatIsNoneIsLeftAlone", func(t *testing.T) {
		t.Parallel()

		tiff := exif(binary.LittleEndian, 6)
		endless := bytes.Clone(tiff)
		binary.LittleEndian.PutUint16(endless[8:], 0xffff) // more entries than there are
		binary.LittleEndian.PutUint16(endless[22:], 0x0113)
		far := bytes.Clone(tiff)
		binary.LittleEndian.PutUint32(far[4:], 0xffffffff)
		for i, tiff := range [][]byte{nil, tiff[:7], tiff[:9], tiff[:20], endless, far, exif(binary.LittleEndian, 0), exif(binary.LittleEndian, 9), exif(binary.LittleEndian, 6000)} {
			require.Equal(t, golden[1], looks(thumbnail(t, jpegWith(t, corners(64, 32), tiff), 160)), "%d", i)
			require.Equal(t, golden[1], looks(thumbnail(t, webpWith(t, tiff), 160)), "%d", i)
		}
	})
}

func TestWithin(t *testing.T) {
	t.Parallel()

	t.Run("FitsAndIsNeverEnlarged", func(t *testing.T) {
		t.Parallel()

		for _, c := range []struct{ w, h, side, wantW, wantH int }{
			{1280, 960, 640, 640, 480},
			{960, 1280, 640, 480, 640},
			{1279, 12, 1280, 1279, 12},
			{100, 50, 160, 100, 50},
			{1281, 3, 640, 640, 1},
			{3, 1281, 160, 1, 160},
			{1, 1, 160, 1, 1},
			{901, 600, 160, 160, 107},
			{1300, 1300, 320, 320, 320},
		} {
			for name, p := range map[string]image.Image{"RGBA": corners(c.w, c.h), "YCbCr": decoded(t, asJPEG(t, corners(c.w, c.h)))} {
				got := thumbnail(t, asEither(t, name, p), c.side).Bounds()
				require.Equal(t, image.Rect(0, 0, c.wantW, c.wantH), got, "%s %+v", name, c)
			}
		}
	})

	t.Run("LooksTheSame", func(t *testing.T) {
		t.Parallel()

		for _, ratio := range []image.YCbCrSubsampleRatio{
			image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440,
			image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
		} {
			for _, size := range []image.Point{{700, 350}, {701, 353}} {
				p := imaging.Of(inPlanes(corners(size.X, size.Y), ratio))
				for _, side := range []int{640, 320, 160} {
					p = p.Within(side)
					made, err := p.JPEG()
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("%dx%d red green blue white", side, (size.Y*side+size.X/2)/size.X), looks(decoded(t, made)), "%v %v", ratio, size)
				}
			}
		}
		require.Equal(t, "160x80 red green blue white", looks(thumbnail(t, asPNG(t, corners(1401, 701)), 160)))
	})

	t.Run("WhatCanBeSeenThroughIsOnWhite", func(t *testing.T) {
		t.Parallel()

		glass := image.NewNRGBA(image.Rect(0, 0, 400, 400))
		paletted := image.NewPaletted(image.Rect(0, 0, 400, 400), color.Palette{color.Transparent, red})
		for name, p := range map[string]image.Image{"NRGBA": glass, "Paletted": paletted, "NRGBA64": image.NewNRGBA64(image.Rect(0, 0, 400, 400))} {
			require.Equal(t, "160x160 white white white white", looks(thumbnail(t, asPNG(t, p), 160)), name)
		}
	})
}

func decoded(t testing.TB, file []byte) image.Image {
	t.Helper()
	p, err := jpeg.Decode(bytes.NewReader(file))
	require.NoError(t, err)
	return p
}

func asEither(t testing.TB, name string, p image.Image) []byte {
	if name == "YCbCr" {
		return asJPEG(t, p)
	}
	return asPNG(t, p)
}

// inPlanes is a part of a larger picture, as decoders have it, in planes of a ratio.
func inPlanes(p *image.RGBA, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	b := p.Bounds()
	whole := image.NewYCbCr(image.Rect(0, 0, b.Dx()+32, b.Dy()+32), ratio)
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := p.RGBAAt(x, y)
			yy, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			whole.Y[whole.YOffset(x, y)], whole.Cb[whole.COffset(x, y)], whole.Cr[whole.COffset(x, y)] = yy, cb, cr
		}
	}
	return whole.SubImage(b).(*image.YCbCr)
}

func TestMetadata(t *testing.T) {
	t.Parallel()

	secret := exif(binary.LittleEndian, 1)
	profile := chunk("iCCP", append([]byte("taken at home\x00\x00"), 1, 2, 3))
	for name, file := range map[string][]byte{
		"JPEG": jpegWith(t, corners(64, 32), secret),
		"PNG":  pngWith(t, corners(64, 32), append(append(chunk("eXIf", secret), chunk("tEXt", []byte("Comment\x00taken at 37.5665"))...), profile...)),
		"WebP": webpWith(t, secret),
	} {
		require.Contains(t, string(file), "taken at", name)
		p, err := imaging.Read(file)
		require.NoError(t, err)
		made, err := p.Within(160).JPEG()
		require.NoError(t, err)
		require.NotContains(t, string(made), "taken at", name)
		require.Equal(t, "d8 db c0 c4 da", markers(made), "%s: pixels and what they need", name)
	}
}

// markers are the segments of a JPEG up to its pixels.
func markers(d []byte) string {
	found := []string{hex.EncodeToString(d[1:2])}
	for d = d[2:]; len(d) > 4; d = d[2+int(binary.BigEndian.Uint16(d[2:])):] {
		found = append(found, hex.EncodeToString(d[1:2]))
		if d[1] == 0xda {
			break
		}
	}
	return strings.Join(found, " ")
}

func TestRead(t *testing.T) {
	t.Parallel()

	t.Run("RefusesWhatIsNoPicture", func(t *testing.T) {
		t.Parallel()

		var animation bytes.Buffer
		require.NoError(t, gif.Encode(&animation, corners(8, 8), nil))
		for name, file := range map[string][]byte{
			"Empty": nil, "SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "HTML": []byte("<!doctype html><script>alert(1)</script>"),
			"GIF": animation.Bytes(), "BMP": []byte("BM" + strings.Repeat("\x00", 100)), "TIFF": []byte("II*\x00" + strings.Repeat("\x00", 100)),
			"PDF": []byte("%PDF-1.7"), "WAV": []byte("RIFF\x24\x00\x00\x00WAVEfmt "), "ShiftedJPEG": append([]byte{0}, asJPEG(t, corners(8, 8))...),
			"TwoBytesOfJPEG": {0xff, 0xd8}, "SevenBytesOfPNG": []byte("\x89PNG\r\n\x1a"),
		} {
			_, err := imaging.Read(file)
			require.ErrorIs(t, err, catalog.ErrImageType, name)
			require.Empty(t, imaging.MediaType(file), name)
		}
	})

	t.Run("RefusesWhatBeginsAsOne", func(t *testing.T) {
		t.Parallel()

		for name, file := range map[string][]byte{
			"HTML": append([]byte{0xff, 0xd8, 0xff}, "<script>alert(1)</script>"...), "SVG": append([]byte("\x89PNG\r\n\x1a\n"), "<svg/>"...),
			"WebP": []byte("RIFF\x20\x00\x00\x00WEBP<svg/>"), "NoPixels": append([]byte("\x89PNG\r\n\x1a\n"), chunk("IEND", nil)...),
		} {
			_, err := imaging.Read(file)
			require.ErrorIs(t, err, catalog.ErrImageBroken, name)
		}
	})

	t.Run("RefusesWhatWasCutOff", func(t *testing.T) {
		t.Parallel()

		for name, file := range map[string][]byte{
			"JPEG": asJPEG(t, corners(64, 32)), "PNG": asPNG(t, corners(64, 32)), "WebP": webpFile(t),
		} {
			_, err := imaging.Read(file)
			require.NoError(t, err, name)
			for n := range len(file) - 1 {
				_, err := imaging.Read(file[:n])
				require.Error(t, err, "%s: %d of %d bytes", name, n, len(file))
			}
		}
	})

	t.Run("RefusesBombsByWhatTheySay", func(t *testing.T) {
		t.Parallel()

		header := func(w, h uint32) []byte {
			b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
			return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(b, 8, 6, 0, 0, 0))...)
		}
		large := asJPEG(t, corners(8, 8))
		at := bytes.Index(large, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(large[at+5:], 20_000)
		binary.BigEndian.PutUint16(large[at+7:], 20_000)
		canvas := []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x3f\x00\xff\x3f\x00")
		for name, file := range map[string][]byte{
			"PNG of 20,000 × 20,000": header(20_000, 20_000), "PNG of 16,385 × 1": header(16_385, 1),
			"PNG of 5,001 × 5,000": header(5001, 5000), "JPEG of 20,000 × 20,000": large, "WebP of 16,384 × 16,384": canvas,
		} {
			_, err := imaging.Read(file)
			require.ErrorIs(t, err, catalog.ErrImageTooLarge, name)
		}
		_, err := imaging.Read(header(1<<31, 1<<31))
		require.ErrorIs(t, err, catalog.ErrImageBroken)

		scans := asJPEG(t, corners(8, 8))
		scans = append(scans[:len(scans)-2], bytes.Repeat([]byte{0xff, 0xda, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x3f, 0x00}, 501)...)
		_, err = imaging.Read(scans)
		require.ErrorIs(t, err, catalog.ErrImageTooLarge)
	})
}

// FuzzRead looks for what makes a decoder panic, or what it makes of its input too large. `go test -fuzz=FuzzRead` goes on for longer than CI.
func FuzzRead(f *testing.F) {
	for _, file := range [][]byte{
		asJPEG(f, corners(16, 8)), asPNG(f, corners(16, 8)), webpFile(f), jpegWith(f, corners(16, 8), exif(binary.BigEndian, 6)),
		pngWith(f, corners(16, 8), chunk("eXIf", exif(binary.LittleEndian, 8))), webpWith(f, exif(binary.LittleEndian, 3)), []byte("<svg/>"),
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<16 {
			return
		}
		p, err := imaging.Read(file)
		if err != nil {
			return
		}
		w, h := p.Size()
		require.True(t, 0 < w && w <= imaging.MaxSide && 0 < h && h <= imaging.MaxSide && w*h <= imaging.MaxPixels, "%d × %d", w, h)
		made, err := p.Within(160).JPEG()
		require.NoError(t, err)
		small := decoded(t, made).Bounds()
		require.True(t, small.Dx() <= 160 && small.Dy() <= 160)
		require.Equal(t, "image/jpeg", imaging.MediaType(made))
	})
}
