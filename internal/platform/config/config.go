// Package config is every setting of the shop in one struct. Each field is a flag and, under the same name, an environment
// variable: --database-url is SHOP_DATABASE_URL. What is left empty is embedded.
package config

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is read by kong; the tags are its flags, defaults and help.
type Config struct {
	Listen        string `default:"127.0.0.1:8080" help:"Address of the shop."`
	PrivateListen string `default:"127.0.0.1:8081" help:"Address of /metrics, and of the calls of the shop's other processes; never to be reached from outside. Empty: none."`
	PublicURL     string `help:"Address that shoppers see, such as https://shop.example. Default: http:// and the listening address."`
	DataDir       string `help:"Folder of everything embedded. Default: the user's data folder." type:"path"`
	TrustProxies  int    `help:"Proxies of ours in front of the shop whose X-Forwarded-For is believed. 0: none, the address is the connection's."`
	Demo          *bool  `negatable:"" help:"Seed a demo catalogue where there is none. Default: only into an embedded database."`
	DemoProducts  int    `default:"1000" help:"Products of the demo catalogue."`

	Modules     []string `default:"all" help:"Modules that this process hosts, such as coupons, or all,-coupons: -x takes one out. The others are reached at their own URL."`
	AccountsURL string   `name:"accounts-url" help:"Private address of the process that hosts accounts, where it is another one, such as http://10.0.0.7:8081."`
	PaymentsURL string   `name:"payments-url" help:"Private address of the process that hosts payments, where it is another one."`
	CouponsURL  string   `name:"coupons-url" help:"Private address of the process that hosts coupons, where it is another one."`
	RPCToken    string   `name:"rpc-token" help:"Secret that the shop's processes show each other on their private addresses. Empty: those must be loopback addresses."`

	AdminEmail    string `default:"admin@shop.local" help:"Email of the first admin."`
	AdminPassword string `help:"Password of the first admin. Default: a random one, printed once."`

	DatabaseURL         string `help:"PostgreSQL. Empty: embedded."`
	AccountsDatabaseURL string `help:"PostgreSQL of the module accounts. Empty: as database-url."`
	CatalogDatabaseURL  string `help:"PostgreSQL of the module catalog. Empty: as database-url."`
	OrderingDatabaseURL string `help:"PostgreSQL of the module ordering. Empty: as database-url."`
	PaymentsDatabaseURL string `help:"PostgreSQL of the module payments. Empty: as database-url."`
	CouponsDatabaseURL  string `help:"PostgreSQL of the module coupons. Empty: as database-url."`
	QueueDatabaseURL    string `help:"PostgreSQL of the module queue. Empty: as database-url."`
	DatabaseConns       int32  `default:"9" help:"Connections that each module may open; for their flights catalog and payments open up to four more, accounts and ordering three, coupons ten."`
	Migrate             bool   `default:"true" negatable:"" help:"Bring the schemas up to date at start."`
	PGBin               string `name:"pg-bin" help:"Folder of PostgreSQL's programs for the embedded server. Default: found, or fetched." type:"path"`

	RedisURL        string   `help:"Redis: carts, rate limits and the tree of categories. Empty: carts in PostgreSQL, the others in process."`
	KafkaBrokers    []string `help:"Kafka: the bus between the modules. Empty: a log in PostgreSQL."`
	KafkaPartitions int32    `default:"12" help:"Partitions of a topic that is made."`
	KafkaPrefix     string   `help:"Before the names of topics and groups, where several shops share the brokers."`
	BlobURL         string   `help:"Blobs, such as pictures: s3://bucket?region=ap-northeast-2, with AWS's keys in the environment, or file:///folder. Empty: a folder in the data folder."`

	CassandraHosts      []string `help:"Cassandra: where product details are read from. Empty: from the database."`
	CassandraKeyspace   string   `default:"shop" help:"Keyspace of the shop in Cassandra; it is made where there is none, unless --no-migrate."`
	CassandraDatacenter string   `default:"datacenter1" help:"Data centre of Cassandra whose nodes this process asks."`
	ElasticsearchURL    string   `name:"elasticsearch-url" help:"Elasticsearch: lists and search. Empty: an index in process."`
	ElasticsearchAlias  string   `default:"shop-products" help:"What lists are read from in Elasticsearch; the shop's indexes are named after it."`

	TossURL       string `help:"Toss Payments, or an emulator of it. Default: https://api.tosspayments.com with a secret key, the emulator within without one."`
	TossSecretKey string `help:"Secret key of Toss Payments. Empty: the emulator within takes the payments, and no money moves."`
	TossClientKey string `help:"Client key of Toss Payments."`

	OrderTTL           time.Duration `name:"order-ttl" default:"15m" help:"How long an order waits to be paid."`
	OrderTakeOver      time.Duration `default:"5s" help:"After how long a silence a repeated request finishes an order that another one began to place. Longer than any call between modules takes."`
	OrderRecoverAfter  time.Duration `default:"30s" help:"How old an order whose placing was broken off is when the shop itself finishes it, or gives it back."`
	SignInsPerAddress  int           `default:"60" help:"Sign-ins that one address may try in a minute."`
	SignInsPerAccount  int           `default:"10" help:"Sign-ins that one account may be tried for in a minute."`
	SignUpsPerAddress  int           `default:"20" help:"Sign-ups that one address may try in a minute."`
	DrainTimeout       time.Duration `default:"15s" help:"How long a stopping shop waits for requests that are being served."`
	LogFormat          string        `default:"auto" enum:"auto,json,text" help:"json (Elastic Common Schema), text, or auto: text on a terminal."`
	LogLevel           string        `default:"info" enum:"debug,info,warn,error" help:"Least level that is logged."`
	LogFile            string        `help:"File to log to. Default: standard error." type:"path"`
	OTLPEndpoint       string        `name:"otlp-endpoint" help:"OpenTelemetry collector (HTTP), such as http://127.0.0.1:4318. Empty: no traces are sent."`
	CORSAllowedOrigins []string      `name:"cors-allowed-origins" help:"Origins of browsers that may call the API from other sites. Empty: none."`
}

