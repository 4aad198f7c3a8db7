//go:build unix

package embedded_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/embedded"
)

func TestFetch(t *testing.T) {
	t.Parallel()

	t.Run("GivesADatabase", func(t *testing.T) {
		t.Parallel()

		jar := makeJar(t, programs(t))
		repository := serve(t, map[string][]byte{"": jar, ".sha256": sum256(jar)})
		var said []string
		o := fetching(t, repository)
		o.Progress = func(s string) { said = append(said, s) }
		p := start(t, o)
		require.Equal(t, 1, query[int](t, p.URL(), "SELECT 1"))
		require.Equal(t, filepath.Join(o.CacheDir, "postgresql-"+embedded.FetchedVersion, "bin"), p.Bin())
		require.Regexp(t, `^fetching PostgreSQL \d+\.\d/\d+ MB$`, said[0])
		require.Contains(t, said, "unpacking PostgreSQL")

		require.NoError(t, p.Stop(t.Context()))
		start(t, o)
		require.EqualValues(t, 1, repository.jars.Load(), "the second start finds the programs in the cache")
		entries, err := os.ReadDir(o.CacheDir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing unfinished is left")
	})

	t.Run("TakesTheOlderChecksum", func(t *testing.T) {
		t.Parallel()

		jar := makeJar(t, programs(t))
		sum := sha1.Sum(jar)
		start(t, fetching(t, serve(t, map[string][]byte{"": jar, ".sha1": []byte(hex.EncodeToString(sum[:]))})))
	})

	t.Run("WorksUnderAnyUmask", func(t *testing.T) {
		t.Parallel()

		jar := makeJar(t, programs(t))
		repository := serve(t, map[string][]byte{"": jar, ".sha256": sum256(jar)})
		spawn(t, "umask", folder(t), "EMBEDDED_TEST_REPOSITORY="+repository.URL+"/maven2").next(t, "stopped")
	})

	t.Run("IsRefused", func(t *testing.T) {
		t.Parallel()

		good := makeJar(t, programs(t))
		leading := makeJar(t, map[string]string{"../outside": "x"})
		empty := makeZip(t, "README", []byte("nothing"))
		torn := makeZip(t, "postgres.txz", makeXZ([]byte("no archive"))[:40])
		for name, test := range map[string]struct {
			files map[string][]byte
			want  string
		}{
			"WithoutChecksum":        {map[string][]byte{"": good}, "has no checksum beside it"},
			"WithAnothersChecksum":   {map[string][]byte{"": good, ".sha256": sum256([]byte("other"))}, "does not have the checksum that .sha256 gives"},
			"WhenThereIsNone":        {map[string][]byte{}, "answers 404 Not Found"},
			"WhenItIsNoArchive":      {map[string][]byte{"": []byte("hello"), ".sha256": sum256([]byte("hello"))}, "not a valid zip file"},
			"WhenNothingIsInIt":      {map[string][]byte{"": empty, ".sha256": sum256(empty)}, "there is no .txz in it"},
			"WhenItIsTorn":           {map[string][]byte{"": torn, ".sha256": sum256(torn)}, "unpack "},
			"WhenItLeadsOutOfItsOwn": {map[string][]byte{"": leading, ".sha256": sum256(leading)}, "escapes"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				o := fetching(t, serve(t, test.files))
				_, err := embedded.StartPostgres(t.Context(), o)
				require.ErrorContains(t, err, "PostgreSQL is not on this machine, and fetching it did not succeed")
				require.ErrorContains(t, err, test.want)
				entries, err := os.ReadDir(o.CacheDir)
				require.NoError(t, err)
				require.Empty(t, entries)
				require.NoFileExists(t, filepath.Join(filepath.Dir(o.CacheDir), "outside"))
			})
		}
	})

	t.Run("EndsWithItsContext", func(t *testing.T) {
		t.Parallel()

		asked := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		}))
		defer server.Close()
		o := fetching(t, &repository{Server: server})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { <-asked; cancel() }()
		_, err := embedded.StartPostgres(ctx, o)
		require.ErrorContains(t, err, "context canceled")
	})
}

// repository is a Maven repository with one artifact.
type repository struct {
	*httptest.Server
	jars atomic.Int64 // how often the jar was fetched
}

