package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"
	"mydocker/internal/size"
)

func updateCommand() *cli.Command {
	return &cli.Command{
		Name:        "update",
		Usage:       "change the limits of a container",
		ArgsUsage:   "ID",
		Description: "Changes what is given; the other limits stay. If one cannot be changed, all keep their old values.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "resources", Aliases: []string{"r"}, Usage: "read the limits from `FILE` (\"-\" for stdin), as linux.resources of config.json has them", TakesFile: true},
			&cli.IntFlag{Name: "blkio-weight", HideDefault: true, Usage: "weight of block I/O, 10 to 1000"},
			&cli.StringFlag{Name: "cpu-period", Usage: "period of the CPU quota in `USEC`"},
			&cli.StringFlag{Name: "cpu-quota", Usage: "CPU time a period in `USEC`"},
			&cli.StringFlag{Name: "cpu-burst", Usage: "unused CPU time that may be kept in `USEC`"},
			&cli.StringFlag{Name: "cpu-share", Usage: "weight of CPU time"},
			&cli.StringFlag{Name: "cpu-rt-period", Usage: "period of real-time scheduling in `USEC`"},
			&cli.StringFlag{Name: "cpu-rt-runtime", Usage: "real-time CPU time a period in `USEC`"},
			&cli.StringFlag{Name: "cpuset-cpus", Usage: "CPUs, as in 0-3,7"},
			&cli.StringFlag{Name: "cpuset-mems", Usage: "memory nodes, as in 0-1"},
			&cli.StringFlag{Name: "memory", Usage: "memory in bytes, or with a unit: 64m"},
			&cli.StringFlag{Name: "cpu-idle", Usage: "1 for SCHED_IDLE, 0 for normal"},
			&cli.StringFlag{Name: "memory-reservation", Usage: "memory that is kept under pressure"},
			&cli.StringFlag{Name: "memory-swap", Usage: "memory and swap together; -1 for no limit"},
			&cli.IntFlag{Name: "pids-limit", HideDefault: true, Usage: "number of processes; -1 for no limit"},
			&cli.StringFlag{Name: "l3-cache-schema", Usage: "L3 cache of Intel RDT"},
			&cli.StringFlag{Name: "mem-bw-schema", Usage: "memory bandwidth of Intel RDT"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			u, err := updateOf(c)
			if err != nil {
				return err
			}
			return ctr.Update(u)
		},
	}
}

// updateOf reads the file or the flags.
func updateOf(c *cli.Command) (*container.Update, error) {
	u := &container.Update{}
	for flag, to := range map[string]**string{"l3-cache-schema": &u.L3CacheSchema, "mem-bw-schema": &u.MemBwSchema} {
		if given(c, flag) {
			value := text(c, flag)
			*to = &value
		}
	}
	path := text(c, "resources")
	if path == "" {
		r, err := flagResources(c)
		u.Resources = r
		return u, err
	}
	for _, flag := range resourceFlags() {
		if given(c, flag) {
			err := fault.New(fault.Usage, "", fmt.Errorf("unable to apply both --resources and --%s", flag))
			return nil, fault.Hint(err, "put the value into the file, or leave --resources out")
		}
	}
	r, err := readResources(path)
	u.Resources = r
	return u, err
}

// resourceFlags are those that the file has a field for.
func resourceFlags() []string {
	return []string{
		"blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period", "cpu-rt-runtime",
		"cpuset-cpus", "cpuset-mems", "memory", "cpu-idle", "memory-reservation", "memory-swap", "pids-limit",
	}
}

func readResources(path string) (*specs.LinuxResources, error) {
	if path == "-" {
		return bundle.ReadResources("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "", err)
	}
	defer f.Close()
	return bundle.ReadResources(path, f)
}

// flagResources makes resources of the flags that are set.
func flagResources(c *cli.Command) (*specs.LinuxResources, error) {
	cpu, memory := &specs.LinuxCPU{Cpus: text(c, "cpuset-cpus"), Mems: text(c, "cpuset-mems")}, &specs.LinuxMemory{}
	r := &specs.LinuxResources{CPU: cpu, Memory: memory}
	if given(c, "blkio-weight") {
		weight := number(c, "blkio-weight")
		if weight < 0 || weight > 1000 {
			return nil, invalid("blkio-weight", strconv.Itoa(weight), "10 to 1000")
		}
		w := uint16(weight)
		r.BlockIO = &specs.LinuxBlockIO{Weight: &w}
	}
	if given(c, "pids-limit") {
		limit := int64(number(c, "pids-limit"))
		r.Pids = &specs.LinuxPids{Limit: &limit}
	}
	for flag, to := range map[string]**uint64{
		"cpu-period": &cpu.Period, "cpu-burst": &cpu.Burst, "cpu-share": &cpu.Shares, "cpu-rt-period": &cpu.RealtimePeriod,
	} {
		if err := unsignedFlag(c, flag, to); err != nil {
			return nil, err
		}
	}
	for flag, to := range map[string]**int64{"cpu-quota": &cpu.Quota, "cpu-rt-runtime": &cpu.RealtimeRuntime, "cpu-idle": &cpu.Idle} {
		if err := signedFlag(c, flag, to, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }, "a number, or -1"); err != nil {
			return nil, err
		}
	}
	for flag, to := range map[string]**int64{"memory": &memory.Limit, "memory-reservation": &memory.Reservation, "memory-swap": &memory.Swap} {
		if err := signedFlag(c, flag, to, size.Parse, "a number of bytes, as 67108864 or 64m, or -1"); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func unsignedFlag(c *cli.Command, flag string, to **uint64) error {
	if !given(c, flag) {
		return nil
	}
	n, err := strconv.ParseUint(text(c, flag), 10, 64)
	if err != nil {
		return invalid(flag, text(c, flag), "a number")
	}
	*to = &n
	return nil
}

func signedFlag(c *cli.Command, flag string, to **int64, parse func(string) (int64, error), allowed string) error {
	if !given(c, flag) {
		return nil
	}
	n, err := parse(strings.TrimSpace(text(c, flag)))
	if err != nil {
		return invalid(flag, text(c, flag), allowed)
	}
	*to = &n
	return nil
}

func invalid(flag, value, allowed string) error {
	return fault.New(fault.Usage, "", fmt.Errorf("invalid value for %s: %q is not %s", flag, value, allowed))
}
