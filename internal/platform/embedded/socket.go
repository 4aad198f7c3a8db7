package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxSocketPath is less than any system allows for the path of a Unix socket (macOS: 103 bytes).
const maxSocketPath = 100

// placeSocket chooses the folder of the socket: the cluster's own, which its owner alone can enter, or a short one of the
// same kind among temporary files where the cluster's path is too long.
func (s *server) placeSocket() (release func(), err error) {
	if s.tcp {
		return func() {}, nil
	}
	s.port = socketPort
	if fitsSocket(s.dir) {
		s.socket = s.dir
		return func() {}, nil
	}
	sum := sha256.Sum256([]byte(s.dir))
	name := "sasapick-" + hex.EncodeToString(sum[:5])
	for _, base := range []string{os.TempDir(), "/tmp"} {
		folder := filepath.Join(base, name)
		if !fitsSocket(folder) || s.who.reach(base) != nil {
			continue
		}
		// Temporary folders are open to everybody: one that was there before is used only if it is private to the server.
		if err := os.Mkdir(folder, 0o700); err == nil {
			if err := s.who.give(folder); err != nil {
				return nil, fmt.Errorf("make a folder for the database's socket: %w", err)
			}
		} else if !s.who.owns(folder) {
			folder, err = os.MkdirTemp(base, "sasapick-")
			if err != nil || !fitsSocket(folder) {
				continue
			}
			if err := s.who.give(folder); err != nil {
				return nil, fmt.Errorf("make a folder for the database's socket: %w", err)
			}
		}
		s.socket = folder
		return func() { os.RemoveAll(folder) }, nil
	}
	return nil, fmt.Errorf("the path %s is too long for a Unix socket, and there is no temporary folder for it: choose a shorter folder with SHOP_DATA_DIR", s.dir)
}

// fitsSocket says whether a socket can be made in the folder and named in an address, where a comma separates hosts.
func fitsSocket(dir string) bool {
	return len(dir)+len("/.s.PGSQL.5432") <= maxSocketPath && !strings.Contains(dir, ",")
}
