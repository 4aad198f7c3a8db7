package pgtest

// removeAtExit has no way to remove the folder of a process that was killed; the system clears its temporary files.
func removeAtExit(string) (release func(), err error) { return func() {}, nil }