// Modules are the names of the shop's modules, each with a schema of its own.
var Modules = []string{"accounts", "catalog", "ordering", "payments", "coupons", "queue"}

// Hosted are the modules that this process hosts, in the order of [Modules]. Where nothing is said, and where the first word takes a
// module out, it begins with all of them.
func (c Config) Hosted() []string {
	hosts := map[string]bool{}
	all := func() {
		for _, m := range Modules {
			hosts[m] = true
		}
	}
	if len(c.Modules) == 0 || strings.HasPrefix(c.Modules[0], "-") {
		all()
	}
	for _, word := range c.Modules {
		name, out := strings.CutPrefix(word, "-")
		if word == "all" {
			all()
		} else {
			hosts[name] = !out
		}
	}
	return slices.DeleteFunc(slices.Clone(Modules), func(m string) bool { return !hosts[m] })
}

// Hosts tells whether this process hosts the module.
func (c Config) Hosts(module string) bool { return slices.Contains(c.Hosted(), module) }

// Split tells whether some modules are hosted by other processes.
func (c Config) Split() bool { return len(c.Hosted()) < len(Modules) }

// Elsewhere is the private address of the process that hosts the module, or "" where none is known.
func (c Config) Elsewhere(module string) string {
	return map[string]string{"accounts": c.AccountsURL, "payments": c.PaymentsURL, "coupons": c.CouponsURL}[module]
}

