// Package failpoint marks the instants at which a process may die without anything being lost, so that a test can make it die
// there.
//
// A point is declared where it stands, as a variable of its package, and named <module>.<operation>.<moment>:
//
//	var reserved = failpoint.New("ordering.place.reserved")
//	…
//	reserved.Hit()
//
// Without the build tag "failpoints" a point is an empty struct and Hit is nothing. With it, SHOP_FAILPOINT=name=action[@n] arms one
// point: on its n-th hit (default: the first) the process does to itself what kill -9 (kill) or SIGSTOP (stop) would do.
package failpoint
