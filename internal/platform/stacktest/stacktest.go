// Package stacktest gives tests the addresses of real engines that a test can't start by itself.
//
// A test without its engine is skipped with one line; where SHOP_REQUIRE_STACK is 1, as in CI, it fails instead.
package stacktest

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/gocql/gocql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Kafka returns the brokers in SHOP_TEST_KAFKA_BROKERS, which are separated by commas, and a prefix of the test's own, whose topics go with
// the test.
func Kafka(t testing.TB) (brokers []string, prefix string) {
	t.Helper()
	brokers, prefix = strings.Split(Address(t, "SHOP_TEST_KAFKA_BROKERS"), ","), "test-"+uuid.NewString()+"."
	t.Cleanup(func() {
		config := sarama.NewConfig()
		config.Version = sarama.V4_1_2_0
		config.Admin.Timeout = patience
		admin, err := sarama.NewClusterAdmin(brokers, config)
		require.NoError(t, err)
		defer func() { _ = admin.Close() }()
		topics, err := admin.ListTopics()
		require.NoError(t, err)
		for name := range topics {
			if strings.HasPrefix(name, prefix) {
				require.NoError(t, admin.DeleteTopic(name))
			}
		}
	})
	return brokers, prefix
}

// Redis returns the URL in SHOP_TEST_REDIS_URL.
func Redis(t testing.TB) string {
	t.Helper()
	return Address(t, "SHOP_TEST_REDIS_URL")
}

// Elasticsearch returns the URL in SHOP_TEST_ELASTICSEARCH_URL, and an alias of the test's own. The indexes whose names begin with the alias
// and a hyphen go with the test.
func Elasticsearch(t testing.TB) (url, alias string) {
	t.Helper()
	url, alias = Address(t, "SHOP_TEST_ELASTICSEARCH_URL"), "test-"+uuid.NewString()
	t.Cleanup(func() {
		request, err := http.NewRequest(http.MethodDelete, url+"/"+alias+"-*", nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	})
	return url, alias
}

// Blob returns the address in SHOP_TEST_BLOB_URL, of a bucket of S3, with a prefix of the test's own. The keys are in AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY.
func Blob(t testing.TB) string {
	t.Helper()
	return Address(t, "SHOP_TEST_BLOB_URL") + "&prefix=" + uuid.NewString() + "/"
}

// Cassandra returns the hosts in SHOP_TEST_CASSANDRA_HOSTS, which are separated by commas, and a keyspace of the test's own, which goes with it.
func Cassandra(t testing.TB) (hosts []string, keyspace string) {
	t.Helper()
	hosts = strings.Split(Address(t, "SHOP_TEST_CASSANDRA_HOSTS"), ",")
	keyspace = "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	t.Cleanup(func() {
		cluster := gocql.NewCluster(hosts...)
		cluster.Timeout, cluster.ConnectTimeout = patience, patience
		session, err := cluster.CreateSession()
		require.NoError(t, err)
		defer session.Close()
		require.NoError(t, session.Query(`DROP KEYSPACE IF EXISTS `+keyspace).Exec())
	})
	return hosts, keyspace
}

// patience is how long an engine may take to drop what a test had.
const patience = 20 * time.Second

// Chromium returns where the browser is installed.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	without(t, "Chromium is not installed")
	return ""
}

// Address returns the value of an environment variable that names an engine.
func Address(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		without(t, variable+" is not set")
	}
	return value
}

// without ends a test that lacks something.
func without(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("SHOP_REQUIRE_STACK") == "1" {
		t.Fatalf("%s, and SHOP_REQUIRE_STACK forbids to skip", what)
	}
	t.Skip(what)
}
