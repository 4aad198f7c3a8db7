package embedded

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/xi2/xz"
)

const (
	defaultRepository = "https://repo1.maven.org/maven2"
	defaultMajor      = 17

	maxArchive  = 256 << 20 // of what is fetched; it is about 15 MB
	maxUnpacked = 1 << 30
)

// fetchable are the releases of https://github.com/zonkyio/embedded-postgres-binaries by their major version.
var fetchable = map[int]string{14: "14.18.0", 15: "15.13.0", 16: "16.9.0", 17: "17.5.0", 18: "18.3.0"}

// fetchBinaries fetches PostgreSQL's programs into the cache. Several processes may do so at once: the first to finish is
// used by all.
func fetchBinaries(ctx context.Context, o PostgresOptions, who account, major int) (binaries, error) {
	if major == 0 {
		major = defaultMajor
	}
	version, ok := fetchable[major]
	if !ok {
		return binaries{}, fmt.Errorf("the database in %s was made by PostgreSQL %d, which is not on this machine and cannot be fetched: install it, or set SHOP_PG_BIN", o.Dir, major)
	}
	home := filepath.Join(o.CacheDir, "postgresql-"+version)
	if err := fetchInto(ctx, o, version, home); err != nil {
		return binaries{}, fmt.Errorf("PostgreSQL is not on this machine, and fetching it did not succeed (%w): install PostgreSQL, or set SHOP_PG_BIN to the folder of its programs", err)
	}
	if err := who.reach(filepath.Join(home, "bin")); err != nil {
		return binaries{}, err
	}
	return inspectBinaries(ctx, filepath.Join(home, "bin"))
}

func fetchInto(ctx context.Context, o PostgresOptions, version, home string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	if err := makeFolder(o.CacheDir); err != nil {
		return err
	}
	name := "embedded-postgres-binaries-" + platform()
	address := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", strings.TrimSuffix(o.Repository, "/"), name, version, name, version)

	jar, err := os.CreateTemp(o.CacheDir, "fetch-*.jar")
	if err != nil {
		return err
	}
	defer os.Remove(jar.Name())
	defer jar.Close()
	size, err := download(ctx, address, jar, o.Progress)
	if err != nil {
		return err
	}

	o.Progress("unpacking PostgreSQL")
	fresh, err := os.MkdirTemp(o.CacheDir, "unpack-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := unpack(ctx, jar, size, fresh); err != nil {
		return fmt.Errorf("unpack %s: %w", address, err)
	}
	if err := openFolders(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, home); err != nil {
		if _, statErr := os.Stat(filepath.Join(home, "bin")); statErr != nil {
			return err
		}
		// Another process was first, with the same programs.
	}
	return nil
}

// platform is the name that the archives have for this machine.
func platform() string {
	arch := runtime.GOARCH
	if arch == "arm64" && runtime.GOOS != "windows" {
		arch = "arm64v8"
	}
	if _, err := os.Stat("/etc/alpine-release"); err == nil && runtime.GOOS == "linux" {
		arch += "-alpine"
	}
	return runtime.GOOS + "-" + arch
}

// download writes what it fetches to the file, and fails unless a checksum that lies beside it agrees.
func download(ctx context.Context, address string, file *os.File, progress func(string)) (size int64, err error) {
	body, total, err := get(ctx, address)
	if err != nil {
		return 0, err
	}
	defer body.Close()

	sums := map[string]hash.Hash{".sha256": sha256.New(), ".sha1": sha1.New()}
	report := &reporter{total: total, progress: progress}
	report.tell()
	size, err = io.Copy(io.MultiWriter(file, sums[".sha256"], sums[".sha1"], report), io.LimitReader(body, maxArchive+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("fetch %s: %w", address, err)
	case size > maxArchive:
		return 0, fmt.Errorf("fetch %s: it is larger than %d MB", address, maxArchive>>20)
	case total >= 0 && size != total:
		return 0, fmt.Errorf("fetch %s: it ended after %d of %d bytes", address, size, total)
	}
	report.tell()

	for _, extension := range []string{".sha256", ".sha1"} {
		body, _, err := get(ctx, address+extension)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return 0, err
		}
		said, err := io.ReadAll(io.LimitReader(body, 1<<10))
		body.Close()
		if err != nil {
			return 0, fmt.Errorf("fetch %s: %w", address+extension, err)
		}
		want, _, _ := strings.Cut(strings.TrimSpace(string(said)), " ")
		if !strings.EqualFold(want, hex.EncodeToString(sums[extension].Sum(nil))) {
			return 0, fmt.Errorf("what came from %s does not have the checksum that %s gives", address, extension)
		}
		return size, nil
	}
	return 0, fmt.Errorf("%s has no checksum beside it", address)
}

var errAbsent = errors.New("not there")

func get(ctx context.Context, address string) (body io.ReadCloser, size int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, 0, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = fmt.Errorf("%s answers %s", address, response.Status)
		if response.StatusCode == http.StatusNotFound {
			err = fmt.Errorf("%w: %w", errAbsent, err)
		}
		return nil, 0, err
	}
	return response.Body, response.ContentLength, nil
}

// reporter tells how far a download is, at most four times a second.
type reporter struct {
	done, total int64
	progress    func(string)
	told        time.Time
}

func (r *reporter) Write(p []byte) (int, error) {
	r.done += int64(len(p))
	if time.Since(r.told) >= 250*time.Millisecond {
		r.tell()
	}
	return len(p), nil
}

func (r *reporter) tell() {
	r.told = time.Now()
	if r.total > 0 {
		r.progress(fmt.Sprintf("fetching PostgreSQL %.1f/%.0f MB", float64(r.done)/1e6, float64(r.total)/1e6))
		return
	}
	r.progress(fmt.Sprintf("fetching PostgreSQL %.1f MB", float64(r.done)/1e6))
}

// unpack takes the one .txz out of the jar and its files out of that.
func unpack(ctx context.Context, jar io.ReaderAt, size int64, dir string) error {
	archive, err := zip.NewReader(jar, size)
	if err != nil {
		return err
	}
	for _, entry := range archive.File {
		if !strings.HasSuffix(entry.Name, ".txz") {
			continue
		}
		content, err := entry.Open()
		if err != nil {
			return err
		}
		defer content.Close()
		packed, err := io.ReadAll(io.LimitReader(content, maxArchive))
		if err != nil {
			return err
		}
		plain, err := xz.NewReader(bytes.NewReader(packed), 0)
		if err != nil {
			return err
		}
		return untar(ctx, tar.NewReader(io.LimitReader(plain, maxUnpacked)), dir)
	}
	return errors.New("there is no .txz in it")
}

// openFolders lets the database's user into what root unpacked, whatever the umask says.
func openFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
}

// untar writes through an os.Root, so that no name and no link in the archive leads out of dir.
func untar(ctx context.Context, archive *tar.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name := filepath.Clean(filepath.FromSlash(header.Name))
		if name == "." {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeSymlink:
			err = root.Symlink(header.Linkname, name)
		case tar.TypeReg:
			err = write(root, name, archive, 0o644|os.FileMode(header.Mode)&0o111)
		}
		if err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, content io.Reader, mode os.FileMode) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Chmod(mode) // as it was said, not as the umask left it
	}
	return errors.Join(err, file.Close())
}
