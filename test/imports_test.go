package test

import (
	"os/exec"
	"strings"
	"testing"
)

// Who may not import what: init is small and starts fast, and the plan is made without the parts that do things.
func TestImports(t *testing.T) {
	for from, forbidden := range map[string][]string{
		"mydocker/libinit": {
			"github.com/urfave/cli/v3", "github.com/sirupsen/logrus", "github.com/opencontainers/cgroups", "github.com/godbus/dbus/v5",
			"github.com/vishvananda/netlink", "mydocker/internal/container", "mydocker/internal/spawn", "net/http",
		},
		"mydocker/internal/spawn":   {"mydocker/libinit", "mydocker/internal/container"},
		"mydocker/internal/seccomp": {"mydocker/libinit", "net"},
		"mydocker": {
			"net/http", "text/template", "regexp", "go/build", "testing", "encoding/gob", "github.com/containerd/go-runc",
		},
	} {
		out, err := exec.Command("go", "list", "-tags", "urfave_cli_no_template", "-deps", from).CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		for _, dep := range strings.Fields(string(out)) {
			for _, f := range forbidden {
				if dep == f {
					t.Errorf("%s imports %s", from, f)
				}
			}
		}
	}
}