// checkModules refuses a split that cannot work.
func (c Config) checkModules() error {
	for _, word := range c.Modules {
		if name := strings.TrimPrefix(word, "-"); word != "all" && !slices.Contains(Modules, name) {
			return fmt.Errorf("modules: there is no module %q; there are %s", name, strings.Join(Modules, ", "))
		}
	}
	if len(c.Hosted()) == 0 {
		return fmt.Errorf("modules: none is left to be hosted")
	}
	for _, m := range Modules {
		u, err := url.Parse(c.Elsewhere(m))
		if c.Elsewhere(m) != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return fmt.Errorf("%s-url must be a URL such as http://10.0.0.7:8081", m)
		}
	}
	if !c.Split() {
		return nil
	}
	if len(c.KafkaBrokers) == 0 {
		return fmt.Errorf("modules in several processes need Kafka between them: set kafka-brokers, or host all modules here")
	}
	if c.PrivateListen == "" {
		return fmt.Errorf("modules in several processes call each other on their private addresses: set private-listen")
	}
	host, _, err := net.SplitHostPort(c.PrivateListen)
	if ip := net.ParseIP(host); c.RPCToken == "" && host != "localhost" && (err != nil || ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("modules in several processes show each other a secret, unless private-listen is an address of this machine alone: set rpc-token")
	}
	return nil
}

// ModuleDatabaseURLs are the modules hosted here that have a database of their own.
func (c Config) ModuleDatabaseURLs() map[string]string {
	urls := map[string]string{}
	for module, u := range map[string]string{
		"accounts": c.AccountsDatabaseURL,
		"catalog":  c.CatalogDatabaseURL,
		"ordering": c.OrderingDatabaseURL,
		"payments": c.PaymentsDatabaseURL,
		"coupons":  c.CouponsDatabaseURL,
		"queue":    c.QueueDatabaseURL,
	} {
		if u != "" && u != c.DatabaseURL && c.Hosts(module) {
			urls[module] = u
		}
	}
	return urls
}

// Blobs is the address of the blob store. "": nowhere, as there is no data folder.
func (c Config) Blobs() string {
	if c.BlobURL != "" || c.DataDir == "" {
		return c.BlobURL
	}
	return (&url.URL{Scheme: "file", Path: path.Join("/", filepath.ToSlash(c.DataDir), "blobs")}).String()
}

// BaseURL is the address that shoppers see, without a slash at the end.
func (c Config) BaseURL() string {
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "http://" + c.Listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Check refuses settings that do not go together, before anything is started.
func (c Config) Check() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %q is not an address such as 127.0.0.1:8080", c.Listen)
	}
	if err := c.checkModules(); err != nil {
		return err
	}
	if len(c.KafkaBrokers) == 0 && len(c.ModuleDatabaseURLs()) > 0 {
		return fmt.Errorf("modules with databases of their own need Kafka between them: set kafka-brokers, or leave the modules' database addresses empty")
	}
	if c.DatabaseURL == "" && len(c.ModuleDatabaseURLs()) > 0 {
		return fmt.Errorf("database-url is needed beside a module's own database address")
	}
	for name, v := range map[string]string{"database-url": c.DatabaseURL, "redis-url": c.RedisURL, "elasticsearch-url": c.ElasticsearchURL, "toss-url": c.TossURL, "public-url": c.PublicURL, "otlp-endpoint": c.OTLPEndpoint} {
		if v == "" {
			continue
		}
		if u, err := url.Parse(v); err != nil || u.Scheme == "" {
			return fmt.Errorf("%s is not a URL", name) // the value may hold a password: it is not repeated
		}
	}
	if u, err := url.Parse(c.BlobURL); c.BlobURL != "" && (err != nil || u.Scheme != "s3" && u.Scheme != "file") {
		return fmt.Errorf("blob-url begins with s3:// or file://")
	}
	if c.DatabaseConns < 2 {
		return fmt.Errorf("database-conns must be at least 2")
	}
	if c.OrderTTL < time.Second {
		return fmt.Errorf("order-ttl must be at least a second")
	}
	if c.OrderTakeOver < 100*time.Millisecond {
		return fmt.Errorf("order-take-over must be at least 100ms")
	}
	if c.OrderRecoverAfter < c.OrderTakeOver {
		return fmt.Errorf("order-recover-after must not be shorter than order-take-over: who is placing an order is left alone for that long")
	}
	return nil
}
