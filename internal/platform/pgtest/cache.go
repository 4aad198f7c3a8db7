package pgtest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/sasapick/shop/db/migrations"
	"github.com/sasapick/shop/internal/platform/embedded"
)

// layout is part of a template's name: increase it when server.go makes templates in another way.
const layout = 1

const (
	keptTemplates = 4
	keptFor       = time.Hour // a template that another process may be about to copy
)

// templateFolder is where a finished cluster for the migrations of this moment is kept between test processes, which copy
// it instead of making one. It is "" where there is no cache folder.
func templateFolder() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.New()
	postgres, _ := exec.LookPath("postgres")
	fmt.Fprintln(sum, layout, os.Getenv("SHOP_PG_BIN"), postgres, os.Geteuid())
	err = fs.WalkDir(migrations.FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(migrations.FS, path)
		fmt.Fprintln(sum, path, len(content))
		sum.Write(content)
		return err
	})
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "sasapick", "pgtest", hex.EncodeToString(sum.Sum(nil)[:8]))
}

// keepTemplate puts a stopped cluster into the cache. Two processes may do so at once: the first wins, and both are right.
func keepTemplate(data, kept string) error {
	parent := filepath.Dir(kept)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	pruneTemplates(parent)
	own, err := os.MkdirTemp(parent, "fresh-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(own)
	if err := embedded.CopyCluster(data, filepath.Join(own, "data")); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(own, "data"), kept)
	if errors.Is(err, fs.ErrExist) || isThere(kept) {
		return nil
	}
	return err
}

func isThere(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "PG_VERSION"))
	return err == nil
}

// pruneTemplates removes templates of migrations as they once were, and what killed processes left.
func pruneTemplates(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	type template struct {
		path string
		at   time.Time
	}
	var templates []template
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > keptFor {
			templates = append(templates, template{filepath.Join(parent, entry.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(templates, func(a, b template) int { return b.at.Compare(a.at) })
	for _, old := range templates[min(keptTemplates, len(templates)):] {
		os.RemoveAll(old.path)
	}
}
