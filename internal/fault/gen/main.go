// gen writes docs/errors.md from the comments of the codes and phases of package fault.
package main

import (
	"fmt"
	"os"

	"mydocker/internal/fault/document"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	text, err := document.Errors(".")
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
