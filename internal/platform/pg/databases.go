package pg

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Platform is the name under which the platform's own schema and pool are known.
const Platform = "platform"

// Databases holds a pool for each module, so that a module that is slow exhausts its own connections only.
type Databases struct {
	pools map[string]*pgxpool.Pool
	urls  map[string]string
}

// OpenAll opens a pool for the platform and for each module. A module whose name is in overrides lives in the database of
// that URL, every other one in base. URL and Name of the template are not used.
func OpenAll(ctx context.Context, base string, overrides map[string]string, modules []string, template Config) (*Databases, error) {
	d := &Databases{pools: map[string]*pgxpool.Pool{}, urls: map[string]string{}}
	for _, module := range append([]string{Platform}, modules...) {
		if d.pools[module] != nil {
			continue
		}
		c := template
		c.Name, c.URL = module, cmp.Or(overrides[module], base)
		pool, err := Open(ctx, c)
		if err != nil {
			d.Close()
			return nil, err
		}
		d.pools[module], d.urls[module] = pool, c.URL
	}
	return d, nil
}

// MigrateAll brings every database up to date: each gets the schemas of the modules that live in it, and the platform's.
func MigrateAll(ctx context.Context, base string, overrides map[string]string, modules []string) error {
	schemas := map[string][]string{base: {Platform}}
	for _, module := range modules {
		address := cmp.Or(overrides[module], base)
		schemas[address] = append(schemas[address], module)
	}
	for address, names := range schemas {
		if err := Migrate(ctx, address, names...); err != nil {
			return err
		}
	}
	return nil
}

// Pool is the module's pool. It panics for a module that was not opened: that is a mistake in the wiring.
func (d *Databases) Pool(module string) *pgxpool.Pool {
	pool, ok := d.pools[module]
	if !ok {
		panic(fmt.Sprintf("pg: no database was opened for module %q", module))
	}
	return pool
}

// URL is the address of the module's database.
func (d *Databases) URL(module string) string { return d.urls[module] }

// Modules are the names that have a pool, in order.
func (d *Databases) Modules() []string {
	var names []string
	for name := range d.pools {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Shared says whether all of the modules live in the platform's database. Addresses that name one server in two ways
// (localhost, 127.0.0.1) count as two.
func (d *Databases) Shared() bool {
	for _, address := range d.urls {
		if place(address) != place(d.urls[Platform]) {
			return false
		}
	}
	return true
}

// Close closes every pool, and waits for the connections that are in use.
func (d *Databases) Close() {
	for _, pool := range d.pools {
		pool.Close()
	}
}

// place is what makes two addresses the same database, whatever user and settings they carry.
func place(address string) string {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return address
	}
	return fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
}

// sized says whether the URL itself gives the pool's size.
func sized(address string) bool {
	if u, err := url.Parse(address); err == nil && u.Scheme != "" {
		return u.Query().Has("pool_max_conns")
	}
	return strings.Contains(address, "pool_max_conns")
}
