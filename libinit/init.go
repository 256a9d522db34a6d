package libinit

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/rawfile"
	"mydocker/internal/seqpacket"
	"mydocker/internal/stdio"
	"mydocker/internal/trace"
	"mydocker/internal/wire"
)

// Name is what the runtime calls init by: its args[0]. It is what `ps` shows of a container that waits for start.
const Name = "mydocker-init"

// Args are the arguments of init: its name, and how many descriptors from 3 on are the program's. Behind those are
// init's own: the socket, and for a container that start continues (wait) the exec FIFO and the report FIFO.
func Args(preserved int, wait bool) []string {
	return []string{Name, strconv.Itoa(preserved), strconv.FormatBool(wait)}
}

// Main is init: it receives the plan, does it step by step, and becomes the program. It returns only when a step
// failed, with the status to exit with. args are os.Args as Args made them.
//
// Namespaces, labels, the filter and capabilities are those of a thread, which has to be the main thread, since execve from
// another one would have to stop that one first. So an init function calls Main: it stays on the main thread (package runtime,
// "LockOSThread"), without the further thread that LockOSThread begins.
func Main(args []string) int {
	// 0 is what the caller has: the entry point has raised it for the threads that the Go runtime has made before this.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
	e, err := setUp(args)
	if err != nil {
		return 1
	}
	if err := e.run(); err != nil {
		e.fail(err)
	}
	return 1
}

func setUp(args []string) (*Env, error) {
	// Until execve nobody but the host's root may look into init: its descriptors and memory are the host's
	// (CVE-2016-9962).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, err
	}
	if len(args) != 3 {
		return nil, unix.EINVAL
	}
	preserved, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	next := 3 + preserved
	e := &Env{Preserved: preserved, Conn: seqpacket.New(os.NewFile(uintptr(next), "parent"))}
	if args[2] == "true" {
		e.gate = os.NewFile(uintptr(next+1), "exec.fifo")
		e.report = os.NewFile(uintptr(next+2), "report.fifo")
		return e, nil
	}
	e.Root, err = rawfile.Open("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	return e, err
}

func (e *Env) run() error {
	m, err := e.Conn.Receive()
	if err == nil && m.Kind == MsgSpans {
		e.spans = &recorder{began: trace.Clock()}
		m, err = e.Conn.Receive()
	}
	if err != nil {
		return err
	}
	if m.Kind != MsgPlan {
		return fault.New(fault.Internal, "", errors.New("first message is not a plan"))
	}
	plan, err := Decode(m.Body)
	if err != nil {
		return fault.New(fault.Internal, "", err)
	}
	if e.spans != nil {
		e.spans.add("receive plan", "", e.spans.began)
	}
	for i := range plan {
		entry := &plan[i]
		if err := e.announce(entry); err != nil {
			return err
		}
		if err := e.do(entry); err != nil {
			return fault.At(entry.Field, e.during(entry.Step, err))
		}
	}
	return fault.New(fault.Internal, "", errors.New("plan does not end with exec"))
}

// during adds what init was about to do.
func (e *Env) during(step Step, err error) error {
	phase := fault.Init
	if e.Conn == nil {
		phase = fault.Start
	}
	return &fault.Error{Phase: phase, Step: step.String(), Err: err}
}

func (e *Env) do(entry *Entry) error {
	if e.spans != nil {
		return e.timed(entry)
	}
	return entry.Step.Do(e)
}

// fail tells whoever waits, the parent or start, why init ends.
func (e *Env) fail(err error) {
	f := AsFailure(err)
	if e.Conn != nil {
		if e.asked {
			// An end of the socket with something unread in it would take what is sent with it (unix(7), ECONNRESET).
			_, _ = e.answer()
		}
		_ = e.tellSpans()
		_ = e.Conn.Send(MsgFailure, wire.Marshal(nil, f))
		return
	}
	_, _ = e.report.Write(wire.Marshal(nil, f))
	// Who started the container sees the reason too: it is all that its log will ever hold. A pipe that is full, and that
	// nobody reads, is not waited for long: start waits for the end of this process.
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(stdio.Err), Events: unix.POLLOUT}}, stderrWait); n > 0 {
		_, _ = stdio.Err.WriteString(f.Text + "\n")
	}
}

// stderrWait is in milliseconds.
const stderrWait = 1000

// AsFailure makes of an error what crosses the socket.
func AsFailure(err error) Failure {
	facts := fault.Of(err)
	return Failure{
		Text: err.Error(), Code: string(facts.Code), Phase: string(facts.Phase), Step: facts.Step, Field: facts.Field,
		Path: facts.Path, Hint: facts.Hint, Errno: uint32(facts.Errno),
	}
}

// Error makes an error of a failure again: errors.Is finds its errno.
func (f Failure) Error() error {
	var err error = remote{text: f.Text, errno: unix.Errno(f.Errno)}
	return &fault.Error{
		Code: fault.Code(f.Code), Phase: fault.Phase(f.Phase), Step: f.Step, Field: f.Field, Path: f.Path, Hint: f.Hint, Err: err,
	}
}

// remote is an error that happened at the other end.
type remote struct {
	text  string
	errno unix.Errno
}

func (r remote) Error() string { return r.text }

func (r remote) Unwrap() error {
	if r.errno == 0 {
		return nil
	}
	return r.errno
}

// Environ is the environment of init itself, before it has a plan: one thread suffices, and so short a life needs no
// collection. The program's environment comes with the plan.
func Environ() []string { return []string{"GOMAXPROCS=1", "GOGC=off"} }
