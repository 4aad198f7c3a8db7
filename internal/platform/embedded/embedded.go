// Package embedded runs a real PostgreSQL beside the shop, so that `shop` alone is a whole shop.
//
// It finds PostgreSQL's programs or fetches them, makes a cluster once, and supervises the server: nothing but the shop
// can connect, the server ends with the shop however that ends, and a folder that holds anything else is never written to.
// A commit is as durable as in any PostgreSQL: fsync and synchronous_commit stay on.
package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// DataDir is the folder in which the shop keeps everything: $SHOP_DATA_DIR, else the place where this system's users keep
// their programs' data. For root it is /var/lib/sasapick, because the database runs as a user who cannot enter root's home.
func DataDir() string {
	if dir := os.Getenv("SHOP_DATA_DIR"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	switch {
	case isRoot():
		return "/var/lib/sasapick"
	case runtime.GOOS == "windows" && os.Getenv("LOCALAPPDATA") != "":
		return filepath.Join(os.Getenv("LOCALAPPDATA"), "sasapick")
	case filepath.IsAbs(os.Getenv("XDG_DATA_HOME")):
		return filepath.Join(os.Getenv("XDG_DATA_HOME"), "sasapick")
	case err != nil:
		return "sasapick-data"
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "sasapick")
	default:
		return filepath.Join(home, ".local", "share", "sasapick")
	}
}

// cacheDir is where fetched programs are kept.
func cacheDir() string {
	if isRoot() {
		return "/var/cache/sasapick"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "sasapick")
	}
	return filepath.Join(DataDir(), "cache")
}

// makeFolder makes a folder and those above it, with folderMode whatever the umask says.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err == nil {
		return os.Chmod(dir, folderMode())
	}
	if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
		return nil
	}
	return err
}

// folderMode keeps a new folder to its owner. Root's must let the database's user pass, but not look.
func folderMode() os.FileMode {
	if isRoot() {
		return 0o711
	}
	return 0o700
}
