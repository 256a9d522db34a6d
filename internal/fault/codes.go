package fault

// The codes, by what failed. docs/errors.md explains each.
const (
	Usage          Code = "E_USAGE"            // the command line is wrong
	Config         Code = "E_CONFIG"           // config.json or process.json is wrong
	NoConfig       Code = "E_CONFIG_NOT_FOUND" // there is no config.json
	JSON           Code = "E_CONFIG_JSON"      // config.json is not JSON, or a value has the wrong type
	ID             Code = "E_ID_INVALID"       // the container ID has a wrong form
	Exists         Code = "E_ID_EXISTS"        // the ID is taken
	NotFound       Code = "E_NOT_FOUND"        // there is no such container
	State          Code = "E_STATE"            // the container is in the wrong state for this
	Unsupported    Code = "E_UNSUPPORTED"      // this kernel or host cannot do it
	Rootfs         Code = "E_ROOTFS"           // the root filesystem cannot be used
	Mount          Code = "E_MOUNT"            // a mount failed
	Namespace      Code = "E_NAMESPACE"        // a namespace could not be made or joined
	Cgroup         Code = "E_CGROUP"           // a cgroup could not be made, entered or limited
	Device         Code = "E_DEVICE"           // a device could not be made
	Hook           Code = "E_HOOK"             // a hook failed
	Seccomp        Code = "E_SECCOMP"          // the seccomp profile is wrong or could not be loaded
	LSM            Code = "E_LSM"              // a security label could not be set
	ExecNotFound   Code = "E_EXEC_NOT_FOUND"   // the program is missing
	ExecDenied     Code = "E_EXEC_DENIED"      // the program may not be executed
	ExecFormat     Code = "E_EXEC_FORMAT"      // the kernel cannot execute the program
	ExecInterp     Code = "E_EXEC_INTERPRETER" // the program's interpreter is missing
	Process        Code = "E_PROCESS"          // an attribute of the process could not be set
	Console        Code = "E_CONSOLE"          // the terminal could not be made or handed over
	Permission     Code = "E_PERMISSION"       // the caller may not do this
	Timeout        Code = "E_TIMEOUT"          // something did not answer in time
	Internal       Code = "E_INTERNAL"         // a bug in mydocker
	StateDirectory Code = "E_STATE_DIRECTORY"  // the state directory cannot be read or written
	CRIU           Code = "E_CRIU"             // criu could not save or restore the processes
)
