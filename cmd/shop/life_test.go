package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs the command with the settings of a process, to its end.
func (p *process) run(args ...string) (output string, code int) {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	cmd := exec.CommandContext(p.t.Context(), path, args...)
	cmd.Env = p.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.IsType(p.t, &exec.ExitError{}, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestLife is the life of the one binary on one data folder. original 56: nothing told whether a service was well, and none was stopped gently.
func TestLife(t *testing.T) {
	t.Parallel()
	p := newProcess(t, map[string]string{"SHOP_DEMO_PRODUCTS": "10"})
	admin := p.signIn("admin@shop.test", adminPassword)

	t.Run("TheBannerTellsWhatThereIs", func(t *testing.T) {
		for _, part := range []string{p.base + "/docs", p.base + "/admin", "PostgreSQL", "embedded", "the Toss emulator", p.env["SHOP_DATA_DIR"]} {
			require.Contains(t, p.log.String(), part)
		}
		require.NotContains(t, p.log.String(), adminPassword, "a password that was given is not shown")
	})

	t.Run("ASecondShopOnTheFolderIsRefusedInASentence", func(t *testing.T) {
		out, code := p.run("--listen=127.0.0.1:0")
		require.Equal(t, 1, code)
		require.Regexp(t, `^shop: another shop \(process \d+\) is using the data folder \S+: [^\n]+\n$`, out)
	})

	t.Run("ATakenAddressIsNamed", func(t *testing.T) {
		out, code := p.run("--data-dir="+openDir(t), "--listen="+strings.TrimPrefix(p.base, "http://"))
		require.Equal(t, 1, code)
		require.Contains(t, out, "is taken by another program")
	})

	t.Run("AdminsAreMadeWhileItRuns", func(t *testing.T) {
		out, code := p.run("admin", "create", "second@shop.test", "--password=a long password")
		require.Equal(t, 0, code, out)
		p.signIn("second@shop.test", "a long password").want(200, "GET", "/admin/orders", nil)

		out, code = p.run("admin", "reset-password", "second@shop.test", "--password=another password")
		require.Equal(t, 0, code, out)
		require.Equal(t, 401, client{p: p}.send("POST", "/v1/sessions", map[string]any{"email": "second@shop.test", "password": "a long password"}).Status)
		p.signIn("second@shop.test", "another password")
	})

	t.Run("TheDoctorSeesItsParts", func(t *testing.T) {
		out, code := p.run("doctor")
		require.Equal(t, 0, code, out)
		for _, part := range []string{"database", "bus", "carts", "search", "payments"} {
			require.Contains(t, out, part)
		}
		out, code = p.run("doctor", "--redis-url=redis://:hidden@127.0.0.1:1/0", "--kafka-brokers=127.0.0.1:1")
		require.Equal(t, 1, code)
		require.Contains(t, out, "down")
		require.NotContains(t, out, "hidden")
	})

	t.Run("SeedingAgainChangesNothing", func(t *testing.T) {
		first := admin.want(200, "GET", "/admin/products?limit=100", nil).Body["items"].([]any)
		require.Len(t, first, 10)
		out, code := p.run("seed", "--products=10")
		require.Equal(t, 0, code, out)
		require.Equal(t, first, admin.want(200, "GET", "/admin/products?limit=100", nil).Body["items"])
	})

	t.Run("ItDoesNotResetWhileItRuns", func(t *testing.T) {
		out, code := p.run("reset", "--yes")
		require.Equal(t, 1, code)
		require.Contains(t, out, "is using the data folder")
		require.DirExists(t, filepath.Join(p.env["SHOP_DATA_DIR"], "postgres"))
	})

	t.Run("ItStopsByASignalAndKeepsItsData", func(t *testing.T) {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		<-p.done
		require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.log.String())
		p.start()
		p.signIn("second@shop.test", "another password")
	})

	t.Run("AKilledShopStartsAgain", func(t *testing.T) {
		for range 3 {
			p.kill()
			p.start()
		}
		p.signIn("second@shop.test", "another password")
	})

	t.Run("ResetBeginsAgain", func(t *testing.T) {
		p.kill()
		mine := filepath.Join(p.env["SHOP_DATA_DIR"], "mine.txt")
		require.NoError(t, os.WriteFile(mine, nil, 0o600))
		out, code := p.run("reset", "--yes")
		require.Equal(t, 0, code, out)
		require.FileExists(t, mine, "only what the shop made is removed")
		require.NoDirExists(t, filepath.Join(p.env["SHOP_DATA_DIR"], "postgres"))
		p.start()
		require.Equal(t, 401, client{p: p}.send("POST", "/v1/sessions", map[string]any{"email": "second@shop.test", "password": "another password"}).Status)
	})

	t.Run("TheLogIsElasticCommonSchema", func(t *testing.T) {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM)) // who is killed may not have written it
		<-p.done
		for line := range strings.Lines(p.log.String()) {
			if !strings.HasPrefix(line, "{") {
				continue
			}
			var fields map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
			for _, name := range []string{"@timestamp", "log.level", "message", "service.name", "ecs.version"} {
				require.Contains(t, fields, name)
			}
			return
		}
		require.Fail(t, "nothing was logged")
	})
}

func TestNewEnough(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"7.0.15": true, "7.4.1": true, "10.0.0": true, "6.2.14": false, "": false} {
		require.Equal(t, ok, newEnough(version) == nil, version)
	}
}

func TestForgetsNothing(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		most, policy string
		ok           bool
	}{
		{"0", "noeviction", true}, {"0", "allkeys-lru", true}, {"268435456", "noeviction", true}, {"268435456", "volatile-lru", false}, {"268435456", "allkeys-lru", false}, {"", "", false},
	} {
		require.Equal(t, of.ok, forgetsNothing(of.most, of.policy) == nil, of)
	}
}
