package toss

import (
	"maps"
	"slices"
	"strings"
)

// Declines are the codes that are read as a decline.
var Declines = strings.Join(slices.Collect(maps.Keys(declines)), " ")
