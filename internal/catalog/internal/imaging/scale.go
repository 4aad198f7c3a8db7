package imaging

import "image"

// A picture is halved, by the mean of four pixels, until it is less than twice as large as it should be, and only then resampled: the
// resampler's own memory grows with what it is given. A photograph is halved as it was decoded, in its planes, which is half the work.

func halfYCbCr(p *image.YCbCr) *image.YCbCr {
	b := p.Bounds()
	half := image.NewYCbCr(image.Rect(0, 0, b.Dx()/2, b.Dy()/2), p.SubsampleRatio)
	halve(half.Y, half.YStride, half.Bounds().Size(), p.Y[p.YOffset(b.Min.X, b.Min.Y):], p.YStride, b.Size(), 1)
	chroma := p.COffset(b.Min.X, b.Min.Y)
	halve(half.Cb, half.CStride, chromaOf(half), p.Cb[chroma:], p.CStride, chromaOf(p), 1)
	halve(half.Cr, half.CStride, chromaOf(half), p.Cr[chroma:], p.CStride, chromaOf(p), 1)
	return half
}

// chromaOf is the size of the planes of colour.
func chromaOf(p *image.YCbCr) image.Point {
	b := p.Bounds()
	first := p.COffset(b.Min.X, b.Min.Y)
	return image.Pt(p.COffset(b.Max.X-1, b.Min.Y)-first+1, (p.COffset(b.Min.X, b.Max.Y-1)-first)/p.CStride+1)
}

func halfRGBA(p *image.RGBA) *image.RGBA {
	b := p.Bounds()
	half := image.NewRGBA(image.Rect(0, 0, b.Dx()/2, b.Dy()/2))
	halve(half.Pix, half.Stride, half.Bounds().Size(), p.Pix[p.PixOffset(b.Min.X, b.Min.Y):], p.Stride, b.Size(), 4)
	return half
}

// halve writes a plane of half the size, of pixels with so many bytes. Where the halves of sizes that are odd do not meet, the last row and
// column are repeated.
func halve(to []byte, toStride int, toSize image.Point, from []byte, fromStride int, fromSize image.Point, bytes int) {
	for y := range toSize.Y {
		above := from[min(2*y, fromSize.Y-1)*fromStride:]
		below := from[min(2*y+1, fromSize.Y-1)*fromStride:]
		row := to[y*toStride:]
		for x := range toSize.X {
			left, right := min(2*x, fromSize.X-1)*bytes, min(2*x+1, fromSize.X-1)*bytes
			for i := range bytes {
				row[x*bytes+i] = byte((int(above[left+i]) + int(above[right+i]) + int(below[left+i]) + int(below[right+i]) + 2) / 4)
			}
		}
	}
}

// upright turns and mirrors a picture as EXIF says that it must be for people.
func upright(p *image.RGBA, orientation int) *image.RGBA {
	if orientation == 1 {
		return p
	}
	size := p.Bounds().Size()
	turned := size
	if orientation >= 5 {
		turned = image.Pt(size.Y, size.X)
	}
	up := image.NewRGBA(image.Rectangle{Max: turned})
	right, bottom := size.X-1, size.Y-1
	for y := range turned.Y {
		for x := range turned.X {
			var from image.Point
			switch orientation {
			case 2: // mirrored
				from = image.Pt(right-x, y)
			case 3: // upside down
				from = image.Pt(right-x, bottom-y)
			case 4: // both
				from = image.Pt(x, bottom-y)
			case 5: // across the diagonal
				from = image.Pt(y, x)
			case 6: // lies on its left side
				from = image.Pt(y, bottom-x)
			case 7: // across the other diagonal
				from = image.Pt(right-y, bottom-x)
			case 8: // lies on its right side
				from = image.Pt(right-y, x)
			}
			copy(up.Pix[up.PixOffset(x, y):][:4], p.Pix[p.PixOffset(from.X, from.Y):])
		}
	}
	return up
}
