//go:build !linux

package pgtest

// parentFolder is where the server's folder is made; "" means the usual temporary folder.
func parentFolder() string { return "" }
