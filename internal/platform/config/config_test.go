package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/config"
)

func parse(t *testing.T, args ...string) config.Config {
	t.Helper()
	var c config.Config
	k, err := kong.New(&c, kong.DefaultEnvars("SHOP"))
	require.NoError(t, err)
	_, err = k.Parse(args)
	require.NoError(t, err)
	return c
}

func TestConfig(t *testing.T) {
	t.Run("NothingSetIsSound", func(t *testing.T) {
		c := parse(t)
		require.NoError(t, c.Check())
		require.Equal(t, "http://127.0.0.1:8080", c.BaseURL())
		require.Nil(t, c.Demo)
	})

	t.Run("TheEnvironmentNamesAreTheFlags", func(t *testing.T) {
		t.Setenv("SHOP_DATABASE_URL", "postgres://h/d")
		t.Setenv("SHOP_KAFKA_BROKERS", "a:1,b:2")
		t.Setenv("SHOP_DEMO", "false")
		c := parse(t, "--listen=:9999")
		require.Equal(t, "postgres://h/d", c.DatabaseURL)
		require.Equal(t, []string{"a:1", "b:2"}, c.KafkaBrokers)
		require.False(t, *c.Demo)
		require.Equal(t, "http://127.0.0.1:9999", c.BaseURL())
	})

	t.Run("RefusesWhatDoesNotGoTogether", func(t *testing.T) {
		for name, args := range map[string][]string{
			"own database without Kafka": {"--database-url=postgres://h/d", "--coupons-database-url=postgres://h/c"},
			"own database without one":   {"--kafka-brokers=a:1", "--coupons-database-url=postgres://h/c"},
			"no address":                 {"--listen=8080"},
			"no URL":                     {"--database-url=somewhere"},
			"one connection":             {"--database-conns=1"},
			"no time to pay":             {"--order-ttl=1ms"},
			"no time to answer":          {"--order-take-over=1ms"},
			"recovered while placed":     {"--order-recover-after=4s"},
			"a module that is none":      {"--modules=coupon"},
			"no module":                  {"--modules=coupons,-coupons"},
			"split without Kafka":        {"--modules=all,-coupons"},
			"split without an address":   {"--modules=all,-coupons", "--kafka-brokers=a:1", "--private-listen="},
			"elsewhere is no URL":        {"--coupons-url=10.0.0.7:8081"},
		} {
			require.Error(t, parse(t, args...).Check(), name)
		}
		require.NotContains(t, parse(t, "--database-url=:secret@").Check().Error(), "secret")
	})

	t.Run("HostsWhatIsSaid", func(t *testing.T) {
		for said, want := range map[string]string{
			"":                       "accounts catalog ordering payments coupons queue",
			"all":                    "accounts catalog ordering payments coupons queue",
			"all,-coupons":           "accounts catalog ordering payments queue",
			"-coupons,-payments":     "accounts catalog ordering queue",
			"coupons":                "coupons",
			"queue,coupons":          "coupons queue",
			"coupons,all,-catalog":   "accounts ordering payments coupons queue",
			"all,-coupons,coupons":   "accounts catalog ordering payments coupons queue",
			"coupons,-coupons,queue": "queue",
		} {
			t.Setenv("SHOP_MODULES", said)
			c := parse(t, "--kafka-brokers=a:1")
			require.NoError(t, c.Check(), said)
			require.Equal(t, want, strings.Join(c.Hosted(), " "), said)
			require.Equal(t, len(c.Hosted()) < len(config.Modules), c.Split(), said)
		}
	})

	t.Run("ADatabaseOfWhatIsHostedElsewhereIsNotOurs", func(t *testing.T) {
		c := parse(t, "--database-url=postgres://h/d", "--coupons-database-url=postgres://h/c", "--queue-database-url=postgres://h/q", "--modules=-coupons", "--kafka-brokers=a:1")
		require.Equal(t, map[string]string{"queue": "postgres://h/q"}, c.ModuleDatabaseURLs())
	})

	t.Run("EachModuleHasADatabaseAddress", func(t *testing.T) {
		for _, m := range config.Modules {
			_, ok := reflect.TypeFor[config.Config]().FieldByName(strings.ToUpper(m[:1]) + m[1:] + "DatabaseURL")
			require.True(t, ok, m)
		}
	})
}
