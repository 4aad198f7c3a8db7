package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/redis"
	"github.com/sasapick/shop/internal/platform/rpc"
)

type doctorCommand struct{}

// finding is what the doctor says of a part.
type finding struct {
	part, address, version string
	err                    error
}

// Run looks at each part by itself, so that one that is away hides none of the others. It ends with 1 if any is.
func (doctorCommand) Run(c config.Config) error {
	ctx, stop := interruptible()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	var found []finding
	g, err := openGround(ctx, c, true)
	switch {
	case err != nil && c.DatabaseURL == "":
		found = append(found, finding{part: "database", address: "embedded", err: err})
	case err != nil:
		return err
	default:
		defer g.close()
		c = g.config
		version, err := postgresVersion(ctx, c.DatabaseURL)
		address := redacted(c.DatabaseURL)
		if g.died != nil || g.attached {
			address = "embedded, " + c.DataDir
		}
		found = append(found, finding{"database", address, version, err})
	}
	for module, url := range c.ModuleDatabaseURLs() {
		version, err := postgresVersion(ctx, url)
		found = append(found, finding{"database of " + module, redacted(url), version, err})
	}
	if len(c.KafkaBrokers) > 0 {
		version, err := kafkaVersion(c.KafkaBrokers)
		found = append(found, finding{"bus", strings.Join(c.KafkaBrokers, ", "), version, err})
	} else {
		found = append(found, finding{part: "bus", address: "embedded", version: "a log in the database"})
	}
	if c.RedisURL != "" {
		version, err := redisVersion(ctx, c.RedisURL)
		found = append(found, finding{"carts, limits, lines", redacted(c.RedisURL), version, err})
	} else {
		found = append(found, finding{part: "carts, limits, lines", address: "embedded", version: "in the database; limits and lines in process"})
	}
	if c.Hosts("catalog") {
		found = append(found, catalogParts(ctx, c)...)
		found = append(found, blobsFound(ctx, c))
	}
	switch {
	case !c.Hosts("payments"):
	case c.TossSecretKey == "" && c.TossURL == "":
		found = append(found, finding{part: "payments", address: "embedded", version: "the Toss emulator: no money moves"})
	default:
		found = append(found, finding{part: "payments", address: either(c.TossURL != "", redacted(c.TossURL), "https://api.tosspayments.com"), version: "Toss Payments, not asked"})
	}
	elsewhere, err := modulesElsewhere(ctx, c)
	if err != nil {
		return err
	}
	return report(append(found, elsewhere...))
}

func blobsFound(ctx context.Context, c config.Config) finding {
	f := finding{part: "blobs", address: either(c.BlobURL != "", redacted(c.BlobURL), "embedded, "+c.DataDir), version: "a folder"}
	if strings.HasPrefix(c.BlobURL, "s3:") {
		f.version = "S3"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	store, err := blob.Open(ctx, c.Blobs())
	if err != nil {
		f.err = err
		return f
	}
	defer func() { _ = store.Close() }()
	f.err = store.Check(ctx)
	return f
}

// catalogParts are what details and lists are read from.
func catalogParts(ctx context.Context, c config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	details := finding{part: "details", address: "embedded", version: "in the database"}
	if len(c.CassandraHosts) > 0 {
		details.address = strings.Join(c.CassandraHosts, ", ")
		details.version, details.err = catalogfx.CassandraVersion(ctx, c)
	}
	search := finding{part: "search", address: "embedded", version: "an index in memory"}
	if c.ElasticsearchURL != "" {
		search.address = redacted(c.ElasticsearchURL)
		search.version, search.err = catalogfx.ElasticsearchVersion(ctx, c)
	}
	return []finding{details, search}
}

// modulesElsewhere asks the other processes whether they host what they should.
func modulesElsewhere(ctx context.Context, c config.Config) (found []finding, err error) {
	if !c.Split() {
		return nil, nil
	}
	found = append(found, finding{part: "modules", address: "this process", version: strings.Join(c.Hosted(), ", ")})
	for _, m := range (&ground{config: c}).away() {
		client, err := rpc.NewClient(c.Elsewhere(m), c.RPCToken, nil)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		found = append(found, finding{"module " + m, redacted(c.Elsewhere(m)), "in another process", client.Check(asking, m)})
		cancel()
	}
	return found, nil
}

func report(found []finding) error {
	var down []string
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tSTATE\tVERSION\tADDRESS")
	for _, f := range found {
		state := "up"
		if f.err != nil {
			state = "down"
			down = append(down, f.part)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.part, state, f.version, f.address)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, f := range found {
		if f.err != nil {
			fmt.Printf("\n%s: %v\n", f.part, f.err)
		}
	}
	if len(down) > 0 {
		return errors.New("down: " + strings.Join(down, ", "))
	}
	return nil
}

func postgresVersion(ctx context.Context, url string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", fmt.Errorf("reach PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version')`).Scan(&version); err != nil {
		return "", fmt.Errorf("ask PostgreSQL: %w", err)
	}
	number, _, _ := strings.Cut(version, " ")
	return "PostgreSQL " + number, nil
}

func redisVersion(ctx context.Context, url string) (string, error) {
	client, err := redis.Open(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "server", "memory").Result()
	if err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	told := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		told[name] = value
	}
	return "Redis " + told["redis_version"], errors.Join(newEnough(told["redis_version"]), forgetsNothing(told["maxmemory"], told["maxmemory_policy"]))
}

// newEnough refuses a Redis that keeps its scripts when it begins anew: the waiting room would not know that it has.
func newEnough(version string) error {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("the waiting room needs Redis 7, and this is %q", version)
	}
	return nil
}

// forgetsNothing refuses a Redis that makes room for what is new by dropping what it has: carts, or who is in a room.
func forgetsNothing(most, policy string) error {
	if most == "0" || policy == "noeviction" {
		return nil
	}
	return fmt.Errorf("carts and waiting rooms need the maxmemory-policy noeviction, and this is %q", policy)
}

func kafkaVersion(brokers []string) (string, error) {
	settings := sarama.NewConfig()
	settings.Net.DialTimeout = 3 * time.Second
	settings.Metadata.Retry.Max = 1
	client, err := sarama.NewClient(brokers, settings)
	if err != nil {
		return "", fmt.Errorf("reach Kafka: %w", err)
	}
	defer func() { _ = client.Close() }()
	return fmt.Sprintf("Kafka, %d broker(s)", len(client.Brokers())), nil
}
