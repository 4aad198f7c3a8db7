package main

import (
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/config"
)

// compose.yaml and compose.env name settings that exist, and engines that the file itself brings.
func TestCompose(t *testing.T) {
	file, err := os.ReadFile("../../compose.yaml")
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: "../..", ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: file}}, Environment: types.Mapping{},
	}, func(o *loader.Options) { o.Profiles = []string{"*"} })
	require.NoError(t, err)

	settings := defaults(t)
	inside := map[string]string{} // as a container sees it
	for name, value := range project.Services["shop"].Environment {
		require.Contains(t, settings, name)
		inside[name] = *value
	}
	outside := map[string]string{} // as this machine sees it
	env, err := os.ReadFile("../../compose.env")
	require.NoError(t, err)
	for line := range strings.Lines(string(env)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		require.True(t, ok, line)
		require.Contains(t, settings, name)
		outside[name] = value
	}

	t.Run("EveryServiceHasAHealthCheck", func(t *testing.T) {
		for name, s := range project.Services {
			require.NotNil(t, s.HealthCheck, name)
			require.NotEmpty(t, s.HealthCheck.Test, name)
		}
	})

	t.Run("NothingListensBeyondTheMachine", func(t *testing.T) {
		for name, s := range project.Services {
			for _, p := range s.Ports {
				require.Equal(t, "127.0.0.1", p.HostIP, name)
			}
		}
	})

	t.Run("EveryAddressIsAService", func(t *testing.T) {
		for _, name := range []string{"SHOP_DATABASE_URL", "SHOP_REDIS_URL", "SHOP_KAFKA_BROKERS", "SHOP_CASSANDRA_HOSTS", "SHOP_ELASTICSEARCH_URL"} {
			host, _ := hostPort(t, inside[name])
			require.Contains(t, project.Services, host, name)
			require.Contains(t, project.Services["shop"].DependsOn, host, name)
			outsideHost, port := hostPort(t, outside[name])
			require.Equal(t, "127.0.0.1", outsideHost, name)
			published := false
			for _, p := range project.Services[host].Ports {
				published = published || p.Published == port
			}
			require.True(t, published, "%s: port %s of %s is not published", name, port, host)
		}
	})

	t.Run("PasswordsAgree", func(t *testing.T) {
		postgres := project.Services["postgres"].Environment
		for _, address := range []string{inside["SHOP_DATABASE_URL"], outside["SHOP_DATABASE_URL"]} {
			u, err := url.Parse(address)
			require.NoError(t, err)
			password, _ := u.User.Password()
			require.Equal(t, *postgres["POSTGRES_USER"], u.User.Username())
			require.Equal(t, *postgres["POSTGRES_PASSWORD"], password)
			require.Equal(t, "/"+*postgres["POSTGRES_DB"], u.Path)
		}
	})
}

// defaults are the environment variables that the shop reads, and what each is when it is not set.
func defaults(t *testing.T) map[string]string {
	t.Helper()
	var c config.Config
	k, err := kong.New(&c, kong.DefaultEnvars("SHOP"))
	require.NoError(t, err)
	defaults := map[string]string{}
	for _, group := range k.Model.AllFlags(false) {
		for _, flag := range group {
			for _, name := range flag.Envs {
				defaults[name] = flag.Default
			}
		}
	}
	return defaults
}

// hostPort is the host and port of an address, with or without a scheme.
func hostPort(t *testing.T, address string) (host, port string) {
	t.Helper()
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Hostname(), u.Port()
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return host, port
}
