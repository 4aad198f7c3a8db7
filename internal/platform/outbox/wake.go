package outbox

import "sync"

// The relays of this process that wait for a module's events. It is shared by the whole process because a module makes
// its outbox by itself and doesn't know the relay. A wake is only a hint: relays poll too.
var sleepers struct {
	sync.Mutex
	of map[string]map[chan struct{}]struct{}
}

// Wake tells this process's relay that the module has committed events. It never blocks.
func Wake(module string) {
	sleepers.Lock()
	defer sleepers.Unlock()
	for c := range sleepers.of[module] {
		select {
		case c <- struct{}{}:
		default: // it has one wake waiting already
		}
	}
}

// Wakes returns a channel that receives after each Wake of the module, and a function that ends that.
func Wakes(module string) (woken <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	sleepers.Lock()
	defer sleepers.Unlock()
	if sleepers.of == nil {
		sleepers.of = map[string]map[chan struct{}]struct{}{}
	}
	if sleepers.of[module] == nil {
		sleepers.of[module] = map[chan struct{}]struct{}{}
	}
	sleepers.of[module][c] = struct{}{}
	return c, func() {
		sleepers.Lock()
		defer sleepers.Unlock()
		delete(sleepers.of[module], c)
	}
}
