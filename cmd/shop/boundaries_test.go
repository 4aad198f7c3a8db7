package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/config"
)

const root = "github.com/sasapick/shop/"

// forTests says whether only tests may use a package: our own of that kind end in "test", as those of the standard library do.
func forTests(path string) bool {
	return path == "testing" || path == "pgregory.net/rapid" || path == "go.uber.org/goleak" ||
		strings.HasPrefix(path, "github.com/stretchr/testify/") || strings.HasPrefix(path, root) && strings.HasSuffix(path, "test")
}

// Adapters are named by their technology.
var adapters = []string{"cassandra", "elastic", "emulator", "memory", "postgres", "redis", "remote", "s3", "toss"}

// broken returns the rule of ARCHITECTURE.md that an import breaks, or "". That a module's internal packages are its own is
// kept by the compiler.
func broken(importer, imported string) string {
	from, to := strings.TrimPrefix(importer, root), strings.TrimPrefix(imported, root)
	fromModule, toModule := module(from), module(to)
	switch {
	case fromModule != "" && from == "internal/"+fromModule && !standard(imported) &&
		imported != "github.com/google/uuid" && to != "internal/platform/fault":
		return "a contract imports the standard library, uuid and fault only"
	case strings.HasPrefix(from, "internal/platform/") && toModule != "":
		return "the platform knows no module"
	case strings.HasPrefix(imported, "go.uber.org/fx") && !strings.HasPrefix(from, "cmd/shop") && !strings.HasSuffix(from, "fx"):
		return "fx stays in cmd/shop and in packages that end in fx"
	case fromModule != "" && toModule != "" && fromModule != toModule && to != "internal/"+toModule:
		return "a module knows the contracts of others, nothing else"
	case fromModule != "" && strings.HasSuffix(to, "fx") && strings.HasPrefix(to, "internal/") && !strings.HasSuffix(from, "fx"):
		return "an implementation knows no wiring"
	case fromModule != "" && from == "internal/"+fromModule+"/internal/app" &&
		slices.Contains(adapters, strings.TrimPrefix(to, "internal/"+fromModule+"/internal/")):
		return "the application knows its ports, not the adapters"
	case strings.HasPrefix(from, "internal/") && strings.HasPrefix(to, "cmd/"):
		return "nothing knows the command"
	case forTests(imported) && !forTests(importer):
		return "test helpers stay out of the binary"
	}
	return ""
}

// module is the bounded context that a path of the repository belongs to, or "".
func module(path string) string {
	for _, m := range config.Modules {
		if path == "internal/"+m || strings.HasPrefix(path, "internal/"+m+"/") {
			return m
		}
	}
	return ""
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func TestBoundaries(t *testing.T) {
	t.Run("HoldInTheTree", func(t *testing.T) {
		packages := list(t)
		for _, p := range packages {
			for _, imported := range p.Imports {
				if rule := broken(p.ImportPath, imported); rule != "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, rule)
				}
			}
		}
		for _, m := range config.Modules {
			require.True(t, slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == root+"internal/"+m }), "no contract of %s", m)
			require.True(t, slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == root+"internal/"+m+"/"+m+"fx" }), "no wiring of %s", m)
		}
		for _, p := range packages {
			path := strings.TrimPrefix(p.ImportPath, root)
			if strings.HasPrefix(path, "internal/") && !strings.HasPrefix(path, "internal/platform/") {
				require.NotEmpty(t, module(path), "%s belongs to no module of config.Modules, so no rule watches it", path)
			}
		}
	})

	// A rule that cannot fail keeps nothing.
	t.Run("EachRuleCanBreak", func(t *testing.T) {
		for _, c := range []struct{ importer, imported, rule string }{
			{"internal/coupons", "github.com/jackc/pgx/v5", "a contract imports"},
			{"internal/coupons", root + "internal/ordering", "a contract imports"},
			{"internal/platform/bus", root + "internal/ordering", "the platform knows no module"},
			{"internal/coupons/internal/app", "go.uber.org/fx", "fx stays"},
			{"internal/ordering/internal/app", root + "internal/coupons/internal/db", "a module knows the contracts"},
			{"internal/ordering/internal/app", root + "internal/coupons/couponsfx", "a module knows the contracts"},
			{"internal/ordering/internal/app", root + "internal/ordering/orderingfx", "an implementation knows no wiring"},
			{"internal/ordering/internal/app", root + "internal/platform/platformfx", "an implementation knows no wiring"},
			{"internal/catalog/internal/app", root + "internal/catalog/internal/memory", "the application knows its ports"},
			{"internal/platform/web", root + "cmd/shop", "nothing knows the command"},
			{"internal/catalog/internal/app", "github.com/stretchr/testify/require", "test helpers"},
			{"internal/catalog/internal/app", root + "internal/platform/pgtest", "test helpers"},
		} {
			require.Contains(t, broken(root+c.importer, c.imported), c.rule, "%s imports %s", c.importer, c.imported)
		}
		require.Empty(t, broken(root+"internal/ordering/internal/app", root+"internal/coupons"))
		require.Empty(t, broken(root+"internal/ordering/orderingfx", root+"internal/platform/platformfx"))
		require.Empty(t, broken(root+"internal/coupons/couponsfx", "go.uber.org/fx"))
	})
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else {
			require.NoError(t, err)
		}
		packages = append(packages, p)
	}
}
