package auth

import (
	"sync"
)

const (
	maxCached = 1 << 17 // tokens; some 20 MB when full
	shards    = 32
)

// grant is what a token that holds says.
type grant struct {
	principal Principal
	issuedAt  int64 // milliseconds since the epoch
	expiresAt int64
}

// cache remembers grants by the hash of their token. A full shard first drops what has expired, then something.
type cache struct {
	perShard int
	shards   [shards]shard
}

type shard struct {
	mu     sync.RWMutex
	grants map[[32]byte]grant
	_      [24]byte // shards don't share a cache line
}

func newCache(size int) *cache {
	c := &cache{perShard: max(1, size/shards)}
	for i := range c.shards {
		c.shards[i].grants = make(map[[32]byte]grant)
	}
	return c
}

func (c *cache) get(hash [32]byte, now int64) (grant, bool) {
	s := &c.shards[hash[0]%shards]
	s.mu.RLock()
	g, ok := s.grants[hash]
	s.mu.RUnlock()
	return g, ok && g.expiresAt > now
}

func (c *cache) put(hash [32]byte, g grant, now int64) {
	s := &c.shards[hash[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.grants) >= c.perShard {
		s.shrink(now)
	}
	s.grants[hash] = g
}

// shrink makes room in a full shard. It looks at a few grants only, so that no request pays for the whole shard.
func (s *shard) shrink(now int64) {
	const look = 16
	looked, dropped := 0, false
	for h, g := range s.grants {
		if g.expiresAt <= now {
			delete(s.grants, h)
			dropped = true
		}
		if looked++; looked == look {
			break
		}
	}
	if dropped {
		return
	}
	for h := range s.grants { // in an order that nobody can foretell
		delete(s.grants, h)
		return
	}
}

func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.grants)
		s.mu.Unlock()
	}
}

func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.grants)
		s.mu.RUnlock()
	}
	return n
}
