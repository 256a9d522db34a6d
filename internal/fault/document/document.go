// Package document makes docs/errors.md of the source of package fault.
package document

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
)

// Constant is a code or a phase: its Go name, its value, and the sentences of its comment.
type Constant struct{ Name, Value, What, Remedy string }

// Errors is the text of docs/errors.md. dir is the directory of package fault.
func Errors(dir string) (string, error) {
	codes, err := Constants(filepath.Join(dir, "codes.go"), "Code")
	if err != nil {
		return "", err
	}
	phases, err := Constants(filepath.Join(dir, "fault.go"), "Phase")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(head)
	for _, p := range phases {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Value, cell(p.What))
	}
	b.WriteString(middle)
	for _, c := range codes {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Value, cell(c.What), cell(c.Remedy))
	}
	return b.String(), nil
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// Constants are the string constants of a type in a file, in order.
func Constants(file, kind string) ([]Constant, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var all []Constant
	for _, d := range tree.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, s := range group.Specs {
			if c, ok := constant(s.(*ast.ValueSpec), kind); ok {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func constant(s *ast.ValueSpec, kind string) (c Constant, ok bool) {
	t, ok := s.Type.(*ast.Ident)
	if !ok || t.Name != kind || len(s.Values) != 1 {
		return c, false
	}
	value, ok := s.Values[0].(*ast.BasicLit)
	if !ok {
		return c, false
	}
	c.Name = s.Names[0].Name
	c.Value, _ = strconv.Unquote(value.Value)
	comment := s.Doc
	if comment == nil {
		comment = s.Comment
	}
	text := strings.Join(strings.Fields(comment.Text()), " ")
	c.What = text
	if what, remedy, found := strings.Cut(text, ". "); found {
		c.What, c.Remedy = what+".", remedy
	}
	return c, true
}

const head = `# Errors

<!-- Made by go generate ./internal/fault from the comments there. -->

The last line of a command that fails says what failed and why. On a terminal a second line has the code, the field of
config.json and a hint. A log line (` + "`--log FILE --log-format json`" + `, or text) has them as keys, those that are known:

| key | what it holds |
|---|---|
| ` + "`code`" + ` | what kind of failure it is: see below. Codes do not change |
| ` + "`phase`" + ` | how far the command was |
| ` + "`step`" + ` | what init was about to do |
| ` + "`field`" + ` | the field of config.json that is at fault |
| ` + "`path`" + ` | the file that is at fault |
| ` + "`errno`" + ` | the kernel's answer, by its name in errno(3) |
| ` + "`hint`" + ` | what to do |

` + "`mydocker check`" + ` reports what is wrong with a bundle, all at once, with the same codes and fields, and exits with 0 (fine),
1 (doubtful) or 2 (wrong).

## Phases

| phase | meaning |
|---|---|
`

const middle = `
Any other phase is the name of the command, as ` + "`exec`" + `, ` + "`kill`" + ` or ` + "`delete`" + `.

## Codes

| code | what is the matter | what to do |
|---|---|---|
`
