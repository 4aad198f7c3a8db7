package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

var errLocked = errors.New("locked by another process")

// LockDir makes the caller the one shop of a data folder, which it creates if need be. The lock ends with the process,
// however that ends.
func LockDir(dir string) (unlock func(), err error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made: %w", dir, err)
	}
	unlock, holder, err := lockFile(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another shop%s is using the data folder %s: stop it first, or give this one another folder with SHOP_DATA_DIR", holder, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be locked: %w", dir, err)
	}
	return unlock, nil
}

// lockFile locks a file that it leaves in place: removing it would let two processes lock two files of one name. Holder
// says who has the lock, for a message, if that is known.
func lockFile(path string) (unlock func(), holder string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, "", err
	}
	if err := lock(file); err != nil {
		file.Close()
		if content, readErr := os.ReadFile(path); readErr == nil {
			if pid, parseErr := strconv.Atoi(string(bytes.TrimSpace(content))); parseErr == nil {
				holder = fmt.Sprintf(" (process %d)", pid)
			}
		}
		return nil, holder, err
	}
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		file.Close()
		return nil, "", err
	}
	return func() { release(file); file.Close() }, "", nil
}
