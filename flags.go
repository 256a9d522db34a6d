package main

import (
	"time"

	"github.com/urfave/cli/v3"
)

// The library makes the names of all flags anew each time it looks for one, which was a hundredth of a start.

// text is the value of a flag that takes a string.
func text(c *cli.Command, name string) string { return value[string](c, name) }

// on is the value of a flag that takes none.
func on(c *cli.Command, name string) bool { return value[bool](c, name) }

// number is the value of a flag that takes a number.
func number(c *cli.Command, name string) int { return value[int](c, name) }

// duration is the value of a flag that takes a duration.
func duration(c *cli.Command, name string) time.Duration { return value[time.Duration](c, name) }

// texts are the values of a flag that may be given several times.
func texts(c *cli.Command, name string) []string { return value[[]string](c, name) }

// given tells whether a flag is on the command line.
func given(c *cli.Command, name string) bool {
	f := flagOf(c, name)
	return f != nil && f.IsSet()
}

// value is the value of a flag; one that the command does not have was not given.
func value[T any](c *cli.Command, name string) (v T) {
	if f, ok := flagOf(c, name).(interface{ Get() any }); ok {
		v, _ = f.Get().(T)
	}
	return v
}

// flagOf is the command's own flag of this name, or nil.
func flagOf(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		var found bool
		switch f := f.(type) { // most are of these two
		case *cli.StringFlag:
			found = f.Name == name
		case *cli.BoolFlag:
			found = f.Name == name
		default:
			found = f.Names()[0] == name
		}
		if found {
			return f
		}
	}
	return nil
}
