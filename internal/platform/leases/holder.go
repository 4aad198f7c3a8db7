package leases

import (
	"fmt"
	"os"

	"github.com/google/uuid"
)

// Holder makes up a name for this process that no other has: the machine and process id for people, and a random part.
func Holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8])
}
