package container

import (
	"mydocker/internal/explain"
)

// step is one thing that the runtime does for a container. As a step of init's plan, it does itself and says what it
// does: create goes through the lists below, and so does explain.
type step struct {
	name string // in a trace
	do   func(*creation) error
	say  func(*creation, *explain.Document) error
}

// makeSteps make the container, from its state directory to an init that waits for start.
var makeSteps = [...]step{
	{"write state", (*creation).begin, (*creation).sayBegin},
	{"make cgroup", (*creation).makeCgroup, (*creation).sayMakeCgroup},
	{"make resctrl group", (*creation).makeRDT, (*creation).sayMakeRDT},
	{"make notify directory", (*creation).makeNotifyDir, (*creation).sayMakeNotifyDir},
	{"make FIFOs", (*creation).makeFIFOs, (*creation).sayMakeFIFOs},
	{"seal binary", (*creation).seal, (*creation).saySeal},
	{"spawn init", (*creation).spawn, (*creation).saySpawn},
	{"send plan", (*creation).sendPlan, (*creation).saySendPlan},
	{"serve init", (*creation).serve, (*creation).sayServe},
}

// placeSteps put the child where it belongs, before it makes a cgroup namespace, of which that is the root then.
var placeSteps = [...]step{
	{"join cgroup", (*creation).joinCgroup, (*creation).sayJoinCgroup},
	{"join resctrl group", (*creation).joinRDT, (*creation).sayJoinRDT},
}

// limitSteps are for when the mounts and devices of the container are there: devices and other limits that cannot hurt init.
var limitSteps = [...]step{
	{"set limits", (*creation).setLimits, (*creation).saySetLimits},
}

// hookSteps are what else the host has to do between namespaces and pivot_root: net devices, and the hooks of the runtime's
// namespaces.
var hookSteps = [...]step{
	{"move net devices", (*creation).moveNetDevices, (*creation).sayMoveNetDevices},
	{"prestart hooks", (*creation).runPrestart, (*creation).sayPrestart},
	{"createRuntime hooks", (*creation).runCreateRuntime, (*creation).sayCreateRuntime},
}

// readySteps have to wait until init has made its threads and its memory: the other limits, then the state.
var readySteps = [...]step{
	{"join memory cgroup", (*creation).joinLate, (*creation).sayJoinLate},
	{"set rlimits", (*creation).setRlimits, (*creation).saySetRlimits},
	{"write state", (*creation).writeReady, (*creation).sayWriteReady},
}

// finishSteps tell those who asked for it that the container is created.
var finishSteps = [...]step{
	{"hand over pidfd", (*creation).handPidfd, (*creation).sayHandPidfd},
	{"write pid file", (*creation).writePid, (*creation).sayWritePid},
}

// do does steps until one fails.
func (b *creation) do(steps []step) error {
	for i := range steps {
		start := b.trace.Now()
		err := steps[i].do(b)
		b.trace.Done(steps[i].name, start)
		if err != nil {
			return err
		}
	}
	return nil
}

// say says what do would do.
func (b *creation) say(d *explain.Document, steps []step) error {
	for i := range steps {
		if err := steps[i].say(b, d); err != nil {
			return err
		}
	}
	return nil
}
