// Package imaging reads pictures that strangers made, and makes small ones of them.
//
// What is read is bounded before it is decoded: bytes by the caller, pixels by what the file says of itself, which its decoder then holds
// it to. What is made is upright, opaque and nothing but pixels: no EXIF, no profile, no comment comes through.
package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/sasapick/shop/internal/catalog"
)

const (
	// MaxPixels bounds what a picture takes when it is decoded: 16 bytes a pixel at the most, for a progressive JPEG. One of four colours
	// takes nearly twice as many, and may have half as many pixels.
	MaxPixels = 25_000_000
	// MaxSide is WebP's own limit.
	MaxSide = 16_384
	// maxScans bounds the passes over a progressive JPEG. Programs make ten; a file of ten megabytes has room for fifty thousand.
	maxScans = 500
	// quality of what is made, by the measure of image/jpeg.
	quality = 82
)

// format is one that is read.
type format struct {
	mediaType   string
	begins      func(data []byte) bool
	config      func(data []byte) (image.Config, error)
	decode      func(data []byte) (image.Image, error)
	orientation func(data []byte) int
}

var formats = []format{
	{
		"image/jpeg", func(d []byte) bool { return bytes.HasPrefix(d, []byte("\xff\xd8\xff")) },
		func(d []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(d)) },
		func(d []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(d)) },
		ofJPEG,
	},
	{
		"image/png", func(d []byte) bool { return bytes.HasPrefix(d, []byte("\x89PNG\r\n\x1a\n")) },
		func(d []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(d)) },
		func(d []byte) (image.Image, error) { return png.Decode(bytes.NewReader(d)) },
		ofPNG,
	},
	{
		"image/webp", func(d []byte) bool { return len(d) > 12 && string(d[:4]) == "RIFF" && string(d[8:12]) == "WEBP" },
		func(d []byte) (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(d)) },
		func(d []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(d)) },
		ofWebP,
	},
}

// MediaType tells what the bytes are, by the bytes alone; "" if they are none of what is read.
func MediaType(data []byte) string {
	for _, f := range formats {
		if f.begins(data) {
			return f.mediaType
		}
	}
	return ""
}

// Picture is a picture that was decoded, and how it has to be turned.
type Picture struct {
	pixels      image.Image
	orientation int // as EXIF has it, 1 to 8
}

// Read decodes a whole file. Faults: ErrImageType, ErrImageTooLarge, ErrImageBroken.
func Read(data []byte) (Picture, error) {
	for _, f := range formats {
		if f.begins(data) {
			return f.read(data)
		}
	}
	return Picture{}, catalog.ErrImageType
}

func (f format) read(data []byte) (Picture, error) {
	c, err := f.config(data)
	if err != nil {
		return Picture{}, broken(err)
	}
	most := MaxPixels
	if c.ColorModel == color.CMYKModel {
		most /= 2
	}
	if c.Width > MaxSide || c.Height > MaxSide || c.Width*c.Height > most {
		return Picture{}, catalog.ErrImageTooLarge.WithDetail(fmt.Sprintf("it has %d × %d pixels", c.Width, c.Height))
	}
	if f.mediaType == "image/jpeg" && bytes.Count(data, []byte{0xff, startOfScan}) > maxScans {
		return Picture{}, catalog.ErrImageTooLarge.WithDetail("it has too many scans")
	}
	pixels, err := f.decode(data)
	if err != nil {
		return Picture{}, broken(err)
	}
	if size := pixels.Bounds().Size(); size.X < 1 || size.Y < 1 {
		return Picture{}, catalog.ErrImageBroken.WithDetail("it has no pixels")
	}
	return Picture{pixels, f.orientation(data)}, nil
}

func broken(err error) error { return catalog.ErrImageBroken.WithDetail(err.Error()) }

// Size is that of the picture when it stands upright.
func (p Picture) Size() (width, height int) {
	s := p.pixels.Bounds().Size()
	if p.orientation >= 5 {
		return s.Y, s.X
	}
	return s.X, s.Y
}

// Within returns the picture upright, opaque (on white) and no larger than a square of that side; it is never made larger.
func (p Picture) Within(side int) Picture {
	size := p.pixels.Bounds().Size()
	target := fit(size, side)
	var small image.Image
	if whole, ok := p.pixels.(*image.YCbCr); ok {
		for ; size.X >= 2*target.X && size.Y >= 2*target.Y && size != target; size = whole.Bounds().Size() {
			whole = halfYCbCr(whole)
		}
		small = whole
	} else {
		whole := opaque(p.pixels)
		for ; size.X >= 2*target.X && size.Y >= 2*target.Y && size != target; size = whole.Bounds().Size() {
			whole = halfRGBA(whole)
		}
		small = whole
	}
	scaled := image.NewRGBA(image.Rectangle{Max: target})
	draw.CatmullRom.Scale(scaled, scaled.Bounds(), small, small.Bounds(), draw.Src, nil)
	return Picture{upright(scaled, p.orientation), 1}
}

// fit is the size that fits into a square.
func fit(size image.Point, side int) image.Point {
	longest := max(size.X, size.Y)
	if longest <= side {
		return size
	}
	scaled := func(n int) int { return max(1, (n*side+longest/2)/longest) }
	return image.Pt(scaled(size.X), scaled(size.Y))
}

// opaque is the picture on white.
func opaque(pixels image.Image) *image.RGBA {
	if p, ok := pixels.(*image.RGBA); ok && p.Opaque() {
		return p
	}
	b := pixels.Bounds()
	flat := image.NewRGBA(image.Rectangle{Max: b.Size()})
	draw.Draw(flat, flat.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Bounds(), pixels, b.Min, draw.Over)
	return flat
}

// JPEG encodes the picture. It must be one of Within's.
func (p Picture) JPEG() ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p.pixels, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode a JPEG: %w", err)
	}
	return b.Bytes(), nil
}