func serve(t *testing.T, files map[string][]byte) *repository {
	t.Helper()
	name := "embedded-postgres-binaries-" + embedded.Platform()
	path := fmt.Sprintf("/maven2/io/zonky/test/postgres/%s/%s/%s-%s.jar", name, embedded.FetchedVersion, name, embedded.FetchedVersion)
	r := &repository{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		extension, ours := strings.CutPrefix(request.URL.Path, path)
		content, ok := files[extension]
		if !ours || !ok {
			http.NotFound(w, request)
			return
		}
		if extension == "" {
			r.jars.Add(1)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content)
	}))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		r.Close()
	})
	return r
}

// fetching are the options of a machine without PostgreSQL.
func fetching(t *testing.T, r *repository) embedded.PostgresOptions {
	t.Helper()
	base := folder(t)
	o := options(filepath.Join(base, "postgres"))
	o.CacheDir, o.Repository = filepath.Join(base, "cache"), r.URL+"/maven2"
	o.OnlyIn(func(cache string) []string {
		found, err := filepath.Glob(filepath.Join(cache, "postgresql-*", "bin"))
		require.NoError(t, err)
		return found
	})
	return o
}

// programs are the content of an archive whose programs call this machine's PostgreSQL.
func programs(t *testing.T) map[string]string {
	t.Helper()
	real := start(t, options(filepath.Join(folder(t), "postgres"))).Bin()
	files := map[string]string{"share/readme": "text"}
	for _, name := range []string{"postgres", "initdb"} {
		path, err := exec.LookPath(filepath.Join(real, name))
		require.NoError(t, err)
		files["bin/"+name] = "#!/bin/sh\nexec '" + path + "' \"$@\"\n"
	}
	return files
}

func sum256(content []byte) []byte {
	sum := sha256.Sum256(content)
	return []byte(hex.EncodeToString(sum[:]))
}

// makeJar packs files as the real artifacts do: a tar, in an xz, in a zip.
func makeJar(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var plain bytes.Buffer
	archive := tar.NewWriter(&plain)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(files[name])), Mode: 0o755}))
		_, err := archive.Write([]byte(files[name]))
		require.NoError(t, err)
	}
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "lib/libpq.so.5", Linkname: "libpq.so.5.17"}))
	require.NoError(t, archive.Close())
	return makeZip(t, "postgres-linux-x86_64.txz", makeXZ(plain.Bytes()))
}

func makeZip(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var jar bytes.Buffer
	archive := zip.NewWriter(&jar)
	entry, err := archive.Create(name)
	require.NoError(t, err)
	_, err = entry.Write(content)
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	return jar.Bytes()
}

// makeXZ wraps content in the xz format without compressing it: https://tukaani.org/xz/xz-file-format.txt.
func makeXZ(content []byte) []byte {
	var out bytes.Buffer
	withCRC := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	padded := func(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }

	flags := []byte{0, 1} // blocks are checked by CRC32
	out.WriteString("\xFD7zXZ\x00")
	out.Write(binary.LittleEndian.AppendUint32(slices.Clone(flags), crc32.ChecksumIEEE(flags)))

	header := withCRC([]byte{2, 0, 0x21, 1, 0x16, 0, 0, 0}) // one filter: LZMA2, 8 MiB
	var data []byte
	for i, rest := 0, content; len(rest) > 0; i++ {
		n := min(len(rest), 1<<16)
		control := byte(2) // an uncompressed chunk; the first one resets the dictionary
		if i == 0 {
			control = 1
		}
		data = append(data, control, byte((n-1)>>8), byte(n-1))
		data = append(data, rest[:n]...)
		rest = rest[n:]
	}
	data = append(data, 0)
	unpadded := len(header) + len(data) + 4
	out.Write(header)
	out.Write(padded(data))
	out.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(content)))

	index := binary.AppendUvarint([]byte{0, 1}, uint64(unpadded))
	index = withCRC(padded(binary.AppendUvarint(index, uint64(len(content)))))
	out.Write(index)

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	out.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer)))
	out.Write(footer)
	out.WriteString("YZ")
	return out.Bytes()
}
