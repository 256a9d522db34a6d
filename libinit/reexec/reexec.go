// Package reexec makes the program init where it was executed as that. This happens when the package is initialised: before
// most of what only the command line needs is, and on the main thread.
package reexec

import (
	"os"

	"mydocker/internal/entry"
	"mydocker/libinit"
)

func init() {
	if os.Args[0] == libinit.Name {
		entry.Settle()
		os.Exit(libinit.Main(os.Args))
	}
}
