package memory

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/clock"
)

// Trees keeps the tree of categories in this process: an app.Trees that no other instance sees, so that it lives shortly.
type Trees struct {
	clock clock.Clock
	life  time.Duration

	mu    sync.Mutex
	tree  []byte // nil: none
	until time.Time
	lease string // "": none
	ends  time.Time
}

var _ app.Trees = (*Trees)(nil)

// NewTrees returns a place for a tree that lives for so long.
func NewTrees(c clock.Clock, life time.Duration) *Trees { return &Trees{clock: c, life: life} }

// Get implements [app.Trees].
func (t *Trees) Get(context.Context) (tree []byte, lease string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	switch {
	case t.tree != nil && now.Before(t.until):
		return t.tree, "", nil
	case t.lease != "" && now.Before(t.ends):
		return nil, "", nil
	}
	t.lease, t.ends = rand.Text(), now.Add(app.TreeLease)
	return nil, t.lease, nil
}

// Put implements [app.Trees].
func (t *Trees) Put(_ context.Context, lease string, tree []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if lease == t.lease && now.Before(t.ends) {
		t.tree, t.until, t.lease = tree, now.Add(t.life), ""
	}
	return nil
}

// Drop implements [app.Trees].
func (t *Trees) Drop(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tree, t.lease = nil, ""
	return nil
}
