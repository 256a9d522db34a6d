package main

import (
	"strings"
	"testing"

	"mydocker/internal/completion"
)

// The last word is what the cursor stands at the end of.
func TestComplete(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"crea", "create"},
		{"--log-f", "--log-format"},
		{"--log-format ", "text json"},
		{"--log-format=j", "--log-format=json"},
		{"--log x --rootless t", "true"},
		{"--log ", completion.Files},
		{"--root ", completion.Directories},
		{"create --bun", "--bundle"},
		{"create -b ", completion.Directories},
		{"create --bundle x --bun", ""},
		{"create --bundle=", completion.Directories},
		{"create ", ""},
		{"run -e A=1 --en", "--env"},
		{"run box -- ", completion.Files},
		{"list -f j", "json"},
		{"stats --sort m", "memory"},
		{"top --sort m", "memory"},
		{"completion z", "zsh"},
		{"checkpoint --empty-ns ", "network"},
		{"restore --manage-cgroups-mode st", "strict"},
		{"kill box K", "KILL"},
		{"exec box --t", ""},
		{"exec --tt", "--tty"},
		{"exec -- box", ""},
		{"nope ", ""},
		{"list --nope ", ""},
		{"list --help --q", "--quiet"},
		{"kill --al", ""},
	} {
		var got []string
		for _, w := range completion.Complete(app([]string{name}), strings.Split("--root=/nowhere "+c.line, " "), known{}) {
			got = append(got, w.Text)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%q: %q, want %q", c.line, g, c.want)
		}
	}
}

func TestScriptsOfShells(t *testing.T) {
	for _, s := range completion.Shells() {
		if !strings.Contains(completion.Script(s), completeName) {
			t.Errorf("the script for %s does not ask %s", s, completeName)
		}
	}
}
