package pg

// MigrateFiles is Migrate with other files.
var MigrateFiles = migrate

// MigrationLock is the advisory lock of whoever migrates.
const MigrationLock = migrationLock
