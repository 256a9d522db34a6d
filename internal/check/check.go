// Package check finds all that is wrong or doubtful with a bundle at once, without making anything. The configuration is
// judged by the code that create judges it by, which stops at the first error; what create would meet later, in the root
// filesystem and on the host, is looked at here as init would meet it.
package check

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"
)

// Level says how bad a finding is.
type Level string

// The levels: a container cannot be made, or it can, but perhaps not as it is meant.
const (
	Wrong    Level = "wrong"
	Doubtful Level = "doubtful"
)

// Finding is one thing that is wrong or doubtful.
type Finding struct {
	Level    Level      `json:"level"`
	Code     fault.Code `json:"code"`
	Field    string     `json:"field,omitempty"`
	Line     int        `json:"line,omitempty"` // in config.json, from 1 on
	Column   int        `json:"column,omitempty"`
	Text     string     `json:"text"`
	Found    string     `json:"found,omitempty"`
	Expected string     `json:"expected,omitempty"`
	Path     string     `json:"path,omitempty"`
	Hint     string     `json:"hint,omitempty"`
}

// Report is what was found.
type Report struct {
	Bundle   string    `json:"bundle"`
	Verdict  string    `json:"verdict"` // fine, doubtful or wrong
	Findings []Finding `json:"findings"`
}

// Code is the exit code: 0 for fine, 1 for doubtful, 2 for wrong.
func (r *Report) Code() int { return slices.Index([]string{"fine", "doubtful", "wrong"}, r.Verdict) }

// Bundle checks the bundle in a directory, as it would be made by a store.
func Bundle(s *container.Store, dir string) (*Report, error) {
	x, err := bundle.Examine(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Bundle: x.Dir, Verdict: "fine", Findings: []Finding{}}
	c := &checker{report: r, document: x.Document, spec: x.Spec, dir: x.Dir, privileged: container.RootOfHost()}
	c.wrong(x.Wrong...)
	c.doubt(x.Doubts...)
	if x.Spec != nil {
		c.wrong(s.Problems(&container.CreateOptions{ID: "check", Spec: x.Spec, Config: x.Config, Bundle: x.Dir})...)
		c.host()
		c.rootfs()
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r, nil
}

// checker collects findings.
type checker struct {
	report     *Report
	document   *bundle.Document
	spec       *specs.Spec
	dir        string // the bundle, absolute
	privileged bool   // the caller is root of the host
	view       *view
}

func (c *checker) wrong(all ...error) {
	for _, err := range all {
		c.report.add(Wrong, c.document, err)
	}
}

func (c *checker) doubt(all ...error) {
	for _, err := range all {
		c.report.add(Doubtful, c.document, err)
	}
}

// rootfs looks into the root filesystem, if it is there.
func (c *checker) rootfs() {
	var err error
	if c.view, err = newView(c.spec.Root.Path); err != nil {
		return // create says it, too, if it is wrong
	}
	defer c.view.close()
	if !slices.ContainsFunc(c.spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.MountNamespace && n.Path != "" }) {
		c.mounts()
		c.program()
	}
}

// add adds a finding, unless the field has one that is as bad: what is wrong with a value is looked at twice where it
// meets two parts of the program.
func (r *Report) add(level Level, d *bundle.Document, err error) {
	facts := fault.Of(err)
	f := Finding{
		Level: level, Code: fault.Classify(err), Field: facts.Field, Text: err.Error(), Expected: facts.Expected,
		Path: facts.Path, Hint: facts.Hint,
	}
	if r.has(&f) {
		return
	}
	if d != nil && f.Field != "" {
		f.Line, f.Column, f.Found = d.Place(f.Field)
		f.Found = short(f.Found)
	}
	var at *bundle.Position
	if errors.As(err, &at) {
		f.Text = at.Err.Error() // the place is said beside it
		if at.Field != "" {
			f.Text = at.Field + ": " + f.Text
		}
		if f.Line == 0 {
			f.Line, f.Column = at.Line, at.Column
		}
	}
	r.Findings = append(r.Findings, f)
	if level == Wrong || r.Verdict == "fine" {
		r.Verdict = string(level)
	}
}

func (r *Report) has(f *Finding) bool {
	return slices.ContainsFunc(r.Findings, func(o Finding) bool {
		return o.Level == f.Level && o.Code == f.Code && o.Field == f.Field && (f.Field != "" || o.Text == f.Text)
	})
}

// maxFound is how many bytes of a value are shown.
const maxFound = 120

// short is a value of the document on one line.
func short(value string) string {
	value = strings.Join(strings.Fields(value), " ")
	if len(value) > maxFound {
		value = strings.ToValidUTF8(value[:maxFound], "") + "…"
	}
	return value
}
