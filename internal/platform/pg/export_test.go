package pg

// MigrateFiles is Migrate with other files.
var MigrateFiles = migrate

// MigrationLock is the advisory lock of whoever migrates.
const MigrationLock = migrationLock

// PlannedAt is where a connection notes when its plans were discarded.
const PlannedAt = plannedAt
