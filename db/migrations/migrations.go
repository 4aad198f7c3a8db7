// Package migrations holds the shop's schemas, one module's change in each file, forward only.
//
// A file is named NNNN_<module>_<change>.sql and touches the schema of that module alone, because each schema keeps its
// own version table and may live in a database of its own.
package migrations

import "embed"

// FS is every migration.
//
//go:embed *.sql
var FS embed.FS
