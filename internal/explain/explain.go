// Package explain shows what would be done for a container: the list of steps, of the runtime and of init, as text for
// people and as JSON for programs.
package explain

// Who does a step.
const (
	Parent = "parent" // the runtime, on the host
	Child  = "child"  // the child of the runtime, raw system calls alone, until it executes init
	Init   = "init"   // the container's first process
)

// Step is one thing that is done.
type Step struct {
	Number int    `json:"step"`
	Who    string `json:"who"`
	Phase  string `json:"phase"`           // the command that does it: create, start or delete
	Kind   string `json:"kind,omitempty"`  // of init's steps, the name of the type
	Text   string `json:"text"`            // verb and object
	Field  string `json:"field,omitempty"` // of config.json, that asks for it
	Data   any    `json:"data,omitempty"`  // of init's steps, the very data that init is sent
	Parts  []Part `json:"parts,omitempty"`
}

// Part is a step within a step: a file that is written, a line of a map.
type Part struct {
	Text  string `json:"text"`
	Field string `json:"field,omitempty"`
}

// Document is all that is explained of one container.
type Document struct {
	ID      string `json:"id"`
	Bundle  string `json:"bundle"`
	Rootfs  string `json:"rootfs"`
	Caller  string `json:"caller"`  // who it is explained for: root, or a user
	Cgroups string `json:"cgroups"` // v1 or v2
	Steps   []Step `json:"steps"`

	who, phase string
}

// As says who does the steps that are added next, and in which phase.
func (d *Document) As(who, phase string) { d.who, d.phase = who, phase }

// Add appends a step.
func (d *Document) Add(field, text string, parts ...Part) *Step {
	d.Steps = append(d.Steps, Step{
		Number: len(d.Steps) + 1, Who: d.who, Phase: d.phase, Text: text, Field: field, Parts: parts,
	})
	return &d.Steps[len(d.Steps)-1]
}
