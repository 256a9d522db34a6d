package hostile

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

var (
	weaken = flag.String("weaken", "", "a pattern of the defences to take away, one at a time: the attacks on them then have to succeed")
	kept   = flag.String("keep", "", "the directory in which the last mydocker without a defence is left")
)

// weakened is what a mydocker is called that lacks a defence.
const weakened = "weakened"

// TestControls builds mydocker without each of its defences, and attacks: what withstands shows that the attack, or the
// defence, is none.
func TestControls(t *testing.T) {
	if os.Geteuid() != 0 || *weaken == "" {
		t.Skip("needs root, and -weaken")
	}
	wanted, err := regexp.Compile(*weaken)
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "without\tattack\tmydocker is")
	for _, d := range weakenings {
		if !wanted.MatchString(d.name) {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			d.attack(t, root, func(attack, verdict string) { fmt.Fprintln(w, d.name+"\t"+attack+"\t"+verdict) })
		})
	}
	_ = w.Flush()
	fmt.Println(text.String())
}

// attack attacks a mydocker without the defence, which has to break. A race may be lost, though not time after time.
func (d *weakening) attack(t *testing.T, root string, tell func(attack, verdict string)) {
	if len(d.pretence) > 0 {
		for name, verdict := range attackAll(t, weakened, build(t, root, d.pretence), pattern(d.attacks), true) {
			if broke(verdict) {
				t.Errorf("%s, with the defence: %s", name, verdict)
			}
		}
	}
	path := build(t, root, append(slices.Clip(d.pretence), d.edits...))
	verdicts := attackAll(t, weakened, path, pattern(d.attacks), true)
	for _, name := range d.attacks {
		for try := 1; try < 3 && isRace(name) && !broke(verdicts[name]); try++ {
			verdicts[name] = attackAll(t, weakened, path, pattern([]string{name}), true)[name]
		}
		tell(name, short(verdicts[name]))
		if !broke(verdicts[name]) {
			t.Errorf("%s: %s", name, verdicts[name])
		}
	}
}

func pattern(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }

func broke(verdict string) bool { return strings.HasPrefix(verdict, "BROKEN: ") }

func isRace(name string) bool {
	return slices.ContainsFunc(attacks, func(a attack) bool { return a.race && a.name == name })
}

// build builds mydocker with edits, which go build lays over the checkout.
func build(t *testing.T, root string, edits []edit) (path string) {
	out := filepath.Join(t.TempDir(), weakened)
	if *kept != "" {
		if err := os.MkdirAll(*kept, 0o755); err != nil {
			t.Fatal(err)
		}
		out = filepath.Join(*kept, weakened)
	}
	dir := t.TempDir()
	replaced := make(map[string]string)
	for _, e := range edits {
		path := filepath.Join(root, e.file)
		from := path
		if edited, again := replaced[path]; again {
			from = edited
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), e.old); n != 1 {
			t.Fatalf("%s has %d times, not once: %s", e.file, n, e.old)
		}
		replaced[path] = filepath.Join(dir, strings.ReplaceAll(e.file, "/", "_"))
		if err := os.WriteFile(replaced[path], []byte(strings.Replace(string(b), e.old, e.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-s", "-C", root, "mydocker", "OUT="+out)
	cmd.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	return out
}
