package blob

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gocloud.dev/blob/fileblob"
)

func openFolder(dir string) (*Store, error) {
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o755,
		NoTempDir: true, // a rename does not leave the file system
		Metadata:  fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("open the folder of blobs: %w", err)
	}
	return &Store{bucket: bucket, settle: func(key string) error { return settle(filepath.Join(dir, filepath.FromSlash(key))) }}, nil
}

func folderOf(u *url.URL) string {
	dir := u.Path
	if runtime.GOOS == "windows" {
		dir = strings.TrimPrefix(dir, "/") // file:///C:/shop
	}
	return filepath.FromSlash(dir)
}

// settle has the file, and its name in the folder, survive a power cut. What a cut before it leaves is no blob that anybody was told of.
func settle(path string) error {
	if err := sync(path); err != nil || runtime.GOOS == "windows" { // which has no handles of folders
		return err
	}
	return sync(filepath.Dir(path))
}

func sync(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}
