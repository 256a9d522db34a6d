// Draw makes the pictures of the README from what mydocker prints: a trace (--trace) as bars along the time, and an
// explanation (explain --format json) as boxes in boxes.
//
//	go run ./docs/draw trace FILE >docs/trace.svg
//	go run ./docs/draw container FILE >docs/container.svg
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := draw(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func draw(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: draw trace|container FILE")
	}
	b, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var picture string
	switch args[0] {
	case "trace":
		var events []event
		if err := json.Unmarshal(b, &events); err != nil {
			return err
		}
		picture = drawTrace(events)
	case "container":
		var d document
		if err := json.Unmarshal(b, &d); err != nil {
			return err
		}
		picture = drawContainer(&d)
	default:
		return fmt.Errorf("no picture %q", args[0])
	}
	_, err = fmt.Print(picture)
	return err
}
