//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Enabled says whether points can be armed in this build.
const Enabled = true

// Point is an instant in the code.
type Point struct{ name string }

var points struct {
	sync.Mutex
	names []string
}

// New declares a point. Its name is unique in the binary.
func New(name string) Point {
	points.Lock()
	defer points.Unlock()
	if slices.Contains(points.names, name) {
		panic("failpoint: two points are named " + name)
	}
	points.names = append(points.names, name)
	return Point{name}
}

// Hit passes the point, or does what it is armed with.
func (p Point) Hit() {
	if p.name == armed.name && hits.Add(1) == armed.on {
		armed.act()
	}
}

// Names are the points of the binary, sorted.
func Names() []string {
	points.Lock()
	defer points.Unlock()
	return slices.Sorted(slices.Values(points.names))
}

var (
	armed = arm(os.Getenv("SHOP_FAILPOINT"))
	hits  atomic.Int64
)

// arming is what is to happen, where and on which hit.
type arming struct {
	name string
	on   int64
	act  func()
}

func arm(setting string) arming {
	if setting == "" {
		return arming{}
	}
	name, action, _ := strings.Cut(setting, "=")
	action, on, counted := strings.Cut(action, "@")
	a := arming{name: name, on: 1}
	if counted {
		n, err := strconv.ParseInt(on, 10, 64)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("failpoint: SHOP_FAILPOINT=%s: %q is not a count", setting, on))
		}
		a.on = n
	}
	switch action {
	case "kill":
		a.act = killed
	case "stop":
		a.act = stopped
	default:
		panic(fmt.Sprintf("failpoint: SHOP_FAILPOINT=%s: the action is neither kill nor stop", setting))
	}
	return a
}
