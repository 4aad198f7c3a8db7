// Package stacktest gives tests the addresses of real engines that a test can't start by itself.
//
// A test without its engine is skipped with one line; where SHOP_REQUIRE_STACK is 1, as in CI, it fails instead.
package stacktest

import (
	"os"
	"strings"
	"testing"
)

// Kafka returns the brokers in SHOP_TEST_KAFKA_BROKERS, which are separated by commas.
func Kafka(t testing.TB) []string {
	t.Helper()
	return strings.Split(Address(t, "SHOP_TEST_KAFKA_BROKERS"), ",")
}

// Redis returns the URL in SHOP_TEST_REDIS_URL.
func Redis(t testing.TB) string {
	t.Helper()
	return Address(t, "SHOP_TEST_REDIS_URL")
}

// Address returns the value of an environment variable that names an engine.
func Address(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	switch {
	case value != "":
	case os.Getenv("SHOP_REQUIRE_STACK") == "1":
		t.Fatalf("%s is not set, and SHOP_REQUIRE_STACK forbids to skip", variable)
	default:
		t.Skipf("%s is not set", variable)
	}
	return value
}
