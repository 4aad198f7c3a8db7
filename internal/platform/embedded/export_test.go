//go:build unix

package embedded

// OverTCP makes the server listen on loopback with a password, as it does on Windows.
func (o *PostgresOptions) OverTCP() { o.tcp = true }

// OnlyIn hides the system's own PostgreSQL.
func (o *PostgresOptions) OnlyIn(search func(cache string) []string) { o.search = search }

// PID is the server's process.
func (p *Postgres) PID() int { return p.process.cmd.Process.Pid }

// SocketDir is the folder of the server's socket.
func (p *Postgres) SocketDir() string { return p.server.socket }

// FetchedVersion is what is fetched where nothing else says.
var FetchedVersion = fetchable[defaultMajor]

var (
	Platform = platform
	Watch    = watch
)
