package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"mydocker/internal/container"
	"mydocker/internal/fault"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list the containers",
		Description: "Lists the containers of this --root.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table or json", Value: "table"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print IDs only"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			if f := text(c, "format"); f != "table" && f != "json" {
				return fault.New(fault.Usage, "", errors.New("invalid format option"))
			}
			s, err := store(c)
			if err != nil {
				return err
			}
			all, err := s.List()
			// The default root comes with the first container; one that was named has to be there.
			if errors.Is(err, os.ErrNotExist) && !given(c.Root(), "root") {
				err = nil
			}
			if err != nil {
				return err
			}
			out := bufio.NewWriter(c.Root().Writer) // the table comes cell by cell
			return errors.Join(printList(c, out, all), out.Flush())
		},
	}
}

func printList(c *cli.Command, out io.Writer, all []*container.State) error {
	if on(c, "quiet") {
		for _, s := range all {
			if _, err := fmt.Fprintln(out, s.ID); err != nil {
				return err
			}
		}
		return nil
	}
	if text(c, "format") == "json" {
		if all == nil {
			all = []*container.State{}
		}
		return json.NewEncoder(out).Encode(all)
	}
	w := tabwriter.NewWriter(out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range all {
		created := ""
		if !s.Created.IsZero() {
			created = s.Created.Format(time.RFC3339Nano)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.Pid, s.Status, s.Bundle, created, s.Owner)
	}
	return w.Flush()
}
