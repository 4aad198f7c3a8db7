package imaging

import "image"

// Of is a picture of these pixels, upright.
func Of(pixels image.Image) Picture { return Picture{pixels, 1} }
