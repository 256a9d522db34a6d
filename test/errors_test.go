package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	errordoc "mydocker/internal/fault/document"
)

// TestErrorsAreDocumented compares docs/errors.md with the codes of package fault: `go generate ./internal/fault` writes it.
func TestErrorsAreDocumented(t *testing.T) {
	want, err := errordoc.Errors("../internal/fault")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, "../docs/errors.md"); got != want {
		t.Error("docs/errors.md is not what `go generate ./internal/fault` writes")
	}
	codes, err := errordoc.Constants("../internal/fault/codes.go", "Code")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^E(_[A-Z]+)+$`)
	seen := map[string]bool{}
	for _, c := range codes {
		switch {
		case c.What == "" || c.Remedy == "":
			t.Errorf("%s: the comment says not what is the matter, or not what to do", c.Name)
		case seen[c.Value] || !form.MatchString(c.Value):
			t.Errorf("%s: code %s is there twice, or has another form", c.Name, c.Value)
		}
		seen[c.Value] = true
	}
	if len(codes) < 30 {
		t.Errorf("only %d codes were found", len(codes))
	}
}

// TestCodesAreUsed looks for each code where errors are made.
func TestCodesAreUsed(t *testing.T) {
	source := sources(t)
	codes, err := errordoc.Constants("../internal/fault/codes.go", "Code")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range codes {
		if !regexp.MustCompile(`\bfault\.`+c.Name+`\b`).MatchString(source) && !strings.Contains(read(t, "../internal/fault/fault.go"), "return "+c.Name+"\n") {
			t.Errorf("no error has the code %s", c.Value)
		}
	}
}

// sources is the program's source, without tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"../internal", "../libinit"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			all.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
