package embedded

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CopyCluster copies the folder of a server that is stopped, and gives the copy to the user as whom a server would run on
// it. The copy appears under its name when it is whole.
func CopyCluster(from, to string) error {
	who, err := accountFor(to)
	if err != nil {
		return err
	}
	fresh := to + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear away an unfinished copy: %w", err)
	}
	err = filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(fresh, name)
		switch {
		case name == "postmaster.pid":
			return fmt.Errorf("a server runs on it (%s)", path)
		case name == logName || name == "postmaster.opts":
			return nil
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default:
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
		if err != nil {
			return err
		}
		return who.give(target)
	})
	if err == nil {
		err = os.Rename(fresh, to)
	}
	if err != nil {
		os.RemoveAll(fresh)
		return fmt.Errorf("copy the database in %s: %w", from, err)
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := target.ReadFrom(source); err != nil { // in the kernel, where it can
		target.Close()
		return err
	}
	return target.Close()
}
